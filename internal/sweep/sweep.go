package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
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
	Tombstones int64 // left, because fallback reads may still be on; those that the application wrote itself too
	OldShards  int64 // left, because no fact knows the shard that they came from
	Updated    int64 // left, because the application has updated them: they have attributes of its own
	// PutBack is how many of Updated were removed in the moment after they had been looked at, and put back as they were.
	PutBack     int64
	UpdatedKeys []events.Key // the first few of Updated
}

// Left is how many markers the pass met and did not remove, beside those that were written again.
func (s Summary) Left() int64 { return s.Tombstones + s.OldShards + s.Updated }

// Sweep is one pass over the new table.
type Sweep struct {
	Config
	summary  Summary
	settled  Settled          // what the facts said before the last grace
	first    checkpoint.State // when the pass began
	looked   time.Time        // when the control log was last read to see that nothing has changed
	begun    bool             // to remove, and the history says so
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
	if err := s.await(ctx, Window{}.Unmet); err != nil {
		return s.summary, err
	}
	var err error
	if s.first, err = fault.Get(ctx, fault.Retrying(s.Logger, "read the control log"), s.Control.Refresh); err != nil {
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
			for _, key := range page.Updated {
				s.updated(key)
			}
			s.show()
			window = s.collect(window, page.Markers)
			if len(window) >= s.Window {
				if window, err = s.window(ctx, window); err != nil {
					return s.summary, err
				}
			}
		}
		s.progress.Segments++
		s.show()
	}
	for len(window) > 0 {
		var err error
		if window, err = s.window(ctx, window); err != nil {
			return s.summary, err
		}
	}
	return s.summary, s.record(ctx)
}

func (s *Sweep) scan(ctx context.Context, segment int, after []byte) (Page, error) {
	return fault.Get(ctx, fault.Retrying(s.Logger, "scan for markers"), func(ctx context.Context) (Page, error) {
		return s.Markers.Scan(ctx, segment, s.Segments, after)
	})
}

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

// window takes the markers that have been seen through the guards and the grace, and removes them. It returns those
// that are too young: the next window has them.
func (s *Sweep) window(ctx context.Context, markers []Marker) (young []Marker, err error) {
	markers, young, err = s.byAge(ctx, markers)
	if err != nil {
		return nil, err
	}
	wait := graces{of: 1}
	if len(young) > len(markers) {
		wait.of++ // one for guard b, and one for guard c
		// Guard b, first half, for all of them.
		all := Window{Markers: append(markers, young...)}
		if err := s.await(ctx, all.Unmet); err != nil {
			return nil, err
		}
		if err := s.grace(ctx, wait.next(), len(all.Markers)); err != nil {
			return nil, err
		}
		if markers, young, err = s.byAge(ctx, all.Markers); err != nil {
			return nil, err
		}
	}
	if len(markers) == 0 {
		return young, nil
	}
	// Guard b, second half. What is settled is older than these ends.
	ends, err := fault.Get(ctx, fault.Retrying(s.Logger, "read the ends of the live topic"), s.LiveEnds)
	if err != nil {
		return nil, fmt.Errorf("end offsets of the live topic: %w", err)
	}
	settled := s.settled
	unmet := func(state checkpoint.State, logs Logs, _ Settled) string {
		return Window{Markers: markers, LiveEnds: ends}.Unmet(state, logs, settled)
	}
	for again := true; again; {
		if err := s.await(ctx, unmet); err != nil {
			return nil, err
		}
		if err := s.grace(ctx, wait.next(), len(markers)); err != nil { // guard c
			return nil, err
		}
		if err := s.unchanged(ctx); err != nil {
			return nil, err
		}
		// Somebody may have set the offsets back meanwhile: then everything older is on its way once more.
		text, err := s.ask(ctx, unmet)
		if err != nil {
			return nil, err
		}
		again = text != ""
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.say(fmt.Sprintf("removing %d markers", len(markers)))
	for part := range slices.Chunk(markers, removeAtOnce) {
		if err := s.remove(ctx, part); err != nil {
			return nil, err
		}
		s.progress.Removed = s.summary.Removed
		s.show()
	}
	return young, nil
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

// begin makes it known that this pass removes markers from now on. A replay that is announced later waits until this
// has taken notice.
func (s *Sweep) begin(ctx context.Context) error {
	if s.begun {
		return nil
	}
	err := s.tell(ctx, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}}, func(sweeps bool) bool { return sweeps })
	s.begun = err == nil
	return err
}

// tell appends an entry, on top of whatever other processes do meanwhile, unless the history says so already: said is asked,
// with whether this pass is known to remove.
func (s *Sweep) tell(ctx context.Context, entry checkpoint.ControlEntry, said func(sweeps bool) bool) error {
	return fault.Do(ctx, fault.Retrying(s.Logger, "append to the control log"), func(ctx context.Context) error {
		_, _, err := s.Control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if err := s.overtaken(state); err != nil {
				return nil, err
			}
			if said(slices.Contains(state.Sweepers, s.Control.By())) {
				return nil, nil
			}
			return &entry, nil
		})
		return err
	})
}

// unchanged reads the control log, and returns an error when what the guards were asked about is no longer so.
func (s *Sweep) unchanged(ctx context.Context) error {
	began := time.Now()
	state, err := fault.Get(ctx, fault.Retrying(s.Logger, "read the control log"), s.Control.Refresh)
	if err != nil {
		return err
	}
	s.looked = began
	return s.overtaken(state)
}

// overtaken returns an error when the state is not the one that the guards were asked about: a replay goes through the past
// again, and a new generation has another close.
func (s *Sweep) overtaken(state checkpoint.State) error {
	switch {
	case state.Generation() != s.first.Generation():
		return &fault.Error{Class: fault.Fatal, Reason: "overtaken", What: "a new generation began during the sweep", Advice: "start the sweep again when it is closed"}
	case state.Replays != s.first.Replays:
		return &fault.Error{Class: fault.Fatal, Reason: "overtaken", What: "a replay began during the sweep", Advice: "start the sweep again when it has been applied"}
	}
	return nil
}

// record appends what was done to the migration's history.
func (s *Sweep) record(ctx context.Context) error {
	if !s.begun {
		return nil
	}
	return s.tell(ctx, checkpoint.ControlEntry{Swept: &checkpoint.Swept{
		Removed: s.summary.Removed, Left: s.summary.Left(), Updated: s.summary.Updated, FallbackReadsOff: s.FallbackReadsOff,
	}}, func(sweeps bool) bool { return !sweeps })
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
