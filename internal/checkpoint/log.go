package checkpoint

import (
	"context"
	"time"
)

// Entry is one record of a Log.
type Entry struct {
	Offset int64     // set on what was read
	Time   time.Time // the log's time of appending; set on what was read
	Key    []byte
	Value  []byte // nil erases the key, in a compacted log
}

// Log is one durable partition.
type Log interface {
	// Append returns nil once all entries are durable, in their order. After an error any part of them
	// may be durable, now or later: read before trying again, or append what is harmless twice. Safe for
	// concurrent use.
	Append(ctx context.Context, entries ...Entry) error

	// Read calls visit for each entry from offset from up to the end as it stood when Read was called, and
	// returns the offset after the last. Offsets may have holes where compaction took entries. An error of
	// visit ends the reading and is returned.
	Read(ctx context.Context, from int64, visit func(Entry) error) (next int64, err error)
}
