package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Config is what a Sweep works with. All but the sizes and the Logger is required.
type Config struct {
	Markers Markers
	Control *checkpoint.Control
	Facts   *checkpoint.Facts
	// LiveEnds returns the end offsets of .live; Committed the offsets that the applier's group has committed.
	LiveEnds  func(ctx context.Context) (map[int]int64, error)
	Committed func(ctx context.Context) (Logs, error)

	Grace time.Duration
	// FallbackReadsOff is the operator's word that nothing reads the old table any more. Without it tombstones
	// stay, and so do all markers of an application that writes the new table itself (AppWrites).
	FallbackReadsOff bool
	AppWrites        bool

	Segments int // of the scan for markers; 0 is 16
	Window   int // markers held at once; 0 is 100,000, about 30 MB
	Workers  int // removals at once; 0 is 16

	// Say tells a person what is being waited for and done; called when it changes.
	Say    func(text string)
	Show   func(Progress) // called as the pass goes on; may be nil
	Logger *slog.Logger
}

// Progress is how far a pass is.
type Progress struct {
	Segments, OfSegments int   // of the scan for markers
	Removed, Found       int64 // markers; those found and not removed wait for the guards, or stay
}

// removeAtOnce is how many removals go by between two looks at the progress.
const removeAtOnce = 1000

// ErrFallbackReads says that these markers must stay while the application may still read the old table.
var ErrFallbackReads = errors.New("markers must stay while reads fall back to the old table; when they no longer do, say so with --fallback-reads-off")

// Summary is what a pass did.
type Summary struct {
	Removed    int64
	Changed    int64 // no longer this marker when their turn came: written again meanwhile
	Tombstones int64 // left, because fallback reads may still be on
	OldShards  int64 // left, because no fact knows the shard that they came from
}

// Left is how many markers the pass met and did not remove, beside those that were written again.
func (s Summary) Left() int64 { return s.Tombstones + s.OldShards }

// Sweep is one pass over the new table.
type Sweep struct {
	Config
	summary  Summary
	progress Progress
	said     string
}

// New returns a sweep; it starts nothing.
func New(c Config) *Sweep {
	c.Segments = cmp.Or(c.Segments, 16)
	c.Window = cmp.Or(c.Window, 100_000)
	c.Workers = cmp.Or(c.Workers, 16)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return &Sweep{Config: c, progress: Progress{OfSegments: c.Segments}}
}

// Run waits for the close, then sees, guards and removes window after window until the table has been read
// once. It returns what was done, also with an error.
func (s *Sweep) Run(ctx context.Context) (Summary, error) {
	if s.AppWrites && !s.FallbackReadsOff {
		return s.summary, ErrFallbackReads
	}
	if err := s.await(ctx, seen{}); err != nil {
		return s.summary, err
	}
	window := make([]Marker, 0, min(s.Window, 1024))
	for segment := range s.Segments {
		for after, first := []byte(nil), true; first || after != nil; first = false {
			page, err := s.scan(ctx, segment, after)
			if err != nil {
				return s.summary, err
			}
			after = page.Last
			s.progress.Found += int64(len(page.Markers))
			s.show()
			window = s.collect(window, page.Markers)
			if len(window) >= s.Window {
				if err := s.window(ctx, window); err != nil {
					return s.summary, err
				}
				window = window[:0]
			}
		}
		s.progress.Segments++
		s.show()
	}
	if err := s.window(ctx, window); err != nil {
		return s.summary, err
	}
	return s.summary, s.record(ctx)
}

func (s *Sweep) scan(ctx context.Context, segment int, after []byte) (page Page, err error) {
	err = fault.Do(ctx, s.retrying("scan for markers"), func(ctx context.Context) error {
		page, err = s.Markers.Scan(ctx, segment, s.Segments, after)
		return err
	})
	return page, err
}

func (s *Sweep) collect(window, found []Marker) []Marker {
	for _, m := range found {
		if m.Tombstone && !s.FallbackReadsOff {
			s.summary.Tombstones++
		} else {
			window = append(window, m)
		}
	}
	return window
}

// window takes the markers that have been seen through the guards and the grace, and removes them.
func (s *Sweep) window(ctx context.Context, markers []Marker) error {
	if len(markers) == 0 {
		return nil
	}
	ends, err := s.LiveEnds(ctx)
	if err != nil {
		return fmt.Errorf("end offsets of the live topic: %w", err)
	}
	now := seen{liveEnds: ends, markers: markers}
	if now.markers, err = s.withKnownShards(ctx, markers); err != nil {
		return err
	}
	if err := s.guard(ctx, now); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.say(fmt.Sprintf("removing %d markers", len(now.markers)))
	for part := range slices.Chunk(now.markers, removeAtOnce) {
		// A replay may have set the offsets back meanwhile: then everything older is on its way once more.
		for {
			unmet, err := s.ask(ctx, now)
			if err != nil {
				return err
			}
			if unmet == "" {
				break
			}
			if err := s.guard(ctx, now); err != nil {
				return err
			}
		}
		if err := s.remove(ctx, part); err != nil {
			return err
		}
		s.progress.Removed = s.summary.Removed
		s.show()
	}
	return nil
}

