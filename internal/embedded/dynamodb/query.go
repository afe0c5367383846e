package dynamodb

import (
	"maps"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/expression"
)

func (c *call) query(in *query) (*page, error) {
	if in.KeyConditionExpression == nil {
		return nil, validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	expressions, err := in.parse(c, in.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	reading, err := in.begin(c, expressions)
	if err != nil {
		return nil, err
	}
	asked, err := reading.conditions(expressions.key)
	if err != nil {
		return nil, err
	}
	low, high := asked.low, asked.behind
	forward := in.ScanIndexForward == nil || *in.ScanIndexForward
	if in.ExclusiveStartKey != nil {
		after, err := reading.startIn(asked, in.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		if forward {
			low = after.following()
		} else {
			high = after
		}
	}
	if reading.filter != nil {
		parameter := "Filter Expression"
		if c.given("QueryFilter") {
			parameter = "QueryFilter"
		}
		if err := reading.checkFilter(parameter); err != nil {
			return nil, err
		}
	}
	if err := in.check(reading); err != nil {
		return nil, err
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

// startIn finds where the page before ended, which is within what is asked.
func (r *reading) startIn(a asked, key expression.Item) (place, error) {
	hash, sort := r.key()
	if r.index == nil {
		if len(key) != len(r.table.schema) {
			return place{}, validation(invalidStart)
		}
		for _, a := range r.table.schema {
			if _, ok := key[a.name]; !ok {
				return place{}, validation(invalidStart)
			}
		}
	}
	after, err := r.startAt(key)
	if err != nil {
		return place{}, err
	}
	switch inside := after.partition == a.low.partition; {
	case a.sort != nil && !slices.ContainsFunc(a.sort, func(c expression.Clause) bool { return !c.Holds(key[c.Name]) }):
		if !inside {
			return place{}, validation("The query can return at most one row and cannot be restarted")
		}
	case a.sort != nil:
		return place{}, validation("The provided starting key does not match the range key predicate")
	case !inside:
		return place{}, validation("The provided starting key is outside query boundaries based on provided conditions")
	case r.index == nil && len(sort) == 0:
		v := key[hash[0].name]
		return place{}, validation("The provided exclusive start key is invalid: ExclusiveStartKey: {%s=AttributeValue: {%s:%s}}", hash[0].name, v.Kind, v.Text)
	}
	return after, nil
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
		byName[c.Name] = c
	}
	several := len(hash) > 1 || len(sort) > 1
	conditions := maps.Clone(byName)
	switch {
	case len(byName) > 2 && !several:
		return asked{}, validation("Conditions can be of length 1 or 2 only")
	case len(byName) > 1 && len(sort) == 0 && !several:
		return asked{}, errUnsupported()
	}
	equal := expression.Item{}
	for _, a := range hash {
		c, ok := byName[a.name]
		switch {
		case several && (!ok || c.Operator != "="):
			return asked{}, errUnequal("HASH", unequal(hash, conditions), "")
		case !ok:
			return asked{}, validation("Query condition missed key schema element: %s", a.name)
		}
		if err := sameType(a, c); err != nil {
			return asked{}, err
		}
		if c.Operator != "=" {
			return asked{}, errUnsupported()
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
			return asked{}, errHole(sort, conditions)
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
	switch {
	case len(byName) == 0:
	case several:
		return asked{}, errHole(sort, conditions)
	default:
		return asked{}, validation("Query condition missed key schema element: %s", sort[0].name)
	}
	var err error
	if of.low, err = r.partition(equal); err != nil {
		return asked{}, err
	}
	of.behind = of.low.end()
	of.low.sort = low.String()
	return of, nil
}

func errUnsupported() error { return validation("Query key condition not supported") }

// unequal are the names of the attributes without an equality condition.
func unequal(attributes []keyAttribute, conditions map[string]expression.Clause) (names []string) {
	for _, a := range attributes {
		if c, ok := conditions[a.name]; !ok || c.Operator != "=" {
			names = append(names, a.name)
		}
	}
	return names
}

func errUnequal(role string, names []string, because string) error {
	return validation("%s key attributes %s must have equality conditions specified in the query%s", role, strings.Join(names, ", "), because)
}

// errHole is the error of conditions on the order's attributes that leave one out, or have another one than equality before
// the last.
func errHole(sort []keyAttribute, conditions map[string]expression.Clause) error {
	for i, a := range slices.Backward(sort) {
		if _, ok := conditions[a.name]; !ok {
			continue
		}
		if names := unequal(sort[:i], conditions); names != nil {
			return errUnequal("RANGE", names, " because a condition is present on key attribute "+a.name)
		}
		break
	}
	return errUnsupported()
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
