package apply

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Result is the answer to one write: an Outcome from Applied to Present, or an error classified by package fault.
type Result struct {
	Outcome Outcome
	Units   float64 // write units consumed, as the database said or as the size of the item says
	Err     error
}

// MaxInsert is the most rows of one Insert: what BatchExecuteStatement takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html
const MaxInsert = 25

// Target is the new table.
//
// Each write is one atomic decision of the database, and durable when its result says Applied. Nothing is
// retried inside: there is one owner of retries, the Worker. Each call has a deadline of its own well under
// the grace. After an error a write may have happened, or happen until that deadline has passed; doing it again
// is harmless. Safe for concurrent use.
type Target interface {
	// Insert writes 1 to MaxInsert events of op Write with distinct keys, each if its key is absent, and
	// returns one result for each in their order. An event that cannot be written this way (its statement
	// would be too long) is written as by Put.
	Insert(ctx context.Context, rows []events.Event) []Result

	// Put writes one event if its key is absent or its stored version is lower (invariant 1): the item, or
	// for Delete and Tombstone a marker.
	Put(ctx context.Context, row events.Event) Result
}
