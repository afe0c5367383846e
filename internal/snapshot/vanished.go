package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
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

// Search looks for the rows that vanished in the gap before a generation, and marks them. All but the sizes, Reads and
// Logger is required.
type Search struct {
	Table      NewTable
	Source     Lookup
	Control    *checkpoint.Control // its own: a Control belongs to one goroutine
	Watch      interface{ Fresh() error }
	Committed  func(ctx context.Context) (map[int]int64, error) // offsets of .snapshot, of the applier's group
	Generation uint32
	// Known is when this process had read of the generation. The grace is counted from there, on this process's own clock:
	// the clock of whoever restarted the migration may be another.
	Known time.Time
	Grace time.Duration

	Segments int         // of the scan; 0 is 64
	AtOnce   int         // segments at the same time; 0 is 8
	Reads    *walk.Reads // of the source; nil is one of its own, without a limit. The new table's pace is found
	Logger   *slog.Logger

	pass searchPass
	said string // the guard that it was last said to wait for
}

// searchPass counts the suspects of one pass: those that vanished, and those that are at the source.
type searchPass struct {
	marked, kept atomic.Int64
}

const (
	searchEvery = time.Second      // between two looks at the guards
	searchLines = 10 * time.Second // between two lines about the progress
)

// Run waits until the search may begin, goes through the new table once, and records that. It returns nil once that is
// recorded, by whomever, or when ctx ends; and checkpoint.ErrNewGeneration when a restart has begun another
// generation, which looks for itself. Two at once, or one that starts over, only do the same twice.
func (s *Search) Run(ctx context.Context) error {
	s.Segments, s.AtOnce = cmp.Or(s.Segments, 64), cmp.Or(s.AtOnce, 8)
	s.Reads, s.Logger = cmp.Or(s.Reads, walk.NewReads(0)), cmp.Or(s.Logger, slog.New(slog.DiscardHandler))
	if marked, err := s.await(ctx); err != nil || marked {
		return fault.IgnoreEnd(ctx, err)
	}
	s.Logger.Info("looking for rows that vanished before this generation")
	if err := s.search(ctx); err != nil {
		return fault.IgnoreEnd(ctx, err)
	}
	return fault.IgnoreEnd(ctx, s.record(ctx))
}

// await returns once the search may begin, or when it is not needed any more because somebody has recorded one.
func (s *Search) await(ctx context.Context) (marked bool, err error) {
	for {
		var unmet string
		err := fault.Do(ctx, fault.Retrying(s.Logger, "ask whether the search may begin"), func(ctx context.Context) (err error) {
			marked, unmet, err = s.look(ctx)
			return err
		})
		if err != nil || marked || unmet == "" {
			return marked, err
		}
		if unmet != s.said {
			s.said = unmet
			s.Logger.Debug("before rows that vanished are looked for", "waiting", unmet)
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(min(searchEvery, max(s.Grace/10, 10*time.Millisecond))):
		}
	}
}

func (s *Search) look(ctx context.Context) (marked bool, unmet string, err error) {
	state, err := s.Control.Refresh(ctx)
	if err != nil {
		return false, "", err
	}
	if marked, err := s.recorded(state); err != nil || marked {
		return marked, "", err
	}
	committed, err := s.Committed(ctx)
	return false, Unmet(state, committed, time.Since(s.Known), s.Grace), err
}

// search walks over the new table once.
func (s *Search) search(ctx context.Context) error {
	lowest := MarkerVersion(s.Generation)
	segments, said := 0, time.Now()
	return walk.Walk[StoredPage]{
		Table: "the new table", AtOnce: s.AtOnce, Notify: fault.Retrying(s.Logger, "scan the new table"),
		Source: func(ctx context.Context, segment, total int, after []byte) (StoredPage, error) {
			return s.Table.Older(ctx, lowest, segment, total, after)
		},
		Visit: func(ctx context.Context, _ walk.Place, page StoredPage) error {
			for _, item := range page.Items {
				if err := s.judge(ctx, item, lowest); err != nil {
					return err
				}
			}
			return nil
		},
		Finished: func(at walk.Place) {
			if at.Done {
				segments++
			}
			if time.Since(said) >= searchLines {
				said = time.Now()
				s.Logger.Info("looking for rows that vanished", "segments", segments, "of", s.Segments,
					"marked", s.pass.marked.Load(), "kept", s.pass.kept.Load())
			}
		},
	}.Run(ctx, walk.All(s.Segments))
}

// judge looks a suspect up and marks it if it has vanished.
func (s *Search) judge(ctx context.Context, item Stored, version events.Version) error {
	if !Suspect(item, s.Generation) {
		return nil
	}
	found, err := s.lookup(ctx, item.Key)
	if err != nil {
		return err
	}
	if !Vanished(item, s.Generation, found) {
		s.pass.kept.Add(1)
		s.Logger.Debug("a row of an older generation is still at the source", "key", string(item.Key))
		return nil
	}
	marker := events.Event{Key: item.Key, Op: events.Delete, Version: version, Time: time.Now()}
	return fault.Do(ctx, fault.Retrying(s.Logger, "write a marker"), func(ctx context.Context) error {
		if err := s.Watch.Fresh(); err != nil {
			return err
		}
		marked, err := s.Table.Mark(ctx, marker)
		if err == nil && marked {
			s.pass.marked.Add(1)
		}
		return err
	})
}

func (s *Search) lookup(ctx context.Context, key events.Key) (found bool, err error) {
	return fault.Get(ctx, fault.Retrying(s.Logger, "look a row up at the source"), func(ctx context.Context) (bool, error) {
		return s.Reads.Lookup(ctx, func() (bool, float64, error) { return s.Source(ctx, key) })
	})
}

// record appends that the pass has ended to the migration's history.
func (s *Search) record(ctx context.Context) error {
	entry := checkpoint.ControlEntry{Marked: &checkpoint.Marked{
		Generation: s.Generation, Marked: s.pass.marked.Load(), Kept: s.pass.kept.Load(),
	}}
	return fault.Do(ctx, fault.Retrying(s.Logger, "record that the rows that vanished are marked"), func(ctx context.Context) error {
		_, wrote, err := s.Control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if marked, err := s.recorded(state); err != nil || marked {
				return nil, err
			}
			return &entry, nil
		})
		if wrote {
			s.Logger.Info("the rows that vanished before this generation are marked", "marked", entry.Marked.Marked, "kept", entry.Marked.Kept)
		}
		return err
	})
}

// recorded reports whether a search of this generation has been recorded, by whomever.
func (s *Search) recorded(state checkpoint.State) (bool, error) {
	if state.Generation() != s.Generation {
		return false, checkpoint.ErrNewGeneration
	}
	return state.Marked != nil, nil
}
