package main

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

type sweepCommand struct {
	cli.File
	cli.Logging
	FallbackReadsOff bool `help:"Nothing reads the old table any more: tombstones may go too, and with live.from: none any marker."`
}

// Run is called by the flags' parser.
func (c *sweepCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	progress := cli.NewProgress(streams, c.Logger)
	summary, err := assembly.Sweep(ctx, config, assembly.SweepOptions{
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
	fmt.Fprintf(streams.Stdout, "markers removed %d, written again meanwhile %d, left: tombstones %d, of unknown shards %d\n",
		summary.Removed, summary.Changed, summary.Tombstones, summary.OldShards)
	return err
}
