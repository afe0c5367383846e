package snapshot

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// Stored is one item of the new table.
type Stored struct {
	Key     events.Key
	Version events.Version // zero: the item has none, so the application wrote it itself
	Marker  bool
}

// Suspect reports whether an item of the new table may be a row that vanished in the gap. Once the snapshot of the
// current generation is applied, every row that is still at the source has a version of that generation, but for those
// whose record went to the dlq. It is pure.
func Suspect(item Stored, current uint32) bool {
	switch {
	case item.Version == events.Version{}:
		return false // invariant 10: the application's
	case item.Marker:
		return false // dead already; the sweep's
	}
	return item.Version.Generation < current
}

// Vanished reports whether an item must get a marker: it is suspect, and a consistent read, begun after the item was
// read, did not find its key at the source. The marker is of the lowest version of the generation, so that any change
// that comes later, or has come meanwhile, beats it. It is pure.
func Vanished(item Stored, current uint32, atSource bool) bool {
	return Suspect(item, current) && !atSource
}

// MarkerVersion is the version of the markers that the search of a generation writes: the lowest of the generation.
func MarkerVersion(generation uint32) events.Version {
	return events.Version{Generation: generation, Class: events.Snapshot}
}

// Unmet is what the search for vanished rows still waits for, in words; empty when it may begin. committed are the
// offsets of .snapshot that the applier's group has committed; known is for how long this process has known of the
// generation. It is pure.
//
// Before the close and its application a row that is at the source may still have an old version. And for one grace
// after the restart an applier that does not know of it yet may write a row of the older generation: after the search
// has been there, nobody would look at it again.
func Unmet(state checkpoint.State, committed map[int]int64, known, grace time.Duration) string {
	if state.Closed == nil {
		return "the snapshot to be read and closed"
	}
	missing := int64(0)
	for partition, end := range state.Closed.Ends {
		missing += max(0, end-committed[partition])
	}
	if missing > 0 {
		return fmt.Sprintf("%d records of the snapshot topic to be applied and committed", missing)
	}
	if known < grace {
		return fmt.Sprintf("the grace of %s", grace)
	}
	return ""
}

// StoredPage is one answer of a scan of the new table.
type StoredPage struct {
	Items []Stored // may be empty, and is not the end then
	Last  []byte   // where the next page starts; nil exactly at the end of the segment
	Units float64  // read units consumed, also for the items that are left out
}

// Extent implements walk.Page.
func (p StoredPage) Extent() walk.Extent {
	return walk.Extent{Last: p.Last, Units: p.Units, Items: len(p.Items)}
}

// NewTable is the new table as the search for vanished rows sees it. Errors are classified by package fault; nothing is
// retried inside. Safe for concurrent use.
type NewTable interface {
	// Older reads one page of a segment, strongly consistent, and returns the items with a version below the given one.
	Older(ctx context.Context, than events.Version, segment, total int, after []byte) (StoredPage, error)
	// Mark writes the marker that the event is, under the condition of every other write (invariant 1), and reports
	// whether the table holds it now: not so if there is something newer. Done again, it changes nothing.
	Mark(ctx context.Context, marker events.Event) (marked bool, err error)
}

// Lookup reports whether the source has an item with this key, by a strongly consistent read, and what read units that
// took. Errors are classified by package fault; nothing is retried inside. Safe for concurrent use.
type Lookup func(ctx context.Context, key events.Key) (found bool, units float64, err error)
