package dynamodb

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// DynamoDB's limits of secondary indexes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	maxLocalIndexes   = 5
	maxGlobalIndexes  = 20
	maxIndexAttribute = 4 // of either part of a global index' key
)

// index is one secondary index of a table. Its entries are rows of their own, in the order of the index' key; those that
// have the same key stand in the order of the table's, which is part of each entry's place. An item that lacks an
// attribute of the key has no entry.
type index struct {
	name        string
	global      bool
	hash, sort  []keyAttribute // one attribute each as a rule, or up to four of a global index; sort may be none
	projection  string         // ALL, KEYS_ONLY or INCLUDE
	included    []string       // the non-key attributes of INCLUDE
	units       [2]int64
	ready       time.Time // when it becomes ACTIVE; zero: it is from the beginning
	rows        rows
	projectedTo map[string]bool // the attributes that an entry has; nil for ALL
}

// key is every attribute of the index' key.
func (x *index) key() []keyAttribute { return slices.Concat(x.hash, x.sort) }

// prepare computes what an entry has.
func (x *index) prepare(table schema) {
	if x.projection == "ALL" {
		return
	}
	x.projectedTo = map[string]bool{}
	for _, a := range slices.Concat(x.key(), table) {
		x.projectedTo[a.name] = true
	}
	for _, name := range x.included {
		x.projectedTo[name] = true
	}
}

// check refuses an item whose attribute cannot be a key of the index. That it has none is no error.
func (x *index) check(item expression.Item) error {
	for i, a := range x.key() {
		v, ok := item[a.name]
		if !ok {
			continue
		}
		if v.Kind != a.kind {
			return validation(wrongValues+"Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.name, a.kind, v.Kind, x.name)
		}
		if a.kind == expression.Num {
			continue
		}
		if v.Text == "" {
			kind := "string"
			if a.kind == expression.Binary {
				kind = "binary"
			}
			return validation("One or more parameter values are not valid. A value specified for a secondary index key is not supported. "+
				"The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", kind, x.name, a.name)
		}
		if i < len(x.hash) && len(v.Text) > maxPartitionBytes {
			return validation(wrongValues + "Size of hashkey has exceeded the maximum size limit of2048 bytes")
		}
		if i >= len(x.hash) && len(v.Text) > maxSortBytes {
			return validation(wrongValues + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
	}
	return nil
}

// place is where the entry of an item stands whose own place in the table is p; false if it has none.
func (x *index) place(p place, item expression.Item) (place, bool) {
	partition, ok := composite(x.hash, item)
	if !ok {
		return place{}, false
	}
	sort, ok := composite(x.sort, item)
	if !ok {
		return place{}, false
	}
	return place{hash: hashOf(partition), partition: partition, sort: sort + p.partition + "\x00\x00" + p.sort}, true
}

// composite is the bytes of several attributes, in whose order they are ordered one after the other: each is ended by two
// zeros, and a zero within it is followed by 255.
func composite(attributes []keyAttribute, item expression.Item) (string, bool) {
	var b strings.Builder
	for _, a := range attributes {
		v, ok := item[a.name]
		if !ok {
			return "", false
		}
		b.WriteString(strings.ReplaceAll(sortBytes(v), "\x00", "\x00\xff"))
		b.WriteString("\x00\x00")
	}
	return b.String(), true
}

// entry is the row of an item in the index; nil if it has none.
func (x *index) entry(r *row, table schema) *row {
	if r == nil {
		return nil
	}
	item := expression.MustParseItem(r.raw)
	p, ok := x.place(r.place, item)
	if !ok {
		return nil
	}
	e := &row{place: p, raw: r.raw, size: r.size, key: x.keyJSON(item, table), base: r.place}
	if x.projectedTo != nil {
		for name := range item {
			if !x.projectedTo[name] {
				delete(item, name)
			}
		}
		e.raw, e.size = item.Append(nil), item.Size()
	}
	return e
}

// keyJSON is what a page of the index that ends at this item says: the index' key and the table's.
func (x *index) keyJSON(item expression.Item, table schema) []byte {
	key := expression.Item{}
	for _, a := range slices.Concat(x.key(), table) {
		key[a.name] = item[a.name]
	}
	return key.Append(nil)
}

// startAt finds the entry that a page ended at. The key must be the index' and the table's key attributes, no more.
func (x *index) startAt(key expression.Item, table schema) (place, error) {
	names := map[string]bool{}
	for _, a := range slices.Concat(x.key(), table) {
		names[a.name] = true
	}
	if len(key) != len(names) {
		return place{}, validation(invalidStart)
	}
	for _, a := range x.key() {
		switch v, ok := key[a.name]; {
		case !ok:
			return place{}, validation(invalidStart)
		case v.Kind != a.kind:
			return place{}, validation(noMatch)
		}
	}
	for _, a := range table {
		if v, ok := key[a.name]; !ok || v.Kind != a.kind {
			return place{}, validation(invalidStart + ": " + noMatch)
		}
	}
	base, err := table.place(key)
	if err != nil {
		return place{}, err
	}
	p, _ := x.place(base, key)
	return p, nil
}

// change brings the index from one row of the table to the next, and returns the write units that it costs.
func (x *index) change(old, new *row, table schema) (units float64) {
	was, is := x.entry(old, table), x.entry(new, table)
	if was != nil && is != nil && was.place == is.place {
		if bytes.Equal(was.raw, is.raw) {
			return 0
		}
		x.rows.put(is, x.rows.get(is.place))
		return writeUnits(was, is)
	}
	if was != nil {
		x.rows.remove(x.rows.get(was.place))
		units += writeUnits(was, nil)
	}
	if is != nil {
		x.rows.put(is, nil)
		units += writeUnits(nil, is)
	}
	return units
}

// indexNamed is the index of a call; nil, false if the table has none of this name.
func (t *table) indexNamed(name string) (*index, bool) {
	i := slices.IndexFunc(t.indexes, func(x *index) bool { return x.name == name })
	if i < 0 {
		return nil, false
	}
	return t.indexes[i], true
}

// checkIndexed refuses an item that an index cannot take.
func (t *table) checkIndexed(item expression.Item) error {
	for _, x := range t.indexes {
		if err := x.check(item); err != nil {
			return err
		}
	}
	return nil
}

// hasLocal reports whether the table has item collections.
func (t *table) hasLocal() bool {
	return slices.ContainsFunc(t.indexes, func(x *index) bool { return !x.global })
}

// itemCollection is the answer to ReturnItemCollectionMetrics.
type itemCollection struct {
	ItemCollectionKey   jsontext.Value
	SizeEstimateRangeGB [2]float64
}
