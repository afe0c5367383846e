package capture

import (
	"context"
	"errors"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Shard is one shard of the stream as the source describes it now.
type Shard struct {
	ID     string
	Parent string          // empty when there is none
	Start  events.Position // the first sequence number
	End    events.Position // the last one; empty while the shard is open
	// Last is set when nothing will ever follow this shard, because the stream has been turned off.
	Last bool
}

// Change is one record of a shard.
type Change struct {
	Key      events.Key
	Op       events.Op // Write or Delete
	Item     []byte    // the new image as DynamoDB JSON; nil unless Write
	Position events.Position
	Time     time.Time // whole seconds: for people, never for order
	// Bad says why the change cannot be published as it is; Raw is then what the stream returned.
	Bad *events.Invalid
	Raw []byte
}

// Page is one answer of GetRecords.
type Page struct {
	Changes []Change // in the shard's order; may be empty, and is not the end then
	// Next is the iterator of the next page; empty exactly at the end of a closed shard.
	Next string
}

// From says where in a shard reading starts.
type From struct {
	// After, when not empty, is the last position that was published: reading starts behind it.
	After events.Position
	// At, when not empty and After is, is the shard's first sequence number: reading starts with it, and fails
	// with ErrTrimmed if that part of the shard is gone.
	At events.Position
	// Oldest starts with the oldest record that the shard still holds. It is right only where nothing can have been lost.
	Oldest bool
}

// What a stream answers when a position, or a record, cannot be used.
var (
	// ErrTrimmed: the records from this position on are no longer all there.
	ErrTrimmed = errors.New("the position has been trimmed from the stream")
	// ErrExpired: the iterator is too old; take a new one from the last published position.
	ErrExpired = errors.New("the iterator has expired")
	// ErrNoShard: the stream does not know this shard any more.
	ErrNoShard = errors.New("the shard is gone from the stream")
	// ErrUnreadable: the shard holds a record that this program does not understand; a newer one may.
	ErrUnreadable = errors.New("this record of the stream is not understood")
)

// Stream is the change stream of the old table. Errors are one of those above, or classified by package
// fault; nothing is retried inside. Safe for concurrent use.
type Stream interface {
	// Shards lists all shards that the stream knows, open and closed.
	Shards(ctx context.Context) ([]Shard, error)
	// Iterator returns where to start reading a shard.
	Iterator(ctx context.Context, shard string, from From) (string, error)
	// Records reads one page.
	Records(ctx context.Context, iterator string) (Page, error)
}

// Publish appends records to <name>.live, each to the partition of its key, and returns nil once all of them are durable. After
// an *events.UnacknowledgedError those that it does not name are durable; after any other error, any of them may be. Nothing
// is retried inside. Safe for concurrent use.
type Publish func(ctx context.Context, records []events.Record) error
