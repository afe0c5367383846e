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
	// waiting a moment for the first; an empty batch is not an error. An offset that the log no longer holds, or not yet,
	// is ErrGap, of class Fatal (invariant 4), never a jump. Safe for concurrent use.
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
	// Gap, when not empty, says why the partition has stopped here. Lost says that it has lost records, so that it must never
	// be fetched further; else whoever begins with it may try again.
	Gap  string
	Lost bool
}

// ErrGap says that a partition has lost records that were to be applied, or were applied already.
var ErrGap = errors.New("the partition has lost records")

// ErrFenced says that the group has moved on: these partitions are another member's now.
var ErrFenced = errors.New("the consumer group has moved on")

// Commit makes progress durable: it returns nil once Kafka has it, as the group's offsets and as facts. A refusal because
// the group has moved on is the error ErrFenced.
type Commit func(ctx context.Context, progress map[events.TopicPartition]Progress) error
