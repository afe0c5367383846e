// Large measures what the workers need in memory, whatever the size of the table and of the backlog: it runs the
// real binaries against a broker and a DynamoDB in a process of their own, and writes a sample of each worker a second.
//
//	large migrate --items 2000000   a whole migration of items of 1 KB under a live application; compares both tables
//	large backlog --items 1000000   small rows that wait in Kafka, applied by one streamer
//
// docs/MEMORY.md shows what it found; tools/plot draws the samples.
package main

import (
	"os"

	"github.com/crossfadedb/crossfade/internal/cli"
)

const about = `Measures the memory of the workers, with the services in a process of their own.`

type commands struct {
	Migrate migrateCommand `cmd:"" help:"Migrate a table of items of 1 KB under a live application with two snapshot workers and two streamers, and compare."`
	Backlog backlogCommand `cmd:"" help:"Let one streamer apply small rows that wait in Kafka, and count them."`
	Serve   serveCommand   `cmd:"" hidden:"" help:"The broker and the DynamoDB, as the others start them."`
}

func main() {
	os.Exit(cli.Main("large", about, &commands{}, os.Args[1:], cli.Streams{Stdout: os.Stdout, Stderr: os.Stderr}))
}
