package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

// hotKeyCommand measures the rows of a live topic with and without as many changes of one key between them.
type hotKeyCommand struct {
	Rounds  int           `default:"5" help:"Counted rounds."`
	Rows    int           `default:"16000" help:"Changes of other keys, and as many of the hot one."`
	Latency time.Duration `default:"5ms" help:"Before each answer of the endpoint."`
	Cities  string        `default:"testdata/cities.jsonl.gz" help:"Where the rows come from."`
}

// Run prints the rates of the other keys, and how often the hot one was written.
func (c *hotKeyCommand) Run(ctx context.Context, out io.Writer) (err error) {
	rows, err := readCities(c.Cities, c.Rows+1)
	if err != nil {
		return err
	}
	p, err := openParts(rows, host{Rows: len(rows), Cities: c.Cities, Latency: c.Latency})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	runs := map[bool]*hotKeyRun{}
	for _, hot := range []bool{false, true} {
		if runs[hot], err = c.prepare(ctx, p, hot); err != nil {
			return err
		}
	}
	var without, with, ratio, writes []float64
	for i := range c.Rounds {
		for _, hot := range []bool{i%2 == 0, i%2 != 0} {
			r := runs[hot]
			if err := r.run(ctx, p); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%d/%d: hot key %t: %.0f rows/s of others, %d writes of the hot key\n", i+1, c.Rounds, hot, r.rate, r.hotWrites.Load())
		}
		without, with = append(without, runs[false].rate), append(with, runs[true].rate)
		ratio = append(ratio, runs[true].rate/runs[false].rate)
		writes = append(writes, float64(runs[true].hotWrites.Load()))
	}
	s := spreadOf(ratio)
	fmt.Fprintf(out, "| other keys, rows/s, without the hot key | with it | ratio | min – max | changes of the hot key | its writes |\n|---|---|---|---|---|---|\n")
	fmt.Fprintf(out, "| %.0f | %.0f | **%.2f** | %.2f – %.2f | %d | %.0f |\n",
		spreadOf(without).Median, spreadOf(with).Median, s.Median, s.Min, s.Max, c.Rows, spreadOf(writes).Median)
	return nil
}

// prepare fills a topic of its own. The last row is the hot one.
func (c *hotKeyCommand) prepare(ctx context.Context, p *parts, hot bool) (*hotKeyRun, error) {
	m, err := p.migration(ctx)
	if err != nil {
		return nil, err
	}
	var records []events.Record
	last := p.rows[c.Rows]
	for i, row := range p.rows[:c.Rows] {
		records = append(records, record(row, liveVersion(2*i)))
		if hot {
			records = append(records, record(last, liveVersion(2*i+1)))
		}
	}
	if err := p.publish(ctx, m.topics.Live, records); err != nil {
		return nil, err
	}
	t, err := p.table(ctx)
	if err != nil {
		return nil, err
	}
	r := &hotKeyRun{migration: m, records: len(records), rows: c.Rows, hot: events.Key(last.key)}
	r.Target = dynamodb.NewTarget(t, schema, attributes, dynamodb.Versioned)
	return r, p.checkTopic(ctx, m.topics.Live, len(records))
}

// hotKeyRun is one of the two topics. It is the target too, to tell the keys apart.
type hotKeyRun struct {
	apply.Target
	migration *migration
	records   int
	rows      int // of other keys
	hot       events.Key

	others, hotWrites atomic.Int64
	took              atomic.Int64 // nanoseconds from began to the last of the others
	began             time.Time
	rate              float64 // rows/s of the others
}

// Put implements apply.Target.
func (r *hotKeyRun) Put(ctx context.Context, row events.Event) apply.Result {
	result := r.Target.Put(ctx, row)
	if row.Key == r.hot {
		r.hotWrites.Add(1)
	} else if r.others.Add(1) == int64(r.rows) {
		r.took.Store(int64(time.Since(r.began)))
	}
	return result
}

func (r *hotKeyRun) run(ctx context.Context, p *parts) error {
	r.others.Store(0)
	r.hotWrites.Store(0)
	r.began = time.Now()
	var all committed
	run := r.migration.watched(func(ctx context.Context) error {
		return p.applier(r.migration, r, inFlight).Run(ctx, beginning(r.migration.topics.Live, 0, partitions), all.commit())
	})
	if _, err := stopwatch(ctx, run, func() bool { return all.records.Load() == int64(r.records) }); err != nil {
		return err
	}
	r.rate = float64(r.rows) / time.Duration(r.took.Load()).Seconds()
	a, err := p.arrived()
	want := r.rows
	if r.records > r.rows {
		want++ // the hot one
	}
	if err == nil && a.Distinct != want {
		err = fmt.Errorf("%d rows have been written, not %d", a.Distinct, want)
	}
	return err
}
