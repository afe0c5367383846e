package compare

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// Outcome is what holds of one key.
type Outcome uint8

// The outcomes.
const (
	Equal     Outcome = iota // in both tables, and the same
	Missing                  // in the old table only
	Differs                  // in both, and not the same
	Extra                    // in the new table only, and the application never deleted it
	Undeleted                // in the new table only, and the application had deleted it
	Marker                   // a marker in the new table. It is no row: if the old table has one, its key is Missing too
)

// Finding is the outcome of one key.
type Finding struct {
	Outcome Outcome
	Key     events.Key
	New     []byte // the item of the new table, DynamoDB JSON; nil when it has none
}

// Reader is a table that can be read whole.
type Reader interface {
	Name() string
	// Items reads consistently, and calls visit for each item, by one goroutine at a time for each segment. visit may keep the bytes.
	Items(ctx context.Context, segments int, visit func(item []byte) error) error
}

// readSegments is how many segments of a table are read at the same time.
const readSegments = 8

// Options are what a comparison must know of the tables.
type Options struct {
	Schema events.KeySchema
	Names  newtable.Attributes // ours, which are left out on the new side
	// Deleted reports whether the application has deleted a key.
	Deleted func(key string) bool
}

// Each reads both tables whole, which nobody changes meanwhile, and calls visit with the outcome of each key of either: one
// call at a time. It returns how many rows the old table has.
func Each(ctx context.Context, old, new Reader, o Options, visit func(Finding)) (rows int, err error) {
	want, err := read(ctx, old, o.Schema)
	if err != nil {
		return 0, fmt.Errorf("read table %s: %w", old.Name(), err)
	}
	rows = len(want)
	var mu sync.Mutex
	digests := &digester{schema: o.Schema, ours: o.Names}
	err = new.Items(ctx, readSegments, func(raw []byte) error {
		row, err := digests.row(raw)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		visit(Finding{o.outcome(row, want), row.key, raw})
		if !row.marker {
			delete(want, row.key)
		}
		return nil
	})
	if err != nil {
		return rows, fmt.Errorf("read table %s: %w", new.Name(), err)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		visit(Finding{Outcome: Missing, Key: key})
	}
	return rows, nil
}

// read returns what stands for each row of the old table.
func read(ctx context.Context, old Reader, schema events.KeySchema) (map[events.Key]digest, error) {
	var mu sync.Mutex
	rows := map[events.Key]digest{}
	digests := &digester{schema: schema}
	err := old.Items(ctx, readSegments, func(raw []byte) error {
		row, err := digests.row(raw)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		rows[row.key] = row.digest
		return nil
	})
	return rows, err
}

// outcome is that of an item of the new table.
func (o Options) outcome(row row, want map[events.Key]digest) Outcome {
	expected, known := want[row.key]
	switch {
	case row.marker:
		return Marker
	case !known && o.Deleted(string(row.key)):
		return Undeleted
	case !known:
		return Extra
	case expected != row.digest:
		return Differs
	}
	return Equal
}
