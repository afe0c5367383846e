package dynamodb

import (
	"strings"

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
	asked, err := reading.conditions(clauses)
	if err != nil {
		return nil, err
	}
	low, high := asked.low, asked.behind
	forward := in.ScanIndexForward == nil || *in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		after, err := reading.startAt(in.ExclusiveStartKey)
		if err != nil || after.partition != asked.low.partition {
			return nil, validation("The provided starting key is invalid")
		}
		if forward {
			low = after.following()
		} else {
			high = after
		}
	}
	visit := func(r *row) bool {
		if r.partition != asked.low.partition || r.hash != asked.low.hash {
			return false
		}
		return !asked.holds(r) || reading.take(r)
	}
	t := reading.table
	t.mu.RLock()
	defer t.mu.RUnlock()
	if forward {
		reading.content().ascend(low, visit)
	} else {
		reading.content().descend(high, visit)
	}
	return in.answer(reading), nil
}

// asked is what a key condition selects: the rows of a partition, from low on, whose sort key fulfils the clauses.
type asked struct {
	low, behind place
	sort        []expression.Clause
}

func (a asked) holds(r *row) bool {
	if a.sort == nil {
		return true
	}
	key := expression.MustParseItem(r.key)
	for _, c := range a.sort {
		if !c.Holds(key[c.Name]) {
			return false
		}
	}
	return true
}

// end is the place behind the whole partition.
func (p place) end() place {
	p.partition += "\x00"
	p.sort = ""
	return p
}

// key is the key that the rows which are read are ordered by: the attributes of the partition, and those of the order in it.
func (r *reading) key() (hash, sort []keyAttribute) {
	if r.index != nil {
		return r.index.hash, r.index.sort
	}
	return r.table.schema[:1], r.table.schema[1:]
}

// conditions finds what a key condition selects. Each attribute of the partition has a value; those of the order have
// conditions from the first on without a hole, and only the last of them may be another one than equality.
func (r *reading) conditions(clauses []expression.Clause) (asked, error) {
	hash, sort := r.key()
	byName := map[string]expression.Clause{}
	for _, c := range clauses {
		if _, twice := byName[c.Name]; twice {
			return asked{}, validation("KeyConditionExpressions must only contain one condition per key")
		}
		byName[c.Name] = c
	}
	equal := expression.Item{}
	for _, a := range hash {
		c, ok := byName[a.name]
		switch {
		case !ok:
			return asked{}, validation("Query condition missed key schema element: %s", a.name)
		case c.Operator != "=":
			return asked{}, validation("Query key condition not supported")
		}
		if err := sameType(a, c); err != nil {
			return asked{}, err
		}
		equal[a.name] = c.Values[0]
		delete(byName, a.name)
	}
	var of asked
	var low strings.Builder
	open := true // whether low may become longer
	for _, a := range sort {
		c, ok := byName[a.name]
		if !ok {
			break
		}
		if len(of.sort) > 0 && of.sort[len(of.sort)-1].Operator != "=" {
			return asked{}, validation("Query key condition not supported")
		}
		if err := sameType(a, c); err != nil {
			return asked{}, err
		}
		of.sort = append(of.sort, c)
		delete(byName, a.name)
		if open = open && lowest(c) != ""; open {
			low.WriteString(r.sortBytes(lowest(c), c.Operator == "="))
		}
	}
	for range byName {
		missed := hash[0].name
		if len(sort) > 0 {
			missed = sort[len(sort)-1].name
		}
		return asked{}, validation("Query condition missed key schema element: %s", missed)
	}
	var err error
	if of.low, err = r.partition(equal); err != nil {
		return asked{}, err
	}
	of.behind = of.low.end()
	of.low.sort = low.String()
	return of, nil
}

func sameType(a keyAttribute, c expression.Clause) error {
	for _, v := range c.Values {
		if v.Kind != a.kind {
			return validation(wrongValues + "Condition parameter type does not match schema type")
		}
	}
	return nil
}

// partition is the place of the partition whose key attributes are these.
func (r *reading) partition(key expression.Item) (place, error) {
	if r.index == nil {
		return r.table.schema[:1].place(key)
	}
	if err := r.index.check(key); err != nil {
		return place{}, err
	}
	p, _ := composite(r.index.hash, key)
	return place{hash: hashOf(p), partition: p}, nil
}

// sortBytes is how the bytes of an attribute of the order stand in a row's place; ended, if more attributes may follow.
func (r *reading) sortBytes(text string, ended bool) string {
	if r.index == nil {
		return text
	}
	text = strings.ReplaceAll(text, "\x00", "\x00\xff")
	if ended {
		text += "\x00\x00"
	}
	return text
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
