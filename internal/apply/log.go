package apply

import (
	"context"
	"errors"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Batch is a run of records of one partition, in the order of their offsets.
type Batch struct {
	Records []events.Record
	Next    int64 // the offset to fetch next; further than the last record's where the log has holes
	End     int64 // the partition's end offset (high watermark) when it was fetched
}

// Log is where records come from.
type Log interface {
	// Fetch returns the records from offset on, at most about maxBytes of memory but at least one if there is one,
	// waiting a moment for the first; an empty batch is not an error. An offset below the log's start is an
	// error of class Fatal (invariant 4), never a jump. Safe for concurrent use.
	Fetch(ctx context.Context, from events.TopicPartition, offset int64, maxBytes int) (Batch, error)
}

// DeadLetter writes a record that cannot be applied to the dlq, with why and where it came from. It returns
// nil once the record is durable there.
type DeadLetter func(ctx context.Context, record events.Record, why *events.Invalid) error

// Progress is what is committed for one partition: everything below Offset is durable in the new table or
// in the dlq, and Counts says what became of it.
type Progress struct {
	Offset int64
	Counts Counts
}

// Counts says what became of the records of a partition since its first one. It travels in the metadata of the
// committed offset, so it is exactly as durable as the offset. Redelivered records are counted as often as
// they are applied; those that a crash left uncommitted are counted once.
type Counts struct {
	Applied    int64 `json:"a,omitempty"`
	Stale      int64 `json:"s,omitempty"`
	Duplicate  int64 `json:"d,omitempty"`
	AppOwned   int64 `json:"o,omitempty"`
	Present    int64 `json:"p,omitempty"`
	Superseded int64 `json:"c,omitempty"` // coalesced: a later change of the key was written in its place
	Dead       int64 `json:"x,omitempty"` // in the dlq
	PastClose  int64 `json:"z,omitempty"` // dropped: a zombie's snapshot record past the close
	OldGen     int64 `json:"g,omitempty"` // dropped: of an older generation
}

// ErrFenced says that the group has moved on: these partitions are another member's now.
var ErrFenced = errors.New("the consumer group has moved on")

// Commit makes progress durable: it returns nil once Kafka has it. A refusal because the group has moved on is
// the error ErrFenced.
type Commit func(ctx context.Context, progress map[events.TopicPartition]Progress) error
