package snapshot

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/walk"
)

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
		now, err := fault.Get(ctx, fault.Retrying(s.Logger, "ask whether the search may begin"), s.look)
		if err != nil || now.marked || now.unmet == "" {
			return now.marked, err
		}
		if now.unmet != s.said {
			s.said = now.unmet
			s.Logger.Debug("before rows that vanished are looked for", "waiting", now.unmet)
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(min(searchEvery, max(s.Grace/10, 10*time.Millisecond))):
		}
	}
}

// prospect is whether a search may begin.
type prospect struct {
	marked bool   // it need not: one has been recorded
	unmet  string // what it waits for; empty: nothing
}

func (s *Search) look(ctx context.Context) (prospect, error) {
	state, err := s.Control.Refresh(ctx)
	if err != nil {
		return prospect{}, err
	}
	if marked, err := s.recorded(state); err != nil || marked {
		return prospect{marked: marked}, err
	}
	committed, err := s.Committed(ctx)
	return prospect{unmet: Unmet(state, committed, time.Since(s.Known), s.Grace)}, err
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
