package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

// latencyCommand writes rows to an old table, one now and then, and notes when each passes the stages of its way to
// the new one. Database and broker are the embedded ones, in this process.
type latencyCommand struct {
	Changes int           `default:"500"`
	Every   time.Duration `default:"50ms" help:"Between two changes, on average."`
	Cities  string        `default:"testdata/cities.jsonl.gz" help:"Where the rows come from."`
}

// The stages of a change's way.
const (
	began     = iota // the application is about to write
	captured         // capture has read it
	published        // Kafka has acknowledged it
	applied          // the new table has
	stages
)

// way is when a change passed the stages.
type way [stages]time.Time

// ways are those of all changes.
type ways struct {
	mu   sync.Mutex
	by   map[events.Key]*way
	done int // applied
}

func (w *ways) passed(stage int, keys ...events.Key) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		at := w.by[key]
		if at == nil {
			at = &way{}
			w.by[key] = at
		}
		if at[stage].IsZero() {
			at[stage] = now
			if stage == applied {
				w.done++
			}
		}
	}
}

func (w *ways) applied() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// watchedStream notes what capture reads.
type watchedStream struct {
	capture.Stream
	ways *ways
}

// Records implements capture.Stream.
func (s watchedStream) Records(ctx context.Context, iterator string) (capture.Page, error) {
	page, err := s.Stream.Records(ctx, iterator)
	for _, c := range page.Changes {
		s.ways.passed(captured, c.Key)
	}
	return page, err
}

// watchedTarget notes what the new table has acknowledged.
type watchedTarget struct {
	apply.Target
	ways *ways
}

// Put implements apply.Target.
func (t watchedTarget) Put(ctx context.Context, row events.Event) apply.Result {
	result := t.Target.Put(ctx, row)
	if result.Outcome == apply.Applied {
		t.ways.passed(applied, row.Key)
	}
	return result
}

// Run prints the median and the 99th percentile of each stage and of the whole way.
func (c *latencyCommand) Run(ctx context.Context, out io.Writer) (err error) {
	rows, err := readCities(c.Cities, c.Changes)
	if err != nil {
		return err
	}
	p := &parts{rows: rows}
	defer func() { err = errors.Join(err, p.close()) }()
	b, err := broker.Start("") //nolint:contextcheck // to listen on loopback does not wait
	if err != nil {
		return err
	}
	p.broker, p.closings = b.Address(), append(p.closings, b.Close)
	server := embedded.New(embedded.Options{Shards: shards, Region: region})
	if p.endpoint, err = server.Start(); err != nil { //nolint:contextcheck // as before
		return err
	}
	p.closings = append(p.closings, server.Close)
	if err := p.open(); err != nil {
		return err
	}
	all := &ways{by: map[events.Key]*way{}}
	if err := c.changes(ctx, p, all); err != nil {
		return err
	}
	return all.print(out)
}

// changes makes the changes under both workers.
func (c *latencyCommand) changes(ctx context.Context, p *parts, all *ways) error {
	old, err := p.newTable(ctx, "old")
	if err != nil {
		return err
	}
	target, err := p.newTable(ctx, "new")
	if err != nil {
		return err
	}
	arn, err := old.EnableStream(ctx)
	if err != nil {
		return err
	}
	m, err := p.migration(ctx)
	if err != nil {
		return err
	}
	publish := p.kafka.Publish(m.topics.Live, partitions)
	capturing := capture.New(capture.Config{
		Stream: watchedStream{dynamodb.NewStream(old, arn, schema), all}, DeadLetter: noDeadLetter,
		Publish: func(ctx context.Context, records []events.Record) error {
			err := publish(ctx, records)
			for _, r := range records {
				all.passed(published, events.Key(r.Key))
			}
			return err
		},
		Facts: m.facts, Watch: m.watch, Generation: 1, Grace: grace,
	})
	applying := p.applier(m, watchedTarget{dynamodb.NewTarget(target, schema, attributes, dynamodb.Versioned), all}, inFlight)
	var progress committed
	run := m.watched(func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return capturing.Run(ctx, []int{0}, 1) })
		group.Go(func() error { return applying.Run(ctx, beginning(m.topics.Live, 0, partitions), progress.commit()) })
		group.Go(func() error { return c.write(ctx, p.rows, old, all) })
		return group.Wait()
	})
	_, err = stopwatch(ctx, run, func() bool { return all.applied() == c.Changes })
	return err
}

// write is the application. Its rhythm is not that of anything that polls.
func (c *latencyCommand) write(ctx context.Context, rows cities, old *dynamodb.Table, all *ways) error {
	pause := time.Second // for the workers to be where they wait
	for _, row := range rows {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		typed, err := item([]byte(row.item))
		if err != nil {
			return err
		}
		all.passed(began, events.Key(row.key))
		if _, err := old.SDK().PutItem(ctx, &sdk.PutItemInput{TableName: new(old.Name()), Item: typed}); err != nil {
			return err
		}
		pause = rand.N(2 * c.Every)
	}
	return nil
}

func (w *ways) print(out io.Writer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(out, "| stage | median, ms | p99, ms | longest, ms |\n|---|---|---|---|\n")
	for _, s := range []struct {
		name     string
		from, to int
	}{
		{"written → captured", began, captured},
		{"captured → in Kafka", captured, published},
		{"in Kafka → applied", published, applied},
		{"**written → applied**", began, applied},
	} {
		var took []time.Duration
		for _, at := range w.by {
			took = append(took, at[s.to].Sub(at[s.from]))
		}
		slices.Sort(took)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f |\n", s.name, ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(took[len(took)-1]))
	}
	return nil
}

// newTable makes a table at the endpoint and opens it as the workers do.
func (p *parts) newTable(ctx context.Context, name string) (*dynamodb.Table, error) {
	t, err := dynamodb.Open(ctx, dynamodb.Options{Table: name, Region: region, Endpoint: p.endpoint, MaxConnections: inFlight})
	if err != nil {
		return nil, err
	}
	input := &sdk.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range schema {
		kind := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{AttributeName: &key.Name, KeyType: kind})
		input.AttributeDefinitions = append(input.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &key.Name, AttributeType: types.ScalarAttributeType(key.Type)})
	}
	_, err = t.SDK().CreateTable(ctx, input)
	return t, err
}
