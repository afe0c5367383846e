package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// Run waits for the close, then sees, guards and removes window after window until the table has been read
// once. It returns what was done, also with an error.
func (s *Sweep) Run(ctx context.Context) (Summary, error) {
	if s.AppWrites && !s.FallbackReadsOff {
		return s.summary, ErrFallbackReads
	}
	if err := s.await(ctx, Window{}.Unmet); err != nil {
		return s.summary, err
	}
	var err error
	if s.first, err = fault.Get(ctx, fault.Retrying(s.Logger, "read the control log"), s.Control.Refresh); err != nil {
		return s.summary, err
	}
	window, err := s.walk(ctx)
	if err != nil {
		return s.summary, err
	}
	for len(window) > 0 {
		if window, err = s.window(ctx, window); err != nil {
			return s.summary, err
		}
	}
	return s.summary, s.record(ctx)
}

// walk sees the whole table, and takes each window away as it fills. It returns the markers that are left over. One segment
// after the other: while a window waits, nothing else is read or removed.
func (s *Sweep) walk(ctx context.Context) (window []Marker, err error) {
	window = make([]Marker, 0, min(s.Window, 1024))
	err = walk.Walk[Page]{
		Table: "the new table", Source: s.Markers.Scan, AtOnce: 1, PagesInFlight: 1, Notify: fault.Retrying(s.Logger, "scan for markers"),
		Visit: func(ctx context.Context, to walk.Place, page Page) (err error) {
			s.progress.Found += int64(len(page.Markers))
			for _, key := range page.Updated {
				s.updated(key)
			}
			s.show()
			window = s.collect(window, page.Markers)
			if len(window) >= s.Window {
				if window, err = s.window(ctx, window); err != nil {
					return err
				}
			}
			if to.Done {
				s.progress.Segments++
				s.show()
			}
			return nil
		},
	}.Run(ctx, walk.All(s.Segments))
	return window, err
}

// collect adds the markers that may go to the window, and counts the others.
func (s *Sweep) collect(window, found []Marker) []Marker {
	for _, m := range found {
		if m.stays() && !s.FallbackReadsOff {
			s.summary.Tombstones++
		} else {
			window = append(window, m)
		}
	}
	return window
}

// window takes the markers that have been seen through the guards, and removes them. It returns those that are too young:
// the next window has them.
func (s *Sweep) window(ctx context.Context, markers []Marker) (young []Marker, err error) {
	wait := graces{of: 1}
	markers, young, err = s.published(ctx, markers, &wait)
	if err != nil {
		return nil, err
	}
	if len(markers) == 0 {
		return young, nil
	}
	if err := s.applied(ctx, markers, &wait); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return young, s.removeAll(ctx, markers)
}

// published is guard b, first half: it returns the markers whose shards were published beyond them a grace ago, and those
// that are too young for that. If most are, it waits until they are published, and a grace.
func (s *Sweep) published(ctx context.Context, markers []Marker, wait *graces) (covered, young []Marker, err error) {
	covered, young, err = s.byAge(ctx, markers)
	if err != nil || len(young) <= len(covered) {
		return covered, young, err
	}
	wait.of++ // one for guard b, and one for guard c
	all := append(covered, young...)
	if err := s.await(ctx, Window{Markers: all}.Unmet); err != nil {
		return nil, nil, err
	}
	if err := s.grace(ctx, wait.next(), len(all)); err != nil {
		return nil, nil, err
	}
	return s.byAge(ctx, all)
}

// applied is guard a and guard b, second half: what the live topic holds now is applied. Then it is guard c: a grace, after
// which everything still holds.
func (s *Sweep) applied(ctx context.Context, markers []Marker, wait *graces) error {
	// What is settled is older than these ends.
	ends, err := fault.Get(ctx, fault.Retrying(s.Logger, "read the ends of the live topic"), s.LiveEnds)
	if err != nil {
		return fmt.Errorf("end offsets of the live topic: %w", err)
	}
	settled := s.settled
	unmet := func(state checkpoint.State, logs Logs, _ Settled) string {
		return Window{Markers: markers, LiveEnds: ends}.Unmet(state, logs, settled)
	}
	for {
		if err := s.await(ctx, unmet); err != nil {
			return err
		}
		if err := s.grace(ctx, wait.next(), len(markers)); err != nil { // guard c
			return err
		}
		if err := s.unchanged(ctx); err != nil {
			return err
		}
		// Somebody may have set the offsets back meanwhile: then everything older is on its way once more.
		if text, err := s.ask(ctx, unmet); err != nil || text == "" {
			return err
		}
	}
}

