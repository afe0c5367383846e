package kafka

import (
	"context"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Log is one topic of one partition: the facts, or the control log.
type Log struct {
	client *Client
	id     events.TopicPartition
}

var _ checkpoint.Log = (*Log)(nil)

// Log returns the log in the only partition of topic.
func (c *Client) Log(topic string) *Log {
	return &Log{client: c, id: events.TopicPartition{Topic: topic}}
}

// Append implements checkpoint.Log.
func (l *Log) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	records := make([]kafkago.Record, len(entries))
	for i, e := range entries {
		records[i] = toKafka(e.Key, e.Value, nil)
	}
	_, err := l.client.produce(ctx, l.id.Topic, l.id.Partition, records, 0)
	return err
}

// logFetchBytes is what one fetch of a log asks for.
const logFetchBytes = 1 << 20

// Read implements checkpoint.Log.
func (l *Log) Read(ctx context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	start, end, err := l.client.bounds(ctx, l.id)
	if err != nil {
		return from, err
	}
	next := max(from, start) // what compaction took from the front had been superseded
	for next < end {
		batch, err := l.client.Fetch(ctx, l.id, next, logFetchBytes)
		if err != nil {
			return from, err
		}
		for _, r := range batch.Records {
			if err := visit(checkpoint.Entry{Offset: r.Offset, Time: r.Time, Key: r.Key, Value: r.Value}); err != nil {
				return from, err
			}
		}
		if batch.Next == next {
			// Compaction took everything from here on to wherever the next record is; a broker answers with it
			// as soon as an offset behind the hole is asked for.
			batch.Next++
		}
		next = batch.Next
	}
	return next, nil
}
