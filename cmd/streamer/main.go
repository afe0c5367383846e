// Streamer is a worker of a Crossfade migration: it captures the old table's changes, and applies records to the new
// table.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/operate"
)

const about = `Captures the changes of the old table and applies rows and changes to the new one. Start as many as you like, on
as many machines: they share shards and partitions, and take over from one that dies. It runs until it is stopped.

Exit status: 0 done, 1 failed while running, 2 wrong use or configuration, 3 something outside is missing or refuses.`

type command struct {
	cli.Version
	cli.File
	cli.Role
	cli.Logging
}

// Run is called by the flags' parser.
func (c *command) Run(ctx context.Context, streams cli.Streams) error {
	config, err := c.Load()
	if err != nil {
		return err
	}
	return cli.Watched(streams, c.Logging, func(logger *slog.Logger, show *operate.Show) error {
		return assembly.Streamer(ctx, config, show.Beside(assembly.WorkerOptions{
			Capture: c.Captures(), Apply: c.Applies(), Logger: logger,
		}))
	})
}

func main() {
	os.Exit(cli.Main("streamer", about, &command{}, os.Args[1:], cli.Streams{Stdout: os.Stdout, Stderr: os.Stderr}))
}
