package kafka

import (
	"context"
	"strconv"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Dead is what a record in the dlq says of itself.
type Dead struct {
	Offset int64         // in the dlq
	Reason events.Reason // empty on a record that nobody of ours wrote there
	// From is where it came from; for an item that was never in a topic the segment or shard, with partition -1.
	From       events.TopicPartition
	FromOffset int64
	Key, Value []byte
}

// DeadLetters calls visit for the records of the dlq in topic, from offset from or from its first one if that is later,
// until it has come to the end, or visit returns false. It returns the offset to go on from, and the end.
func (c *Client) DeadLetters(ctx context.Context, topic string, from int64, visit func(Dead) (again bool)) (next, end int64, err error) {
	id := events.TopicPartition{Topic: topic}
	start, end, err := c.bounds(ctx, id)
	if err != nil {
		return from, end, err
	}
	next, err = c.scan(ctx, id, max(from, start), end, func(r events.Record) (bool, error) { return visit(dead(r)), nil })
	return next, end, err
}

// dead reads the headers that DeadLetter writes. The last one of a name counts: a record may have brought some along.
func dead(r events.Record) Dead {
	d := Dead{Offset: r.Offset, From: events.TopicPartition{Partition: -1}, FromOffset: -1, Key: r.Key, Value: r.Value}
	number := func(value []byte) int64 {
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return n
		}
		return -1 // of no topic, as far as anybody can tell
	}
	for _, h := range r.Headers {
		switch h.Key {
		case HeaderReason:
			d.Reason = events.Reason(h.Value)
		case HeaderTopic:
			d.From.Topic = string(h.Value)
		case HeaderPartition:
			d.From.Partition = int(number(h.Value))
		case HeaderOffset:
			d.FromOffset = number(h.Value)
		}
	}
	return d
}
