// Replay plays a seed of the simulation exactly: the same command tells the same story, request by request, each time
// and on every machine. The natively built test cannot do that, for the order in which goroutines run differs.
//
//	go run ./internal/lab/sim/replay --seed=17                    a seed and its story
//	go run ./internal/lab/sim/replay --seed=17 --schedules=100    the same plan in 100 orders of goroutines
//	go run ./internal/lab/sim/replay --seeds=1000                 many seeds; each that fails is named with its command
//	go run ./internal/lab/sim/replay --seeds=20 --times=3         the proof: each is played three times, byte for byte the same
//
// The test of internal/lab/sim is compiled to WebAssembly, where a Go program has one thread and is never interrupted, and
// whatever it asks of its host (random numbers, from which the runtime chooses the order of maps, of select and of timers
// of one moment; clocks; a wait) is answered from the seed and the schedule alone. See host.
//
// Two things follow. A seed played here and a seed played by go test are the same plan in two orders of goroutines: what
// failed there may hold here, and shows in some of many schedules. And a goroutine gives way only where it waits, so
// that a data race has to be looked for natively, with -race.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
)

type command struct {
	Seed      uint64 `default:"1" help:"The seed, or the first of many."`
	Seeds     uint64 `default:"1" help:"How many seeds."`
	Schedule  uint64 `default:"1" help:"The order in which goroutines run, or the first of many."`
	Schedules uint64 `default:"1" help:"How many schedules of each seed."`
	Times     int    `default:"1" help:"How often each is played; all must tell the same story."`
	Parallel  int    `default:"${cores}" help:"How many are played at a time."`
	Requests  bool   `help:"Tell every request and answer, with a checksum of its bytes."`
	Root      string `default:"." type:"existingdir" help:"The root of the source."`
}

func main() {
	c := &command{}
	kong.Parse(c, kong.Name("replay"), kong.Description("Plays seeds of the simulation exactly."), kong.Vars{"cores": cores()})
	failures, err := c.run(context.Background(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
	}
	if err != nil || failures > 0 {
		os.Exit(1)
	}
}
