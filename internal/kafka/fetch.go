package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

var _ apply.Fetcher = (*Client)(nil)

// Fetch implements apply.Fetcher. Records of a transaction are returned once it has been committed, and never if it was
// aborted.
func (c *Client) Fetch(ctx context.Context, from events.TopicPartition, offset int64, maxBytes int) (apply.Batch, error) {
	batch, _, err := c.fetch(ctx, from, offset, maxBytes, kafkago.ReadCommitted)
	return batch, err
}

// fetch is Fetch. It reports true if the broker has no batch of records at all at or behind the offset that it may
// show under this isolation.
func (c *Client) fetch(
	ctx context.Context, from events.TopicPartition, offset int64, maxBytes int, isolation kafkago.IsolationLevel,
) (_ apply.Batch, nothing bool, err error) {
	answered := c.outside.Ask(ctx, "fetch "+from.String())
	defer func() { answered(err) }()
	what := fmt.Sprintf("fetch %s@%d", from, offset)
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	grows := c.expansion(from.Topic)
	asked, room := grows.ask(maxBytes), maxExpansion*maxBytes
	answer, err := c.fetchOnce(ctx, from, offset, int32(min(asked, math.MaxInt32)), isolation)
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange):
		return apply.Batch{}, false, c.outOfRange(ctx, from, offset)
	case err != nil:
		return apply.Batch{}, false, classify(err, what)
	}
	d := decoding{
		batch: apply.Batch{Next: offset, End: answer.end},
		from:  from, room: room, aborted: newAborted(answer.aborted), codecs: &c.codecs,
	}
	defer answer.release()
	if len(answer.records) == 0 {
		return d.batch, true, nil
	}
	if err := d.read(answer.records); err != nil {
		return apply.Batch{}, false, classify(err, what)
	}
	grows.learn(asked, maxBytes, room-d.room, d.room <= 0)
	return d.batch, false, nil
}

func (c *Client) expansion(topic string) *expansion {
	e, _ := c.expansions.LoadOrStore(topic, &expansion{})
	return e.(*expansion)
}

// fetchOnce makes one request for one partition.
func (c *Client) fetchOnce(
	ctx context.Context, from events.TopicPartition, offset int64, maxBytes int32, isolation kafkago.IsolationLevel,
) (*fetched, error) {
	message, err := c.transport.RoundTrip(ctx, c.client.Addr, &fetching{clientID: c.options.ClientID, Request: fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(min(fetchWait, c.options.RequestTimeout/2).Milliseconds()), MinBytes: 1,
		// The partition's limit is the one that counts. Where this one is met, kfake does not say which transactions were aborted.
		MaxBytes:       math.MaxInt32,
		IsolationLevel: int8(isolation), SessionID: -1, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{
			Topic: from.Topic,
			Partitions: []fetch.RequestPartition{{
				Partition: int32(from.Partition), CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: maxBytes,
			}},
		}},
	}})
	if err != nil {
		return nil, err
	}
	answer, ok := message.(*fetched)
	switch {
	case !ok:
		return nil, fmt.Errorf("an answer of type %T", message)
	case answer.code != 0:
		answer.release()
		return nil, kafkago.Error(answer.code)
	}
	return answer, nil
}

// outOfRange says what an offset that is not there means. Invariant 4: it is never moved.
func (c *Client) outOfRange(ctx context.Context, from events.TopicPartition, offset int64) error {
	start, end, err := c.bounds(ctx, from)
	if err != nil {
		return err
	}
	e := &fault.Error{Class: fault.Fatal, Reason: "offset-out-of-range", Err: fmt.Errorf("%w: %w", apply.ErrGap, kafkago.OffsetOutOfRange)}
	switch {
	case offset < start:
		e.What = fmt.Sprintf("records %d to %d of %s have been deleted before they were applied; the log starts at %d", offset, start-1, from, start)
		e.Advice = "they are lost to this migration: check who shortened the topic's retention, then create the migration anew"
	case offset > end:
		e.What = fmt.Sprintf("%s ends at %d, and everything before %d was applied: the brokers have lost acknowledged records", from, end, offset)
		e.Advice = "check the brokers' disks and unclean leader elections, then create the migration anew"
	default:
		// Two answers that contradict each other: one of them came from a broker that was behind.
		e.Class, e.Err = fault.Retry, kafkago.OffsetOutOfRange
		e.What = fmt.Sprintf("fetch %s@%d, with the log from %d to %d", from, offset, start, end)
	}
	return e
}