// removeAtOnce is how many removals go by between two looks at the progress.
const removeAtOnce = 1000

// removeAll removes markers whose guards hold.
func (s *Sweep) removeAll(ctx context.Context, markers []Marker) error {
	s.say(fmt.Sprintf("removing %d markers", len(markers)))
	for part := range slices.Chunk(markers, removeAtOnce) {
		if err := s.remove(ctx, part); err != nil {
			return err
		}
		s.progress.Removed = s.summary.Removed
		s.show()
	}
	return nil
}

// byAge parts the markers that what has settled covers from those that are younger. It leaves out those whose shard
// no fact knows: nothing could ever say that it is far enough.
func (s *Sweep) byAge(ctx context.Context, markers []Marker) (covered, young []Marker, err error) {
	generation, known, err := s.shards(ctx)
	if err != nil {
		return nil, nil, err
	}
	covered = make([]Marker, 0, len(markers))
	for _, m := range markers {
		_, isKnown := known[m.Shard]
		_, isCovered := s.settled.covers(m, generation)
		switch {
		case isCovered:
			covered = append(covered, m)
		case isKnown:
			young = append(young, m)
		default:
			s.summary.OldShards++
		}
	}
	return covered, young, nil
}

// shards are the facts of the current generation, read now.
func (s *Sweep) shards(ctx context.Context) (generation uint32, facts Settled, err error) {
	state, err := fault.Get(ctx, fault.Retrying(s.Logger, "read facts"), func(ctx context.Context) (checkpoint.State, error) {
		state, err := s.Control.Refresh(ctx)
		if err != nil {
			return state, err
		}
		return state, s.Facts.Refresh(ctx)
	})
	if err != nil {
		return 0, nil, err
	}
	return state.Generation(), s.Facts.Shards(state.Generation()), nil
}

// graces counts those that a window waits for.
type graces struct{ n, of int }

// next is the one that begins now. There is one more than was thought when something was on its way once more.
func (g *graces) next() graces {
	g.n++
	g.of = max(g.of, g.n)
	return *g
}

// ends says when this one ends, begun now, and when the last one does if nothing else has to be waited for.
func (g graces) ends(now time.Time, grace time.Duration) string {
	at := func(n int) string { return now.Add(time.Duration(n) * grace).Format(time.TimeOnly) }
	text := fmt.Sprintf("grace %d of %d (%s each), ends at about %s", g.n, g.of, grace, at(1))
	if left := g.of - g.n; left > 0 {
		text += ", the last one at about " + at(1+left) + " at the earliest"
	}
	return text
}

// grace waits for the grace. What the facts said before it has settled then.
func (s *Sweep) grace(ctx context.Context, which graces, markers int) error {
	_, facts, err := s.shards(ctx)
	if err != nil {
		return err
	}
	s.say(fmt.Sprintf("waiting: %s, for %d markers", which.ends(time.Now(), s.Grace), markers))
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.Grace):
	}
	s.settled = facts
	return nil
}

// await returns once no guard is unmet. unmet is given the facts as they are now in place of the settled ones.
func (s *Sweep) await(ctx context.Context, unmet func(checkpoint.State, Logs, Settled) string) error {
	for {
		text, err := s.ask(ctx, unmet)
		if err != nil || text == "" {
			return err
		}
		s.say("waiting: " + text)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(time.Second, max(s.Grace/10, 10*time.Millisecond))):
		}
	}
}

// ask asks once for the guards, as often as it takes to be answered.
func (s *Sweep) ask(ctx context.Context, unmet func(checkpoint.State, Logs, Settled) string) (string, error) {
	return fault.Get(ctx, fault.Retrying(s.Logger, "ask for the guards"), func(ctx context.Context) (string, error) {
		return s.look(ctx, unmet)
	})
}

func (s *Sweep) look(ctx context.Context, unmet func(checkpoint.State, Logs, Settled) string) (string, error) {
	state, err := s.Control.Refresh(ctx)
	if err != nil {
		return "", err
	}
	if err := s.Facts.Refresh(ctx); err != nil {
		return "", err
	}
	logs, err := s.Committed(ctx)
	if err != nil {
		return "", fmt.Errorf("committed offsets: %w", err)
	}
	return unmet(state, logs, s.Facts.Shards(state.Generation())), nil
}
