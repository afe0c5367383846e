package sweep

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
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
