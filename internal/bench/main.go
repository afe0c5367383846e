// Bench measures Crossfade's workers against the bare loop that one would write without them: the AWS SDK and kafka-go
// as they come, no checkpoints, no order, no dead letters. Both sides of a pair work on the same stub endpoint and the
// same embedded broker, in turns, and what arrived is counted after every run.
//
//	control         apply.Worker              the same
//	apply-live      apply.Worker              PutItem if the stored version is lower; rows in memory, no Kafka
//	apply-snapshot  apply.Worker              BatchExecuteStatement, an INSERT a row; rows in memory, no Kafka
//	snapshot        snapshot.Worker           Scan, json.Marshal, kafka-go's Writer
//	capture         capture.Worker            GetRecords, json.Marshal, kafka-go's Writer
//
// Endpoint and broker run in this process, on the same cores, so a ratio says what a worker costs beside a database
// that answers at once; it says nothing about the rows a second of a real one. The bare loops have the same segments,
// shards, callers, connections, compression, acknowledgements and garbage collector.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// command is the flags.
type command struct {
	Rounds int      `default:"5" help:"Counted rounds of each pair; one more before them is not counted."`
	Rows   int      `default:"60000" help:"Rows of a run."`
	Pair   []string `help:"Only these pairs: control, apply-live, apply-snapshot, snapshot, capture."`
	Cities string   `default:"testdata/cities.jsonl.gz" help:"Where the rows come from."`
	JSON   bool     `help:"Print the results, each round too, as JSON."`
}

func main() {
	c := &command{}
	kong.Parse(c, kong.Name("bench"), kong.Description("Measures the workers against bare loops of the AWS SDK and of kafka-go."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := c.run(ctx, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (c *command) run(ctx context.Context, stdout, stderr io.Writer) error {
	if c.Rounds < 1 || c.Rows < 1 {
		return fmt.Errorf("%d rounds of %d rows: both must be positive", c.Rounds, c.Rows)
	}
	pairs, err := choose(c.Pair)
	if err != nil {
		return err
	}
	rows, err := readCities(c.Cities, c.Rows)
	if err != nil {
		return err
	}
	if err := useNoAccount(); err != nil {
		return err
	}
	var results []result
	for _, p := range pairs {
		r, err := p.measure(ctx, rows, c.Rounds, stderr)
		if err != nil {
			return fmt.Errorf("pair %s: %w", p.name, err)
		}
		results = append(results, r)
	}
	if c.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	}
	return table(stdout, results)
}
