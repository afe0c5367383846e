package dynamodb

import (
	"slices"

	"github.com/crossfadedb/crossfade/internal/expression"
)

func (c *call) query(in *query) (*page, error) {
	if in.KeyConditionExpression == nil {
		return nil, validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	reading, clauses, err := in.begin(c, in.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	t := reading.table
	partition, sort, err := t.schema.conditions(clauses)
	if err != nil {
		return nil, err
	}
	low, high := partition, partition
	low.sort = ""
	if sort != nil {
		low.sort = lowest(*sort)
	}
	forward := in.ScanIndexForward == nil || *in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		after, err := t.schema.placeOfKey(in.ExclusiveStartKey)
		if err != nil || after.partition != partition.partition {
			return nil, validation("The provided starting key is invalid")
		}
		if forward {
			low = after.following()
		} else {
			high = after
		}
	}
	visit := func(r *row) bool {
		if r.partition != partition.partition || r.hash != partition.hash {
			return false
		}
		if sort == nil {
			return reading.take(r)
		}
		v := expression.MustParseItem(r.key)[sort.Name]
		return !sort.Holds(v) || reading.take(r)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case forward:
		t.rows.ascend(low, visit)
	case in.ExclusiveStartKey != nil:
		t.rows.descend(high, visit)
	default:
		t.rows.descend(partition.behind(), visit)
	}
	return in.answer(reading), nil
}

// behind is the place behind the whole partition.
func (p place) behind() place {
	p.partition += "\x00"
	p.sort = ""
	return p
}

// conditions finds the partition, and what the sort key must fulfil, in a key condition.
func (s schema) conditions(clauses []expression.Clause) (partition place, sort *expression.Clause, err error) {
	if !slices.ContainsFunc(clauses, func(c expression.Clause) bool { return c.Name == s[0].name }) {
		return place{}, nil, validation("Query condition missed key schema element: %s", s[0].name)
	}
	found := false
	for _, c := range clauses {
		switch {
		case c.Name == s[0].name && !found:
			if c.Operator != "=" {
				return place{}, nil, validation("Query key condition not supported")
			}
			if c.Values[0].Kind != s[0].kind {
				return place{}, nil, validation(wrongValues + "Condition parameter type does not match schema type")
			}
			if partition, err = s[:1].place(expression.Item{c.Name: c.Values[0]}); err != nil {
				return place{}, nil, err
			}
			found = true
		case len(s) == 2 && c.Name == s[1].name && sort == nil:
			for _, v := range c.Values {
				if v.Kind != s[1].kind {
					return place{}, nil, validation(wrongValues + "Condition parameter type does not match schema type")
				}
			}
			sort = &c
		case c.Name == s[0].name || len(s) == 2 && c.Name == s[1].name:
			return place{}, nil, validation("KeyConditionExpressions must only contain one condition per key")
		default:
			return place{}, nil, validation("Query condition missed key schema element: %s", s[len(s)-1].name)
		}
	}
	return partition, sort, nil
}

// lowest is where the sort keys that fulfil the clause can begin.
func lowest(c expression.Clause) string {
	switch c.Operator {
	case "=", ">", ">=", "BETWEEN", "begins_with":
		return sortBytes(c.Values[0])
	default:
		return ""
	}
}
