package events

import (
	"errors"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
)

// Item is one row, as every part of Crossfade has it: as DynamoDB JSON, whatever database it is of. The zero Item is "no item".
type Item = dynamojson.Item

// Attribute is one top-level attribute of an item.
type Attribute = dynamojson.Attribute

// Decoder splits items and decodes records. It keeps its buffers and the attribute names it has seen, so
// that the usual item costs one allocation. It is not safe for concurrent use.
type Decoder struct {
	schema  KeySchema
	items   *dynamojson.Splitter
	sources dynamojson.Texts // of records
	inKey   []Attribute      // of the key before; nobody keeps them
	key     []byte           // a key, to compare
}

// NewDecoder returns a decoder for items and records of a table with this key schema.
func NewDecoder(schema KeySchema) *Decoder {
	return &Decoder{schema: schema, items: dynamojson.NewSplitter(), sources: dynamojson.Texts{}}
}

// Item splits raw, one JSON object of typed attribute values, into its top-level attributes, as dynamojson.Splitter
// does. The result shares raw's memory. Errors are of type *Invalid.
func (d *Decoder) Item(raw []byte) (Item, error) {
	item, err := d.items.Item(raw)
	return item, invalid(err)
}

// invalid is the error of a text that is no item, as that of a record.
func invalid(err error) error {
	if m, ok := errors.AsType[*dynamojson.MalformedError](err); ok {
		return undecodable(m.Detail, m.Err)
	}
	return err
}
