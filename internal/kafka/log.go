package kafka

import (
	"context"
	"fmt"
	"strings"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// PartitionLog is the log in the only partition of a topic: the facts, or the control log.
type PartitionLog struct {
	client *Client
	id     events.TopicPartition
}

var _ checkpoint.Log = (*PartitionLog)(nil)

// Log returns the log in the only partition of topic.
func (c *Client) Log(topic string) *PartitionLog {
	return &PartitionLog{client: c, id: events.TopicPartition{Topic: topic}}
}

// Append implements checkpoint.Log.
func (l *PartitionLog) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	records := make([]*events.Record, len(entries))
	for i, e := range entries {
		records[i] = &events.Record{Key: e.Key, Value: e.Value}
	}
	_, err := l.client.produce(ctx, l.id, records, wire.None)
	return err
}

// Read implements checkpoint.Log.
func (l *PartitionLog) Read(ctx context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	start, end, err := l.client.bounds(ctx, l.id)
	switch {
	case err != nil:
		return from, err
	case from < start:
		if err := l.deleted(ctx, from, start); err != nil {
			return from, err
		}
	case from > end:
		return from, l.cutOff(ctx, from, end)
	}
	next, err := l.client.scan(ctx, l.id, max(from, start), end, func(r events.Record) (bool, error) {
		return true, visit(checkpoint.Entry{Offset: r.Offset, Time: r.Time, Key: r.Key, Value: r.Value})
	})
	if err != nil {
		return from, err
	}
	return next, nil
}

// cutOff says what it means that a log ends before an offset that it was read up to. The broker that is asked for that offset
// knows whether it is only behind, or records are gone (invariant 4).
func (l *PartitionLog) cutOff(ctx context.Context, from, end int64) error {
	if _, _, err := l.client.fetch(ctx, l.id, from, 1, kafkago.ReadUncommitted); err != nil {
		return err
	}
	return l.client.behind(ctx, l.id, from, end)
}

// deleted decides what it means that a log no longer begins where it was to be read from: compaction takes only what
// was superseded, but a log that is not compacted has lost a part of its history (invariant 4).
func (l *PartitionLog) deleted(ctx context.Context, from, start int64) error {
	policy, err := l.client.setting(ctx, l.id.Topic, "cleanup.policy")
	if err != nil || strings.Contains(policy, "compact") {
		return err
	}
	return &fault.Error{
		Class: fault.Fatal, Reason: "offset-out-of-range", Err: kafkago.OffsetOutOfRange,
		What:   fmt.Sprintf("records %d to %d of %s have been deleted", from, start-1, l.id),
		Advice: "the migration's history is incomplete: check who shortened the topic's retention, then create the migration anew",
	}
}