// guard returns once no guard is unmet and the grace has passed since.
func (s *Sweep) guard(ctx context.Context, now seen) error {
	if err := s.await(ctx, now); err != nil {
		return err
	}
	// Guard c. The grace begins only now, when all the others hold.
	s.say(fmt.Sprintf("waiting: the grace of %s, for %d markers", s.Grace, len(now.markers)))
	generation, err := s.generation(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.Grace):
	}
	if later, err := s.generation(ctx); err != nil || later != generation {
		return cmp.Or(err, errors.New("a new generation began during the sweep; start the sweep again when it is closed"))
	}
	return nil
}

func (s *Sweep) generation(ctx context.Context) (uint32, error) {
	state, err := s.Control.Refresh(ctx)
	return state.Generation(), err
}

// withKnownShards leaves out the markers whose shard no fact knows: nothing could ever say that it is far enough.
func (s *Sweep) withKnownShards(ctx context.Context, markers []Marker) ([]Marker, error) {
	generation, err := s.generation(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Facts.Refresh(ctx); err != nil {
		return nil, err
	}
	shards := s.Facts.Shards(generation)
	known := make([]Marker, 0, len(markers))
	for _, m := range markers {
		if _, ok := shards[m.Shard]; m.Shard == "" || ok {
			known = append(known, m)
		} else {
			s.summary.OldShards++
		}
	}
	return known, nil
}

// await returns once no guard is unmet.
func (s *Sweep) await(ctx context.Context, now seen) error {
	for {
		unmet, err := s.ask(ctx, now)
		if err != nil {
			return err
		}
		if unmet == "" {
			return nil
		}
		s.say("waiting: " + unmet)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(time.Second, max(s.Grace/10, 10*time.Millisecond))):
		}
	}
}

// ask is unmet, patiently.
func (s *Sweep) ask(ctx context.Context, now seen) (unmet string, err error) {
	err = fault.Do(ctx, s.retrying("ask for the guards"), func(ctx context.Context) error {
		unmet, err = s.unmet(ctx, now)
		return err
	})
	return unmet, err
}

func (s *Sweep) unmet(ctx context.Context, now seen) (string, error) {
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
	return now.unmet(state, logs, s.Facts.Shards(state.Generation())), nil
}

func (s *Sweep) remove(ctx context.Context, markers []Marker) error {
	var removed, changed atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.Workers)
	for _, m := range markers {
		group.Go(func() error {
			return fault.Do(ctx, s.retrying("remove a marker"), func(ctx context.Context) error {
				ok, err := s.Markers.Remove(ctx, m)
				if err != nil {
					return err
				}
				if ok {
					removed.Add(1)
				} else {
					changed.Add(1)
				}
				return nil
			})
		})
	}
	err := group.Wait()
	s.summary.Removed += removed.Load()
	s.summary.Changed += changed.Load()
	return err
}

// begin makes it known that markers go, before the first one does: a replay decides by that.
func (s *Sweep) begin(ctx context.Context) error {
	state, err := s.Control.Refresh(ctx)
	if err != nil || state.Sweeping {
		return err
	}
	return s.append(ctx, &checkpoint.Swept{Begun: true, FallbackReadsOff: s.FallbackReadsOff})
}

// record appends what was done to the migration's history.
func (s *Sweep) record(ctx context.Context) error {
	if s.summary.Removed == 0 {
		return nil
	}
	return s.append(ctx, &checkpoint.Swept{Removed: s.summary.Removed, Left: s.summary.Left(), FallbackReadsOff: s.FallbackReadsOff})
}

func (s *Sweep) append(ctx context.Context, entry *checkpoint.Swept) error {
	for {
		_, err := s.Control.Append(ctx, checkpoint.ControlEntry{Swept: entry})
		if !errors.Is(err, checkpoint.ErrLost) {
			return err
		}
	}
}

func (s *Sweep) retrying(what string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		s.Logger.Warn("will be tried again", "what", what, "wait", wait, "error", err)
	}
}

func (s *Sweep) show() {
	if s.Show != nil {
		s.Show(s.progress)
	}
}

func (s *Sweep) say(text string) {
	if text != s.said && s.Say != nil {
		s.said = text
		s.Say(text)
	}
}
