package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// applySnapshotPair writes the rows of a snapshot topic, against typed batches of rows that are in memory.
func applySnapshotPair(ctx context.Context, p *parts) (ours, bare side, err error) {
	return p.applyPair(ctx, func(m *migration) string { return m.topics.Snapshot }, bareBatches, snapshotVersion)
}

// applyLivePair writes the changes of a live topic, one of each row, against typed calls with rows that are in memory.
func applyLivePair(ctx context.Context, p *parts) (ours, bare side, err error) {
	return p.applyPair(ctx, func(m *migration) string { return m.topics.Live }, barePuts, liveVersion)
}

func snapshotVersion(int) events.Version { return events.Version{Generation: 1} }

func liveVersion(i int) events.Version {
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(i + 1))} //nolint:gosec // an index
}

// applyPair fills the topic once; each run of ours reads all of it. Ours is done when all of it may be committed. It
// is no member of a group: joining one would be most of the time of a run.
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
	t, err := p.table(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, _, err := p.bareClients(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := typedRows(p.rows, version)
	if err != nil {
		return nil, nil, err
	}
	checked := func(run side) side {
		return func(ctx context.Context) (cost, error) {
			took, err := run(ctx)
			return took, errors.Join(err, p.checkWrites())
		}
	}
	ours = func(ctx context.Context) (cost, error) { return p.apply(ctx, m, topic, t) }
	bare = func(ctx context.Context) (cost, error) { return bareLoop(ctx, client, rows, write) }
	return checked(ours), checked(bare), nil
}

func (p *parts) publishRows(ctx context.Context, topic string, version func(i int) events.Version) error {
	records := make([]events.Record, len(p.rows))
	for i, row := range p.rows {
		records[i] = record(row, version(i))
	}
	if err := p.publish(ctx, topic, records); err != nil {
		return err
	}
	return p.checkTopic(ctx, topic, len(records))
}

// publish appends all records, as a worker does: what was not acknowledged is tried again.
func (p *parts) publish(ctx context.Context, topic string, records []events.Record) error {
	publish := p.kafka.Publish(topic, partitions)
	return fault.Do(ctx, nil, func(ctx context.Context) error {
		err := publish(ctx, records)
		records = events.Rest(records, err)
		return err
	})
}

func record(row city, version events.Version) events.Record {
	return events.Encode(events.Event{
		Key: events.Key(row.key), Op: events.Write, Version: version, Item: events.Item{Raw: []byte(row.item)}, Source: "bench",
	})
}

func (p *parts) apply(ctx context.Context, m *migration, topic string, t *dynamodb.Table) (cost, error) {
	var all committed
	target := dynamodb.NewTarget(t, schema, attributes, dynamodb.Versioned)
	run := m.watched(func(ctx context.Context) error {
		return p.applier(m, target, inFlight).Run(ctx, beginning(topic, 0, partitions), all.commit())
	})
	return stopwatch(ctx, run, func() bool { return all.records.Load() == int64(len(p.rows)) })
}

func (p *parts) applier(m *migration, target apply.Target, inFlight int) *apply.Worker {
	return apply.New(apply.Config{
		Fetcher: p.kafka, Target: target, Schema: schema, Watch: m.watch,
		DeadLetter: func(_ context.Context, _ events.Record, why *events.Invalid) error {
			return fmt.Errorf("a record cannot be applied: %w", why)
		},
		Rules: apply.Rules{
			From: apply.FromStream, SnapshotTopic: m.topics.Snapshot, LiveTopic: m.topics.Live, LivePartitions: partitions,
			Reserved: attributes.Names(),
		},
		InFlight: inFlight, CommitEvery: time.Millisecond,
	})
}

// beginning is the progress in the partitions of a topic, from the first to before the end, when nothing has been done.
func beginning(topic string, first, end int) map[events.TopicPartition]apply.Progress {
	start := map[events.TopicPartition]apply.Progress{}
	for n := first; n < end; n++ {
		start[events.TopicPartition{Topic: topic, Partition: n}] = apply.Progress{}
	}
	return start
}

// committed counts the records that are done for good, of all workers that it gives a commit to.
type committed struct{ records atomic.Int64 }

func (c *committed) commit() apply.Commit {
	before := map[events.TopicPartition]int64{}
	return func(_ context.Context, progress map[events.TopicPartition]apply.Progress) error {
		for id, at := range progress {
			c.records.Add(at.Counts.Total() - before[id])
			before[id] = at.Counts.Total()
		}
		return nil
	}
}
