package dynamodb

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

var _ snapshot.NewTable = (*Rows)(nil)

// Rows is the new table as the search for vanished rows sees it.
type Rows struct {
	table  *Table
	format *newtable.Format
	target apply.Target
}

// NewRows returns the rows of a table with this key schema; markers are written through target.
func NewRows(t *Table, schema events.KeySchema, names newtable.Attributes, target apply.Target) *Rows {
	return &Rows{table: t, format: newtable.NewFormat(schema, names), target: target}
}

// Older implements snapshot.NewTable. The database compares: the text of a version is in the order of the versions.
func (r *Rows) Older(ctx context.Context, than events.Version, segment, total int, after []byte) (snapshot.StoredPage, error) {
	filter := r.format.Lower(than).Append(nil, newtable.FilterExpression)
	scanned, err := r.table.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: filter})
	if err != nil {
		return snapshot.StoredPage{}, err
	}
	page := snapshot.StoredPage{Items: make([]snapshot.Stored, 0, len(scanned.items)), Last: scanned.last, Units: scanned.units}
	for _, raw := range scanned.items {
		row, err := r.row(raw)
		if err != nil {
			return snapshot.StoredPage{}, fmt.Errorf("an item of table %s: %w", r.table.name, err)
		}
		page.Items = append(page.Items, row)
	}
	return page, nil
}

func (r *Rows) row(raw []byte) (row snapshot.Stored, err error) {
	item, err := r.format.Parse(raw)
	if err != nil {
		return row, err
	}
	if row.Key, err = item.Key(); err != nil {
		return row, err
	}
	row.Version, err = item.Version()
	row.Marker = item.Marker()
	return row, err
}

// Mark implements snapshot.NewTable.
func (r *Rows) Mark(ctx context.Context, marker events.Event) (bool, error) {
	result := r.target.Put(ctx, marker)
	// A duplicate is ours: an attempt before, whose answer was lost.
	return result.Outcome == apply.Applied || result.Outcome == apply.Duplicate, notRecord(result.Err)
}
