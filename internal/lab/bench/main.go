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
// Endpoint and broker have a process of their own, on the same cores, so a ratio says what a worker costs beside a
// database that answers at once; it says nothing about the rows a second of a real one. The bare loops have the same
// segments, shards, callers, connections, compression, acknowledgements and garbage collector.
//
// Its other commands measure several workers, the latency of a change, and a hot key.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/crossfadedb/crossfade/internal/demo"
)

// command is what can be measured.
type command struct {
	Pairs   pairsCommand   `cmd:"" default:"withargs" help:"Hold the workers against bare loops of the AWS SDK and of kafka-go."`
	Scale   scaleCommand   `cmd:"" help:"Measure 1, 2 and 4 workers on an endpoint that takes its time."`
	Latency latencyCommand `cmd:"" help:"Measure the way of single changes, stage by stage."`
	HotKey  hotKeyCommand  `cmd:"" help:"Measure what a key that takes half of the changes costs the others."`
	Host    host           `cmd:"" hidden:""`
}

func main() {
	c := &command{}
	parsed := kong.Parse(c, kong.Name("bench"), kong.Description("Measures the workers."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(os.Stdin, (*io.Reader)(nil))
	parsed.BindTo(os.Stdout, (*io.Writer)(nil))
	err := demo.UseNoAccount()
	if err == nil {
		err = parsed.Run()
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
