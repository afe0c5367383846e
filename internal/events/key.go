package events

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
)

// KeyAttribute is one attribute of a primary key.
type KeyAttribute struct {
	Name string `json:"name"`
	Type string `json:"type"` // S, N or B
}

// KeySchema is a table's primary key: the partition key, then the sort key if there is one.
type KeySchema []KeyAttribute

// String shows the schema as "country (S), cityId (N)".
func (s KeySchema) String() string {
	parts := make([]string, len(s))
	for i, a := range s {
		parts[i] = a.Name + " (" + a.Type + ")"
	}
	return strings.Join(parts, ", ")
}

// Equal reports whether both schemas have the same attributes of the same types in the same order.
func (s KeySchema) Equal(o KeySchema) bool { return slices.Equal(s, o) }

// Key is a primary key in its canonical form: a JSON object of the key attributes in key-schema order,
// without white space, strings escaped no more than JSON demands, binaries in padded base64, numbers in the
// one form of dynamojson.CanonicalNumber. Two texts of one key are therefore one Key, and a Key can stand wherever
// DynamoDB takes a key or an item.
//
// The zero Key is no key.
type Key string

// Key returns the key of an item. Errors are of type *Invalid, reason KeyMismatch.
func (s KeySchema) Key(item Item) (Key, error) {
	key, err := s.AppendKey(make([]byte, 0, 64), item)
	return Key(key), err
}

// AppendKey appends the key of an item, and returns nil with an error. Errors are of type *Invalid, reason KeyMismatch.
func (s KeySchema) AppendKey(b []byte, item Item) ([]byte, error) {
	for i, a := range s {
		value := item.Attribute(a.Name)
		if value == nil {
			return nil, mismatch("key attribute %s is missing", a.Name)
		}
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		var err error
		if b, err = dynamojson.AppendQuote(b, a.Name); err != nil {
			return nil, mismatch("key attribute %s: %v", a.Name, err)
		}
		b = append(b, ':')
		if b, err = a.appendCanonical(b, value); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendCanonical appends the canonical form of value, which must be of the attribute's type.
func (a KeyAttribute) appendCanonical(b, value []byte) ([]byte, error) {
	kind, text, err := dynamojson.Typed(value)
	if err != nil || kind != a.Type {
		return nil, mismatch("key attribute %s is not of type %s", a.Name, a.Type)
	}
	if a.Type == "S" && len(text) > 2 && text[0] == '"' && bytes.IndexByte(text, '\\') < 0 {
		// It is escaped no more than JSON demands, for it is not at all.
		return append(append(append(b, `{"S":`...), text...), '}'), nil
	}
	if a.Type == "N" && dynamojson.IsPlainInteger(text) {
		return append(append(append(b, `{"N":`...), text...), '}'), nil
	}
	plain, err := jsontext.AppendUnquote(nil, text)
	if err != nil {
		return nil, mismatch("key attribute %s is not a JSON string", a.Name)
	}
	if len(plain) == 0 {
		return nil, mismatch("key attribute %s is empty", a.Name)
	}
	s := string(plain)
	switch a.Type {
	case "N":
		if s, err = dynamojson.CanonicalNumber(s); err != nil {
			return nil, mismatch("key attribute %s: %v", a.Name, err)
		}
	case "B":
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, mismatch("key attribute %s is not base64", a.Name)
		}
		if len(raw) == 0 { // the decoder skips line ends
			return nil, mismatch("key attribute %s is empty", a.Name)
		}
		s = base64.StdEncoding.EncodeToString(raw)
	}
	b = append(b, `{"`...)
	b = append(b, a.Type...)
	b = append(b, `":`...)
	if b, err = jsontext.AppendQuote(b, s); err != nil {
		return nil, mismatch("key attribute %s: %v", a.Name, err)
	}
	return append(b, '}'), nil
}

// Key parses the JSON of a key, canonical or not. It must hold the key attributes and nothing else. Errors
// are of type *Invalid, reason KeyMismatch.
func (d *Decoder) Key(text []byte) (Key, error) {
	item, err := d.items.Into(text, d.inKey[:0])
	d.inKey = item.Attributes
	if err != nil {
		return "", &Invalid{Reason: KeyMismatch, Detail: fmt.Sprintf("the record's key is not the JSON of %s", d.schema), Err: invalid(err)}
	}
	if len(item.Attributes) > len(d.schema) {
		return "", mismatch("the record's key has other attributes than %s", d.schema)
	}
	return d.schema.Key(item)
}

// PartitionOf is the partition of key among n, as Java's default partitioner chooses it: murmur2 with seed
// 0x9747b28c, sign bit dropped.
// https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/common/utils/Utils.java
func PartitionOf(key []byte, n int) int {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[0])) * m
	}
	h = (h ^ h>>13) * m
	h ^= h >> 15
	return int(h&0x7fffffff) % n
}
