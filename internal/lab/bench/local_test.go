package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/lab/services"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// TestLocal measures the snapshot of a table from end to end on DynamoDB Local, scan to commit, with the embedded broker
// in between, against a bare loop of Scan and INSERT, without Kafka. Each run has a server of its own. It asserts
// that all rows arrived; the figures are printed, for speed is no matter of a test.
func TestLocal(t *testing.T) {
	if os.Getenv("CROSSFADE_BENCH") != "1" {
		t.Skip("make bench-local measures on DynamoDB Local")
	}
	require.NoError(t, demo.UseNoAccount())
	rows, err := readCities("../../../testdata/cities.jsonl.gz", number(t, "CROSSFADE_BENCH_ROWS", 8000))
	require.NoError(t, err)
	rounds := number(t, "CROSSFADE_BENCH_ROUNDS", 5)
	var counted []round
	for i := range rounds + 1 {
		var at round
		if i%2 == 0 {
			at.Ours, at.Bare = localRun(t, rows, (*parts).migrateAll), localRun(t, rows, bareCopy)
		} else {
			at.Bare, at.Ours = localRun(t, rows, bareCopy), localRun(t, rows, (*parts).migrateAll)
		}
		t.Logf("%d/%d: ours %.0f, bare %.0f rows/s", i, rounds, at.Ours.Rate, at.Bare.Rate)
		if i > 0 {
			counted = append(counted, at)
		}
	}
	require.NoError(t, markdown(os.Stdout, []result{summarize(pair{name: "local", target: 0.95}, len(rows), counted)}))
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// localRun fills the old table of a fresh server and copies it in one of the two ways.
func localRun(t *testing.T, rows cities, way func(*parts, context.Context, *dynamodb.Table, *dynamodb.Table) (cost, error)) (s sample) {
	t.Helper()
	t.Run("round", func(t *testing.T) { // its server ends with it
		b, err := broker.Start("")
		require.NoError(t, err)
		p := &parts{rows: rows, broker: b.Address(), endpoint: services.DynamoDB(t), closings: []func() error{b.Close}}
		t.Cleanup(func() { require.NoError(t, p.close()) })
		require.NoError(t, p.open())
		source, err := p.newTable(t.Context(), "old")
		require.NoError(t, err)
		target, err := p.newTable(t.Context(), "bench")
		require.NoError(t, err)
		p.fill(t, source)
		spent, err := way(p, t.Context(), source, target)
		require.NoError(t, err)
		require.Equal(t, len(rows), count(t, target))
		s = spent.by(len(rows))
	})
	require.False(t, t.Failed())
	return s
}

// sdkRows are the rows as the demonstration's loader takes them.
type sdkRows struct{ cities }

func (r sdkRows) Len() int                    { return len(r.cities) }
func (r sdkRows) Key(i int) string            { return r.cities[i].key }
func (r sdkRows) Item(i int, _ uint64) []byte { return []byte(r.cities[i].item) }

func (p *parts) fill(t *testing.T, table *dynamodb.Table) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	into := demo.SDKTable{Client: table.SDK(), Name: table.Name()}
	const parts = 8
	for i := range parts {
		group.Go(func() error {
			return into.Load(ctx, sdkRows{p.rows}, len(p.rows)*i/parts, len(p.rows)*(i+1)/parts)
		})
	}
	require.NoError(t, group.Wait())
}

func count(t *testing.T, table *dynamodb.Table) int {
	t.Helper()
	var found atomic.Int64
	require.NoError(t, table.Items(t.Context(), segments, func([]byte) error {
		found.Add(1)
		return nil
	}))
	return int(found.Load())
}

// migrateAll is done when the offsets of all rows may be committed.
func (p *parts) migrateAll(ctx context.Context, source, target *dynamodb.Table) (cost, error) {
	m, err := p.migration(ctx)
	if err != nil {
		return cost{}, err
	}
	backfill := snapshot.New(snapshot.Config{
		Source: dynamodb.NewSource(source, schema), Publish: p.kafka.Publish(m.topics.Snapshot, partitions), DeadLetter: noDeadLetter,
		Facts: m.facts, Watch: m.watch, Generation: 1, Segments: segments, AtOnce: segments,
	})
	applying := p.applier(m, dynamodb.NewTarget(target, schema, attributes, dynamodb.Versioned), inFlight)
	var all committed
	run := m.watched(func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return backfill.Run(ctx, []int{0}, 1) })
		group.Go(func() error { return applying.Run(ctx, beginning(m.topics.Snapshot, 0, partitions), all.commit()) })
		return group.Wait()
	})
	return stopwatch(ctx, run, func() bool { return all.records.Load() == int64(len(p.rows)) })
}

// bareCopy scans with as many segments as ours, and inserts with as many callers.
func bareCopy(p *parts, ctx context.Context, source, _ *dynamodb.Table) (cost, error) {
	client, _, err := p.bareClients(ctx)
	if err != nil {
		return cost{}, err
	}
	spent := meter()
	batches := make(chan []typedRow, inFlight)
	writers, writing := errgroup.WithContext(ctx)
	for range inFlight {
		writers.Go(func() error {
			for rows := range batches {
				if err := insertRows(writing, client, rows); err != nil {
					return err
				}
			}
			return nil
		})
	}
	scans, scanning := errgroup.WithContext(writing)
	for segment := range int32(segments) {
		scans.Go(func() error { return scanBatches(scanning, client, source.Name(), segment, batches) })
	}
	err = scans.Wait()
	close(batches)
	if failed := writers.Wait(); failed != nil {
		err = failed // which has ended the scans
	}
	return spent(), err
}

func scanBatches(ctx context.Context, client *sdk.Client, table string, segment int32, batches chan<- []typedRow) error {
	for after, first := map[string]types.AttributeValue(nil), true; first || after != nil; first = false {
		page, err := client.Scan(ctx, &sdk.ScanInput{
			TableName: &table, Segment: &segment, TotalSegments: new(int32(segments)), ConsistentRead: new(true), ExclusiveStartKey: after,
		})
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		for from := 0; from < len(page.Items); from += bareBatches.atOnce {
			var batch []typedRow
			for _, row := range page.Items[from:min(from+bareBatches.atOnce, len(page.Items))] {
				batch = append(batch, row)
			}
			select {
			case batches <- batch:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		after = page.LastEvaluatedKey
	}
	return nil
}
