package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/crossfadedb/crossfade/internal/lab/bench/flame"
)

// side is one of the two ways; a call is one run. It returns what the run cost, without what it needed before and
// without the counting of what arrived; it is an error if that is not every row.
type side func(ctx context.Context) (cost, error)

// pair is two ways to do the same work.
type pair struct {
	name    string
	target  float64 // what ours is to be of bare, at least; 0 for the control
	prepare func(ctx context.Context, p *parts) (ours, bare side, err error)
}

var allPairs = []pair{
	{"control", 0, controlPair},
	{"apply-live", 2, applyLivePair},
	{"apply-snapshot", 1.3, applySnapshotPair},
	{"snapshot", 3, snapshotPair},
	{"capture", 2, capturePair},
}

// controlPair is the same side twice: how far from 1 its ratio goes is what a ratio of the others may be wrong by.
func controlPair(ctx context.Context, p *parts) (ours, bare side, err error) {
	ours, _, err = applyLivePair(ctx, p)
	return ours, ours, err
}

func choose(names []string) ([]pair, error) {
	if len(names) == 0 {
		return allPairs, nil
	}
	var chosen []pair
	for _, name := range names {
		found := false
		for _, p := range allPairs {
			if p.name == name {
				chosen, found = append(chosen, p), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no pair %q", name)
		}
	}
	return chosen, nil
}

// pairsCommand is the flags.
type pairsCommand struct {
	Rounds int      `default:"5" help:"Counted rounds of each pair; one more before them is not counted."`
	Rows   int      `default:"60000" help:"Rows of a run."`
	Pair   []string `help:"Only these pairs: control, apply-live, apply-snapshot, snapshot, capture."`
	Cities string   `default:"testdata/cities.jsonl.gz" help:"Where the rows come from."`
	Ours   bool     `help:"Only our side, which is the bare one too then."`
	Apart  bool     `help:"Hold the client on one core and endpoint and broker on another (Linux, with taskset)."`
	Format string   `enum:"text,markdown,json,go" default:"text" help:"text, markdown (for docs/PERFORMANCE.md), json (each round), or go (for benchstat)."`
	Flames string   `help:"Directory for a flame graph of each path, and the profile that it shows: one more run of ours."`
}

// Run measures the pairs and prints their results.
func (c *pairsCommand) Run(ctx context.Context, out io.Writer) error {
	if c.Rounds < 1 || c.Rows < 1 {
		return fmt.Errorf("%d rounds of %d rows: both must be positive", c.Rounds, c.Rows)
	}
	pairs, err := choose(c.Pair)
	if err != nil {
		return err
	}
	if c.Apart {
		if err := stayOn(clientCore); err != nil {
			return err
		}
	}
	rows, err := readCities(c.Cities, c.Rows)
	if err != nil {
		return err
	}
	var results []result
	for _, p := range pairs {
		r, err := c.measure(ctx, p, rows)
		if err != nil {
			return fmt.Errorf("pair %s: %w", p.name, err)
		}
		results = append(results, r)
	}
	switch c.Format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	case "markdown":
		return markdown(out, results)
	case "go":
		return goBenchmark(out, results)
	}
	return table(out, results)
}

// patience bounds a run: one that hangs is a failure.
const patience = 5 * time.Minute

// measure runs a pair on parts of its own: a round that is not counted, then the rounds. Who begins changes with each.
func (c *pairsCommand) measure(ctx context.Context, p pair, rows cities) (r result, err error) {
	h := host{Rows: c.Rows, Cities: c.Cities}
	if c.Apart {
		h.core = hostCore
	}
	parts, err := openParts(rows, h)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, parts.close()) }()
	ours, bare, err := p.prepare(ctx, parts)
	if err != nil {
		return r, fmt.Errorf("prepare: %w", err)
	}
	var counted []round
	for i := range c.Rounds + 1 {
		at, err := c.round(ctx, parts, ours, bare, i%2 == 1)
		if err != nil {
			return r, err
		}
		if i > 0 {
			counted = append(counted, at)
		}
		fmt.Fprintf(os.Stderr, "%s %d/%d: ours %.0f, bare %.0f rows/s\n", p.name, i, c.Rounds, at.Ours.Rate, at.Bare.Rate)
	}
	if c.Flames != "" && p.target > 0 {
		if err := c.flame(ctx, parts, p, ours); err != nil {
			return r, err
		}
	}
	return summarize(p, len(rows), counted), nil
}

func (c *pairsCommand) round(ctx context.Context, parts *parts, ours, bare side, bareFirst bool) (at round, err error) {
	if c.Ours {
		at.Ours, err = c.sample(ctx, parts, "ours", ours)
		at.Bare = at.Ours
		return at, err
	}
	if bareFirst {
		if at.Bare, err = c.sample(ctx, parts, "bare", bare); err != nil {
			return at, err
		}
	}
	if at.Ours, err = c.sample(ctx, parts, "ours", ours); err != nil || bareFirst {
		return at, err
	}
	at.Bare, err = c.sample(ctx, parts, "bare", bare)
	return at, err
}

func (c *pairsCommand) sample(ctx context.Context, parts *parts, name string, s side) (sample, error) {
	runtime.GC() // what the run before left is not this one's
	before, err := parts.arrived()
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done after %s", patience))
	defer cancel()
	spent, err := s(ctx)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", name, err)
	}
	after, err := parts.arrived()
	if err != nil {
		return sample{}, err
	}
	by := spent.by(c.Rows)
	by.Host = float64((after.CPU - before.CPU).Microseconds()) / float64(c.Rows)
	return by, nil
}

// flame draws where the processor time of one more run goes.
func (c *pairsCommand) flame(ctx context.Context, parts *parts, p pair, ours side) error {
	if err := os.MkdirAll(c.Flames, 0o755); err != nil {
		return err
	}
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return err
	}
	_, err := c.sample(ctx, parts, "ours", ours)
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	svg, err := flame.Graph(profile.Bytes(), "Processor time of "+p.name)
	if err != nil {
		return err
	}
	path := filepath.Join(c.Flames, p.name)
	return errors.Join(os.WriteFile(path+".svg", svg, 0o644), os.WriteFile(path+".prof", profile.Bytes(), 0o644))
}

// stopwatch measures run, which works until its context ends, to the moment when finished reports true.
func stopwatch(ctx context.Context, run func(context.Context) error, finished func() bool) (cost, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	spent := meter()
	go func() { ended <- run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !finished() {
		select {
		case err := <-ended:
			return cost{}, fmt.Errorf("ended before all rows had arrived: %w", cmp.Or(err, context.Cause(ctx), errors.New("by itself")))
		case <-tick.C:
		}
	}
	took := spent()
	cancel()
	return took, <-ended
}
