// Crossfade is the operator's command: it creates, runs, watches and sweeps a migration, and shows what it does.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/migration"
)

const about = `Moves a live table to a new one: no downtime, no lost write, no deleted row that comes back.

  crossfade demo                         see it work, on embedded parts
  crossfade init > migration.yaml        describe a migration
  crossfade create -f migration.yaml     check everything, then create it
  crossfade run -f migration.yaml        all of it in one process; or start streamer and snapshot workers
  crossfade status -f migration.yaml     how far it is
  crossfade sweep -f migration.yaml      remove the markers of deleted rows, once nothing older can arrive
  crossfade restart -f migration.yaml    after a gap in the stream: begin a new generation, and lose nothing
  crossfade replay -f migration.yaml     apply everything again, while nothing else has written the new table

Exit status: 0 done, 1 failed while running, 2 wrong use or configuration, 3 something outside is missing or refuses.`

type commands struct {
	cli.Version

	Demo    demoCommand    `cmd:"" help:"Migrate a table under a live application on embedded parts, kill workers on the way, and compare both tables."`
	Init    initCommand    `cmd:"" help:"Print a commented migration.yaml."`
	Create  createCommand  `cmd:"" help:"Check everything, then create the topics, the start of capture and the control record. Run again, it changes nothing."`
	Restart restartCommand `cmd:"" help:"Begin a new generation after a gap in the stream: capture from now on, read the table again, find the rows that vanished meanwhile."`
	Run     runCommand     `cmd:"" help:"Snapshot, capture and apply in one process, until it is stopped."`
	Status  statusCommand  `cmd:"" help:"Show the phase, progress, lag and members of a migration."`
	Sweep   sweepCommand   `cmd:"" help:"Remove markers once nothing older can arrive; says what it waits for."`
	Replay  replayCommand  `cmd:"" help:"Set the applier back to the start of both topics; refused while a streamer runs, and once the application writes the new table."`
	Worker  workerCommand  `cmd:"" hidden:"" help:"The workers, as the demonstration starts them."`
}

type initCommand struct{}

// Run is called by the flags' parser.
func (initCommand) Run(_ context.Context, streams cli.Streams) error {
	_, err := fmt.Fprint(streams.Stdout, migration.Template())
	return err
}

func main() {
	os.Exit(cli.Main("crossfade", about, &commands{}, os.Args[1:], cli.Streams{Stdout: os.Stdout, Stderr: os.Stderr}))
}
