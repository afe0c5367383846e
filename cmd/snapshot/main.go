// Snapshot is a backfill worker of a Crossfade migration: it publishes the old table's rows to Kafka.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/operate"
)

const about = `Publishes the rows of the old table to Kafka. Start as many as you like, on as many machines: they share the
segments, and take over from one that dies. It ends when the snapshot is closed.

Exit status: 0 done, 1 failed while running, 2 wrong use or configuration, 3 something outside is missing or refuses.`

type command struct {
	cli.Version
	cli.File
	cli.Logging
}

// Run is called by the flags' parser.
func (c *command) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	assembly.LimitMemory(assembly.SnapshotMemory(config))
	return cli.Watched(streams, c.Logging, func(logger *slog.Logger, show *operate.Show) error {
		return assembly.Snapshot(ctx, config, show.Beside(assembly.WorkerOptions{Logger: logger}))
	})
}

func main() {
	os.Exit(cli.Main("snapshot", about, &command{}, os.Args[1:], cli.Streams{Stdout: os.Stdout, Stderr: os.Stderr}))
}
