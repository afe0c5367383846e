package main

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/operate"
)

type restartCommand struct {
	cli.File
	cli.Logging
	EnableStream bool `help:"Turn the old table's stream on, with new images, if it is off."`
	Force        bool `help:"Although no gap is recorded. The cost is that of the first time: the whole old table is read, and every row is written to the new one again."`
	DryRun       bool `help:"Only check."`
}

// Run is called by the flags' parser.
func (c *restartCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	report, err := operate.Restart(ctx, config, operate.RestartOptions{
		EnableStream: c.EnableStream, Force: c.Force, DryRun: c.DryRun, Logger: c.Logger(streams.Stderr),
	})
	if report != nil {
		if unread := printChecks(streams.Stdout, report.Checks); err == nil {
			err = unread // only what restart says itself matters more
		}
	}
	if err != nil {
		return err
	}
	if !report.Restarted {
		fmt.Fprintf(streams.Stdout, "%s can be restarted; nothing was changed, and generation %d goes on.\n", config.Name, report.Generation)
		return nil
	}
	fmt.Fprintf(streams.Stdout, "Generation %d of %s has begun. Workers that run join it by themselves; start those that have ended with this file, "+
		"snapshot workers among them, or: crossfade run -f %s\n", report.Generation, config.Name, c.File.File)
	return nil
}
