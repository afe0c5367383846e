package snapshot

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// Row is one item as the source returned it.
type Row struct {
	Key  events.Key
	Item []byte // DynamoDB JSON, the source's own bytes
}

// Page is one answer of a scan.
type Page struct {
	Rows []Row // may be empty, and is not the end then
	// Last is where the next page starts, DynamoDB JSON; nil exactly at the end of the segment.
	Last []byte
	// Units is the read units consumed.
	Units float64
	// Bad are items whose key could not be read; they go to the dlq.
	Bad []BadRow
}

// Extent implements walk.Page.
func (p Page) Extent() walk.Extent {
	return walk.Extent{Last: p.Last, Units: p.Units, Items: len(p.Rows) + len(p.Bad)}
}

// BadRow is an item that the source returned and that has no usable key.
type BadRow struct {
	Item []byte
	Err  *events.Invalid
}

// Source is the old table.
type Source interface {
	// Scan reads one page of a segment, strongly consistent: it holds all that was written before the call.
	// after is the Last of the page before, nil for the first. Errors are classified by package fault; nothing
	// is retried inside. Safe for concurrent use.
	Scan(ctx context.Context, segment, total int, after []byte) (Page, error)
}

// Publish appends records to <name>.snapshot, each to the partition of its key, and returns nil once all of
// them are durable. After an error any of them may be, and all are that an *events.UnacknowledgedError does not name. Nothing is
// retried inside. Safe for concurrent use.
type Publish func(ctx context.Context, records []events.Record) error
