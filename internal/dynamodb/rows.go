package dynamodb

import (
	"context"
	"fmt"
	"sync"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

var _ snapshot.NewTable = (*Rows)(nil)

// Rows is the new table as the search for vanished rows sees it.
type Rows struct {
	table    *Table
	schema   events.KeySchema
	names    Attributes
	target   apply.Target
	decoders sync.Pool
}

// NewRows returns the rows of a table with this key schema; markers are written through target.
func NewRows(t *Table, schema events.KeySchema, names Attributes, target apply.Target) *Rows {
	return &Rows{table: t, schema: schema, names: names, target: target, decoders: decoders(schema)}
}

// Older implements snapshot.NewTable. The database compares: the text of a version is in the order of the versions.
func (r *Rows) Older(ctx context.Context, than events.Version, segment, total int, after []byte) (snapshot.StoredPage, error) {
	filter := append([]byte(`,"FilterExpression":"#v < :v","ExpressionAttributeNames":{"#v":`), quote(nil, r.names.Version)...)
	filter = append(append(append(filter, `},"ExpressionAttributeValues":{":v":{"S":"`...), than.String()...), `"}}`...)
	scanned, err := r.table.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: filter})
	if err != nil {
		return snapshot.StoredPage{}, err
	}
	decoder := r.decoders.Get().(*decoder)
	defer r.decoders.Put(decoder)
	page := snapshot.StoredPage{Items: make([]snapshot.Stored, 0, len(scanned.items)), Last: scanned.last}
	for _, raw := range scanned.items {
		stored, err := r.stored(decoder, raw)
		if err != nil {
			return snapshot.StoredPage{}, fmt.Errorf("an item of table %s: %w", r.table.name, err)
		}
		page.Items = append(page.Items, stored)
	}
	return page, nil
}

func (r *Rows) stored(decoder *decoder, raw []byte) (stored snapshot.Stored, err error) {
	item, err := decoder.Item(raw)
	if err != nil {
		return stored, err
	}
	if stored.Key, err = r.schema.Key(item); err != nil {
		return stored, err
	}
	stored.Version, err = r.names.version(item)
	stored.Marker = r.names.deleted(item) != ""
	return stored, err
}

// Mark implements snapshot.NewTable.
func (r *Rows) Mark(ctx context.Context, marker events.Event) (bool, error) {
	result := r.target.Put(ctx, marker)
	// A duplicate is ours: an attempt before, whose answer was lost.
	return result.Outcome == apply.Applied || result.Outcome == apply.Duplicate, notRecord(result.Err)
}
