package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

type sweepCommand struct {
	cli.File
	cli.Logging
	FallbackReadsOff bool `help:"Nothing reads the old table any more: tombstones and your own markers may go too, and with live.from: none any marker."`
}

// Run is called by the flags' parser.
func (c *sweepCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	progress := cli.NewProgress(streams, c.Logger)
	summary, err := operate.Sweep(ctx, config, operate.SweepOptions{
		FallbackReadsOff: c.FallbackReadsOff, Logger: progress.Logger(),
		Say: func(text string) { progress.Logger().Info("sweep: " + text) },
		Show: func(at sweep.Progress) {
			progress.Show(
				cli.Bar{Name: "segments read", Done: int64(at.Segments), Total: int64(at.OfSegments)},
				cli.Bar{Name: "markers removed", Done: at.Removed, Total: at.Found},
			)
		},
	})
	progress.Close()
	if !errors.Is(err, sweep.ErrFallbackReads) { // there nothing was begun, and there is nothing to sum up
		printSummary(streams.Stdout, summary, config.Attributes)
	}
	return sweepError(ctx, err)
}

// sweepError is what a sweep's error means to a person, and for the exit status: a flag that is missing is wrong use.
func sweepError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sweep.ErrFallbackReads):
		return &cli.UsageError{Message: err.Error()}
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("the sweep was interrupted: markers that were not removed stay as they are, and the next sweep begins anew: %w", err)
	}
	return err
}

// printSummary names every count, and what to do about items that the application has updated.
func printSummary(w io.Writer, s sweep.Summary, names migration.Attributes) {
	fmt.Fprintf(w, "markers removed %d, written again meanwhile %d; left: with attributes of the application %d, tombstones %d, of unknown shards %d\n",
		s.Removed, s.Changed, s.Updated, s.Tombstones, s.OldShards)
	if s.Updated == 0 {
		return
	}
	fmt.Fprintf(w, `
%d items with %s were left, for the application has updated them: they have attributes of its own (%d of them were removed
in the moment of that update, and put back). A program that takes items with %[2]s for absent hides these rows. If a row is
alive, let the application write it whole, or remove %[2]s, %[4]s, %[5]s and %[6]s from it; if it is dead, delete it.
The first of them:
`, s.Updated, names.Deleted, s.PutBack, names.Version, names.Shard, names.Tombstone)
	for _, key := range s.UpdatedKeys {
		fmt.Fprintf(w, "  %s\n", key)
	}
}
