package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/operate"
)

type createCommand struct {
	cli.File
	cli.Logging
	EnableStream bool `help:"Turn the old table's stream on, with new images, if it is off."`
	DryRun       bool `help:"Only check."`
	KeepExisting bool `help:"Items of the new table without a version are the application's: leave them as they are, for good."`
	TakeOver     bool `help:"Earlier migrations that are over have written into the new table: begin above all of their generations. Their rows that are not in this old table are marked as deleted."`
}

// Run is called by the flags' parser.
func (c *createCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	report, err := operate.Create(ctx, config, operate.CreateOptions{
		EnableStream: c.EnableStream, DryRun: c.DryRun, KeepExisting: c.KeepExisting, TakeOver: c.TakeOver,
		Logger: c.Logger(streams.Stderr),
	})
	if report != nil {
		if unread := printChecks(streams.Stdout, report.Checks); err == nil {
			err = unread // only what create says itself matters more
		}
	}
	if err != nil {
		return err
	}
	switch {
	case report.Existed:
		fmt.Fprintf(streams.Stdout, "%s exists already; nothing was changed.\n", config.Name)
	case report.Created && report.Generation > 1:
		fmt.Fprintf(streams.Stdout, "%s is created, with generation %d: above all that was found in the new table. Now start streamers and snapshot workers "+
			"with this file, or: crossfade run -f %s\n", config.Name, report.Generation, c.File.File)
	case report.Created:
		fmt.Fprintf(streams.Stdout, "%s is created. Now start streamers and snapshot workers with this file, or: crossfade run -f %s\n", config.Name, c.File.File)
	default:
		fmt.Fprintf(streams.Stdout, "%s can be created; nothing was changed.\n", config.Name)
	}
	return nil
}

// printChecks shows to a person what was looked at.
func printChecks(w io.Writer, checks []operate.Check) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, check := range checks {
		mark, text := "ok", check.Found
		switch {
		case check.Problem != "":
			mark, text = "NO", check.Problem
		case check.Warning != "" && check.Found != "":
			mark, text = "!!", check.Found+"; "+check.Warning
		case check.Warning != "":
			mark, text = "!!", check.Warning
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", mark, check.What, text)
	}
	return table.Flush()
}
