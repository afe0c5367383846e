package snapshot

import (
	"cmp"
	"context"
	"errors"
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
		case errors.Is(err, checkpoint.ErrLost):
			// Somebody changed the migration first: perhaps by closing it. Look again.
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
	state, err := c.Control.Refresh(ctx)
	if err != nil {
		return false, err
	}
	if state.Generation() != c.Generation {
		return false, checkpoint.ErrNewGeneration
	}
	if state.Closed != nil {
		return true, nil
	}
	if err := c.Facts.Refresh(ctx); err != nil {
		return false, err
	}
	done := 0
	for _, fact := range c.Facts.Segments(c.Generation) {
		if fact.Done && fact.Total == c.Segments {
			done++
		}
	}
	if done < c.Segments {
		return false, nil
	}
	// Every segment's last page was acknowledged before its fact was written, so it is below these ends.
	ends, err := c.Ends(ctx)
	if err != nil {
		return false, err
	}
	_, err = c.Control.Append(ctx, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: c.Generation, Ends: ends}})
	if err == nil {
		c.Logger.Info("the snapshot is closed", "segments", done)
	}
	return err == nil, err
}
