package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// scanFetchBytes is what one fetch of a scan asks for.
const scanFetchBytes = 1 << 20

// scan calls visit for the records of a partition from an offset up to an end, which a broker has given as the log's, until
// visit has an error or wants no more. It returns the offset behind the last record that was visited, and behind the holes
// that compaction has left there.
//
// It reads uncommitted records too: nobody opens transactions where it is used, and a foreign one must not hide what is behind
// it.
func (c *Client) scan(
	ctx context.Context, id events.TopicPartition, from, end int64, visit func(events.Record) (again bool, err error),
) (next int64, err error) {
	defer func() {
		if err == nil {
			c.outside.Worked(toTheEnd(id))
		}
	}()
	next = from
	for next < end {
		batch, nothing, err := c.fetch(ctx, id, next, scanFetchBytes, kafkago.ReadUncommitted)
		if err != nil {
			return next, err
		}
		for _, r := range batch.Records {
			if r.Offset >= end {
				return end, nil // appended since
			}
			again, err := visit(r)
			if err != nil {
				return next, err
			}
			next = r.Offset + 1
			if !again {
				return next, nil
			}
		}
		switch {
		case nothing && batch.End < end: // what it does not have is not a hole
			return next, c.behind(ctx, id, end, batch.End)
		case nothing:
			return end, nil // compaction took everything from here to the end
		case batch.Next == next && len(batch.Records) == 0:
			next++ // a batch without the record at next: compaction took it
		default:
			next = max(next, batch.Next)
		}
	}
	return next, nil
}

// behind is the error of a broker that does not have what was there already. It may come to it: its log may be further than
// what it has been told is on all replicas. Each of its requests has succeeded, so that it is said here that this goes on.
func (c *Client) behind(ctx context.Context, id events.TopicPartition, was, is int64) error {
	err := &fault.Error{Class: fault.Retry, Reason: "broker-behind", What: fmt.Sprintf(
		"%s went up to offset %d, and the broker that was asked now has it up to %d", id, was, is)}
	c.outside.Ask(ctx, toTheEnd(id))(err)
	return err
}

// toTheEnd is what fails while a broker is behind.
func toTheEnd(id events.TopicPartition) string { return "read " + id.String() + " to its end" }
