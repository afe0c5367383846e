package main

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
)

type runCommand struct {
	cli.File
	cli.Logging
	EnableStream bool `help:"When the migration is not created yet: turn the old table's stream on, if it is off."`
	KeepExisting bool `help:"When the migration is not created yet: leave items of the new table without a version as they are."`
}

// Run is called by the flags' parser.
func (c *runCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	progress := cli.NewProgress(streams, c.Logger)
	return progress.During(func() error {
		return assembly.Run(ctx, config, assembly.RunOptions{
			Create: assembly.CreateOptions{EnableStream: c.EnableStream, KeepExisting: c.KeepExisting, Logger: progress.Logger()},
			Logger: progress.Logger(),
			Show: func(s *assembly.Status) {
				progress.Show(
					cli.Bar{Name: "segments", Done: s.Segments.Done, Total: s.Segments.Total},
					cli.Bar{Name: "rows published", Done: s.Rows.Done, Total: s.Rows.Total},
					cli.Bar{Name: "records applied", Done: s.Counts.Total(), Total: s.Counts.Total() + s.SnapshotLag + s.LiveLag},
				)
			},
		})
	})
}

type replayCommand struct {
	cli.File
	cli.Logging
}

// Run is called by the flags' parser.
func (c *replayCommand) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	return assembly.Replay(ctx, config, c.Logger(streams.Stderr))
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
