package dynamodb

import (
	"hash/fnv"
	"slices"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// DynamoDB's limits of a key's values, in bytes.
const (
	maxPartitionBytes = 2048
	maxSortBytes      = 1024
)

// keyAttribute is one attribute of a primary key.
type keyAttribute struct {
	name string
	kind expression.Kind
}

// schema is a primary key: one attribute, or two.
type schema []keyAttribute

const (
	noMatch     = "The provided key element does not match the schema"
	wrongValues = "One or more parameter values were invalid: "
)

// placeOfKey finds a row by a Key, which must be the key attributes and nothing else.
func (s schema) placeOfKey(key expression.Item) (place, error) {
	if len(key) != len(s) {
		return place{}, validation(noMatch)
	}
	for _, a := range s {
		if v, ok := key[a.name]; !ok || v.Kind != a.kind {
			return place{}, validation(noMatch)
		}
	}
	return s.place(key)
}

// placeOfItem finds where an item belongs.
func (s schema) placeOfItem(item expression.Item) (place, error) {
	for _, a := range s {
		v, ok := item[a.name]
		if !ok {
			return place{}, validation(wrongValues+"Missing the key %s in the item", a.name)
		}
		if v.Kind != a.kind {
			return place{}, validation(wrongValues+"Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.Kind)
		}
	}
	return s.place(item)
}

// place computes the place of key attributes that are known to be there with the right types.
func (s schema) place(item expression.Item) (p place, err error) {
	for i, a := range s {
		text := item[a.name].Text
		switch {
		case text == "" && a.kind == expression.Binary:
			return place{}, validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", a.name)
		case text == "":
			return place{}, validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", a.name)
		case i == 0 && len(text) > maxPartitionBytes && a.kind != expression.Num:
			return place{}, validation(wrongValues + "Size of hashkey has exceeded the maximum size limit of2048 bytes")
		case i == 1 && len(text) > maxSortBytes && a.kind != expression.Num:
			return place{}, validation(wrongValues + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		case i == 0:
			p.partition = text
			p.hash = hashOf(text)
		default:
			p.sort = sortBytes(item[a.name])
		}
	}
	return p, nil
}

// hashOf spreads partition keys over the hash space, the same way in every process: FNV-1a, then murmur3's
// finalizer, since FNV alone leaves the upper bits of short keys alike.
func hashOf(partition string) uint64 {
	f := fnv.New64a()
	_, _ = f.Write([]byte(partition)) // never fails
	h := f.Sum64()
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func sortBytes(v expression.Value) string {
	if v.Kind == expression.Num {
		return string(v.Number().SortKey(nil))
	}
	return v.Text
}

// keyJSON is the key attributes of item as JSON in the schema's order, or nil if one is missing.
func (s schema) keyJSON(item expression.Item) []byte {
	b := []byte{'{'}
	for i, a := range s {
		v, ok := item[a.name]
		if !ok {
			return nil
		}
		one := expression.Item{a.name: v}.Append(nil)
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one[1:len(one)-1]...)
	}
	return append(b, '}')
}

// has reports whether name is one of the key's attributes.
func (s schema) has(name string) bool {
	return slices.ContainsFunc(s, func(a keyAttribute) bool { return a.name == name })
}

// rowOf makes the row of an item whose place is known.
func (s schema) rowOf(p place, item expression.Item) (*row, error) {
	r := &row{place: p, size: item.Size()}
	if r.size > expression.MaxItemBytes {
		return nil, validation("Item size has exceeded the maximum allowed size")
	}
	r.raw, r.key = item.Append(nil), s.keyJSON(item)
	return r, nil
}
