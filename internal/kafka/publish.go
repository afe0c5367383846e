package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// maxProducing bounds the requests at once to one topic. Each has a connection, a compressor and what it has compressed;
// a snapshot worker's pages, each cut by partition, would else make hundreds.
const maxProducing = 16

// maxProduceBytes bounds one produce request, before compression. A larger record goes alone.
const maxProduceBytes = 2 << 20

// Publish returns a function that appends records to a topic, each to the partition of its key, compressed with
// zstd. It returns nil once all of them are acknowledged by all in-sync replicas. It makes one attempt; its error is an
// *events.UnacknowledgedError, which says what is to be tried again, by the caller. A lost acknowledgement is a duplicate. A record
// that the topic refuses as too large is an error of class Record. The records are only read, until the function returns.
func (c *Client) Publish(topic string, partitions int) func(context.Context, []events.Record) error {
	requests := make(chan struct{}, maxProducing)
	return func(ctx context.Context, records []events.Record) error {
		parts := split(records, partitions)
		failures := make([]error, partitions)
		var all sync.WaitGroup
		for n, part := range parts {
			if len(part) > 0 {
				all.Go(func() {
					select {
					case requests <- struct{}{}:
						defer func() { <-requests }()
						parts[n], failures[n] = c.produce(ctx, events.TopicPartition{Topic: topic, Partition: n}, part, wire.Zstd)
					case <-ctx.Done():
						failures[n] = context.Cause(ctx)
					}
				})
			}
		}
		all.Wait()
		return unacknowledged(parts, failures)
	}
}

// unacknowledged is the error of an append of which these parts are left; nil if none failed. Of several failures it has the
// gravest: what stops the worker must not be hidden by what may be tried again.
func unacknowledged(parts [][]*events.Record, failures []error) error {
	u := &events.UnacknowledgedError{}
	for n, err := range failures {
		if err == nil {
			continue
		}
		for _, r := range parts[n] {
			u.Records = append(u.Records, *r)
		}
		if u.Err == nil || fault.Of(err) < fault.Of(u.Err) {
			u.Err = err
		}
	}
	if u.Err == nil {
		return nil
	}
	return u
}

// split is the records of each partition, in their order.
func split(records []events.Record, partitions int) [][]*events.Record {
	of, counts := make([]int, len(records)), make([]int, partitions)
	for i := range records {
		of[i] = events.PartitionOf(records[i].Key, partitions)
		counts[of[i]]++
	}
	all, parts := make([]*events.Record, len(records)), make([][]*events.Record, partitions)
	start := 0
	for n, count := range counts {
		parts[n] = all[start:start:(start + count)]
		start += count
	}
	for i, n := range of {
		parts[n] = append(parts[n], &records[i])
	}
	return parts
}

// produce appends records to one partition, request after request, and returns those that were not acknowledged.
func (c *Client) produce(
	ctx context.Context, to events.TopicPartition, records []*events.Record, compression wire.Compression,
) (rest []*events.Record, err error) {
	most := len(records)
	for len(records) > 0 {
		n := fitting(records[:min(most, len(records))])
		err := c.produceOnce(ctx, to, records[:n], compression)
		switch {
		case err != nil && n > 1 && tooLarge(err):
			most = n / 2 // the topic's limit is below ours: each record alone may pass
		case err != nil:
			return records, err
		default:
			records = records[n:]
		}
	}
	return nil, nil
}

func tooLarge(err error) bool {
	return errors.Is(err, kafkago.MessageSizeTooLarge) || errors.Is(err, kafkago.RecordListTooLarge)
}

// fitting is how many of the first records go into one request.
func fitting(records []*events.Record) int {
	size := 0
	for i, r := range records {
		if size += r.Size(); size > maxProduceBytes {
			return max(1, i)
		}
	}
	return len(records)
}

func (c *Client) produceOnce(
	ctx context.Context, to events.TopicPartition, records []*events.Record, compression wire.Compression,
) (err error) {
	answered := c.outside.Ask(ctx, "append to "+to.String())
	defer func() { answered(err) }()
	what := fmt.Sprintf("append %d records to %s", len(records), to)
	if len(records) == 1 {
		what = fmt.Sprintf("append a record of about %d bytes to %s", records[0].Size(), to)
	}
	b := batches.Get().(*batch)
	raw, err := b.encode(records, compression, &c.codecs, time.Now())
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	response, err := c.client.RawProduce(ctx, &kafkago.RawProduceRequest{
		Topic: to.Topic, Partition: to.Partition, RequiredAcks: kafkago.RequireAll, RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(raw)},
	})
	if err != nil {
		return classify(err, what) // the connection's goroutine may still read a request that was given up: its batch is not kept
	}
	batches.Put(b)
	if response.Error != nil {
		return classify(response.Error, what)
	}
	for i, err := range response.RecordErrors {
		return classify(err, fmt.Sprintf("%s: record %d", what, i))
	}
	return nil
}
