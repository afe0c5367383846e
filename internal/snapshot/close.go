package snapshot

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// closeEvery is how often the facts are asked whether every segment is done.
const closeEvery = time.Second

// Closer closes the snapshot when every segment is done. Every worker runs one; the control log decides which of
// them it was.
type Closer struct {
	Facts      *checkpoint.Facts
	Control    *checkpoint.Control // its own: a Control belongs to one goroutine
	Generation uint32
	Segments   int
	Ends       func(ctx context.Context) (map[int]int64, error) // end offsets of .snapshot
	Logger     *slog.Logger
}

// Run returns nil once the snapshot is closed, by whomever, or when ctx ends; and checkpoint.ErrNewGeneration when there
// is nothing left to close, because a restart has begun another generation.
func (c *Closer) Run(ctx context.Context) error {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	tick := time.NewTicker(closeEvery)
	defer tick.Stop()
	for {
		closed, err := c.try(ctx)
		switch {
		case ctx.Err() != nil || closed:
			return nil
		case fault.Of(err) == fault.Retry:
			fault.Retrying(c.Logger, "close the snapshot")(err, closeEvery)
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// try closes the snapshot if every segment is done, and reports whether it is closed.
func (c *Closer) try(ctx context.Context) (bool, error) {
	state, wrote, err := c.Control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
		return c.decide(ctx, state)
	})
	if wrote {
		c.Logger.Info("the snapshot is closed", "segments", c.Segments)
	}
	return err == nil && state.Closed != nil, err
}

// decide returns the close; nil when there is one, or a segment is not done.
func (c *Closer) decide(ctx context.Context, state checkpoint.State) (*checkpoint.ControlEntry, error) {
	if state.Generation() != c.Generation {
		return nil, checkpoint.ErrNewGeneration
	}
	if state.Closed != nil {
		return nil, nil
	}
	if err := c.Facts.Refresh(ctx); err != nil {
		return nil, err
	}
	done := 0
	for _, fact := range c.Facts.Segments(c.Generation) {
		if fact.Done && fact.Total == c.Segments {
			done++
		}
	}
	if done < c.Segments {
		return nil, nil
	}
	// Every segment's last page was acknowledged before its fact was written, so it is below these ends.
	ends, err := c.Ends(ctx)
	if err != nil {
		return nil, err
	}
	return &checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: c.Generation, Ends: ends}}, nil
}
