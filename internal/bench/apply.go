package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
)

// applySnapshotPair writes rows of a snapshot topic to a new table.
func applySnapshotPair(ctx context.Context, p *parts) (ours, bare side, err error) {
	return p.applyPair(ctx, func(m *migration) string { return m.topics.Snapshot }, bareBatches,
		func(int) events.Version { return events.Version{Generation: 1} })
}

// applyLivePair writes changes of a live topic, one of each row, to a new table.
func applyLivePair(ctx context.Context, p *parts) (ours, bare side, err error) {
	return p.applyPair(ctx, func(m *migration) string { return m.topics.Live }, barePuts, func(i int) events.Version {
		return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(i + 1))} //nolint:gosec // an index
	})
}

// bareWrite takes messages until there are no more, and says how many it wrote. inFlight of them run at once.
type bareWrite func(ctx context.Context, w bareTable, messages <-chan kafkago.Message, wrote func(int)) error

// applyPair fills the topic once; each run reads all of it into a new table. Ours is done when all of it may be
// committed. Neither side is a member of a group: joining one would be most of the time of a run.
func (p *parts) applyPair(
	ctx context.Context, topicOf func(*migration) string, write bareWrite, version func(i int) events.Version,
) (ours, bare side, err error) {
	m, err := p.migration(ctx)
	if err != nil {
		return nil, nil, err
	}
	topic := topicOf(m)
	if err := p.publishRows(ctx, topic, version); err != nil {
		return nil, nil, err
	}
	client, _, err := p.bareClients(ctx)
	if err != nil {
		return nil, nil, err
	}
	into := func(run func(context.Context, *dynamodb.Table) (time.Duration, error)) side {
		return func(ctx context.Context) (time.Duration, error) {
			table, err := p.table(ctx)
			if err != nil {
				return 0, err
			}
			took, err := run(ctx, table)
			if err != nil {
				return 0, err
			}
			return took, p.checkTable(ctx, table)
		}
	}
	ours = into(func(ctx context.Context, t *dynamodb.Table) (time.Duration, error) { return p.apply(ctx, m, topic, t) })
	bare = into(func(ctx context.Context, t *dynamodb.Table) (time.Duration, error) {
		return p.bareApply(ctx, topic, bareTable{client, t.Name()}, write)
	})
	return ours, bare, nil
}

func (p *parts) publishRows(ctx context.Context, topic string, version func(i int) events.Version) error {
	records := make([]events.Record, len(p.rows))
	for i, row := range p.rows {
		records[i] = events.Encode(events.Event{
			Key: events.Key(row.key), Op: events.Write, Version: version(i), Item: events.Item{Raw: []byte(row.item)}, Source: "bench",
		})
	}
	if err := p.kafka.Publish(topic, partitions)(ctx, records); err != nil {
		return err
	}
	return p.checkTopic(ctx, topic)
}

func (p *parts) apply(ctx context.Context, m *migration, topic string, t *dynamodb.Table) (time.Duration, error) {
	start := map[events.TopicPartition]apply.Progress{}
	for n := range partitions {
		start[events.TopicPartition{Topic: topic, Partition: n}] = apply.Progress{}
	}
	var applied atomic.Int64
	committed := map[events.TopicPartition]int64{}
	commit := func(_ context.Context, progress map[events.TopicPartition]apply.Progress) error {
		for id, at := range progress {
			applied.Add(at.Counts.Applied - committed[id])
			committed[id] = at.Counts.Applied
		}
		return nil
	}
	worker := apply.New(apply.Config{
		Log: p.kafka, Target: dynamodb.NewTarget(t, schema, attributes, dynamodb.Versioned), Schema: schema, Watch: m.watch,
		DeadLetter: func(_ context.Context, _ events.Record, why *events.Invalid) error {
			return fmt.Errorf("a record cannot be applied: %w", why)
		},
		Rules: apply.Rules{
			From: apply.FromStream, SnapshotTopic: m.topics.Snapshot, LiveTopic: m.topics.Live, LivePartitions: partitions,
			Reserved: []string{attributes.Version, attributes.Deleted, attributes.Shard, attributes.Tombstone},
		},
		InFlight: inFlight, CommitEvery: time.Millisecond,
	})
	run := m.watched(func(ctx context.Context) error { return worker.Run(ctx, start, commit) })
	return stopwatch(ctx, run, func() bool { return applied.Load() == int64(len(p.rows)) })
}

// bareApply has one Reader for each partition and a channel between them and the writers.
func (p *parts) bareApply(ctx context.Context, topic string, t bareTable, write bareWrite) (time.Duration, error) {
	var written atomic.Int64
	messages := make(chan kafkago.Message, 1000)
	run := func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for n := range partitions {
			group.Go(func() error { return p.read(ctx, topic, n, messages) })
		}
		for range inFlight {
			group.Go(func() error {
				return write(ctx, t, messages, func(n int) { written.Add(int64(n)) })
			})
		}
		return group.Wait()
	}
	return stopwatch(ctx, run, func() bool { return written.Load() == int64(len(p.rows)) })
}

// read hands the messages of one partition over until ctx ends.
func (p *parts) read(ctx context.Context, topic string, partition int, messages chan<- kafkago.Message) (err error) {
	reader := kafkago.NewReader(kafkago.ReaderConfig{
		Brokers: []string{p.broker}, Topic: topic, Partition: partition, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: poll,
	})
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		select {
		case messages <- m:
		case <-ctx.Done():
			return nil
		}
	}
}

// unlessEnded drops an error that is only the end of ctx.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that is the point
	}
	return err
}
