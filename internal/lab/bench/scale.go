package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
)

// scaleCommand measures workers that share a topic. Each waits for the endpoint, not for the processor: what is
// measured is whether they are in each other's way.
type scaleCommand struct {
	Rounds   int           `default:"5" help:"Counted rounds."`
	Rows     int           `default:"60000" help:"Rows of a run."`
	Latency  time.Duration `default:"5ms" help:"Before each answer of the endpoint."`
	InFlight int           `default:"8" help:"Calls of each worker at once."`
	Cities   string        `default:"testdata/cities.jsonl.gz" help:"Where the rows come from."`
}

// Run prints the rate of 1, 2 and 4 workers, and what share of so many times the rate of one that is.
func (c *scaleCommand) Run(ctx context.Context, out io.Writer) (err error) {
	rows, err := readCities(c.Cities, c.Rows)
	if err != nil {
		return err
	}
	p, err := openParts(rows, host{Rows: c.Rows, Cities: c.Cities, Latency: c.Latency})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	m, err := p.migration(ctx)
	if err != nil {
		return err
	}
	if err := p.publishRows(ctx, m.topics.Live, liveVersion); err != nil {
		return err
	}
	workers := []int{1, 2, 4}
	rates, shares := map[int][]float64{}, map[int][]float64{}
	for i := range c.Rounds {
		for _, n := range workers {
			spent, err := c.run(ctx, p, m, n)
			if err != nil {
				return fmt.Errorf("%d workers: %w", n, err)
			}
			rate := spent.by(c.Rows).Rate
			rates[n] = append(rates[n], rate)
			shares[n] = append(shares[n], rate/float64(n)/rates[1][i])
			fmt.Fprintf(os.Stderr, "%d/%d: %d workers %.0f rows/s, %.1f of the processors busy here\n", i+1, c.Rounds, n, rate, spent.cpu.Seconds()/spent.time.Seconds())
		}
	}
	fmt.Fprintf(out, "| workers | rows/s | of linear | min – max |\n|---|---|---|---|\n")
	for _, n := range workers {
		share := spreadOf(shares[n])
		fmt.Fprintf(out, "| %d | %.0f | **%.2f** | %.2f – %.2f |\n", n, spreadOf(rates[n]).Median, share.Median, share.Min, share.Max)
	}
	return nil
}

// run lets n workers, each with its share of the partitions and connections of its own, apply the topic.
func (c *scaleCommand) run(ctx context.Context, p *parts, m *migration, n int) (cost, error) {
	var all committed
	tables := make([]*dynamodb.Table, n)
	for i := range tables {
		var err error
		if tables[i], err = p.table(ctx); err != nil {
			return cost{}, err
		}
	}
	run := m.watched(func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for i, t := range tables {
			group.Go(func() error {
				worker := p.applier(m, dynamodb.NewTarget(t, schema, attributes, dynamodb.Versioned), c.InFlight)
				return worker.Run(ctx, beginning(m.topics.Live, i*partitions/n, (i+1)*partitions/n), all.commit())
			})
		}
		return group.Wait()
	})
	spent, err := stopwatch(ctx, run, func() bool { return all.records.Load() == int64(len(p.rows)) })
	return spent, errors.Join(err, p.checkWrites())
}
