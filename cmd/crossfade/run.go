package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/operate"
)

type runCommand struct {
	cli.File
	cli.Logging
	EnableStream bool `help:"When the migration is not created yet: turn the old table's stream on, if it is off."`
	TakeOver     bool `help:"When the migration is not created yet: begin above the generations of earlier migrations that have written into the new table."`
	KeepExisting bool `help:"When the migration is not created yet: leave items of the new table without a version as they are."`
}

// Run is called by the flags' parser.
func (c *runCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	return cli.Watched(streams, c.Logging, func(logger *slog.Logger, show *operate.Show) error {
		return operate.Run(ctx, config, operate.RunOptions{
			Create: operate.CreateOptions{EnableStream: c.EnableStream, KeepExisting: c.KeepExisting, TakeOver: c.TakeOver, Logger: logger},
			Show:   show, Logger: logger,
		})
	})
}

type replayCommand struct {
	cli.File
	cli.Logging
	NewTableUnused bool `help:"Your word: nothing but this migration has written the new table. No table shows whether that is so, and what the application deleted or updated there would be undone."`
	DeletesMarked  bool `help:"With live.from: none, your word: the application has left a marker for every row that it deleted in the new table."`
}

// Run is called by the flags' parser.
func (c *replayCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	err = operate.Replay(ctx, config, operate.ReplayOptions{
		NewTableUnused: c.NewTableUnused, DeletesMarked: c.DeletesMarked, Logger: c.Logger(streams.Stderr),
	})
	if unsaid, ok := errors.AsType[*operate.UnsaidError](err); ok {
		return &cli.UsageError{Message: unsaid.Error()}
	}
	return err
}

// workerCommand is the workers in this same program, so that the demonstration needs no other.
type workerCommand struct {
	Snapshot snapshotWorker `cmd:"" help:"As the command snapshot."`
	Streamer streamerWorker `cmd:"" help:"As the command streamer."`
}

type snapshotWorker struct {
	cli.File
	cli.Logging
}

// Run is called by the flags' parser.
func (c *snapshotWorker) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	return assembly.Snapshot(ctx, config, assembly.WorkerOptions{Logger: c.Logger(streams.Stderr)})
}

type streamerWorker struct {
	cli.File
	cli.Role
	cli.Logging
	Naive bool `help:"Write without any condition, as a plain copy does."`
}

// Run is called by the flags' parser.
func (c *streamerWorker) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	return assembly.Streamer(ctx, config, assembly.WorkerOptions{
		Capture: c.Captures(), Apply: c.Applies(), Naive: c.Naive, Logger: c.Logger(streams.Stderr),
	})
}
