package main

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
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
	logger := c.Logger(streams.Stderr)
	summary, err := assembly.Sweep(ctx, config, assembly.SweepOptions{
		FallbackReadsOff: c.FallbackReadsOff, Logger: logger,
		Say: func(text string) { logger.Info("sweep: " + text) },
	})
	fmt.Fprintf(streams.Stdout, "markers removed %d, written again meanwhile %d, left: tombstones %d, of unknown shards %d\n",
		summary.Removed, summary.Changed, summary.Tombstones, summary.OldShards)
	return err
}
