package kafka

import (
	"context"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// maxProduceBytes bounds one produce request. A larger record goes alone.
const maxProduceBytes = 2 << 20

// Publish returns a function that appends records to a topic, each to the partition of its key, compressed with
// zstd. It returns nil once all of them are acknowledged by all in-sync replicas. Retries are made inside, for ctx's
// life, of what was not acknowledged only; a lost acknowledgement is a duplicate.
func (c *Client) Publish(topic string, partitions int) func(context.Context, []events.Record) error {
	return func(ctx context.Context, records []events.Record) error {
		byPartition := make([][]kafkago.Record, partitions)
		for _, r := range records {
			n := events.PartitionOf(r.Key, partitions)
			byPartition[n] = append(byPartition[n], toKafka(r.Key, r.Value, r.Headers))
		}
		group, ctx := errgroup.WithContext(ctx)
		for n, part := range byPartition {
			if len(part) > 0 {
				group.Go(func() error {
					return fault.Do(ctx, nil, func(ctx context.Context) error {
						rest, err := c.produce(ctx, topic, n, part, kafkago.Zstd)
						part = rest
						return err
					})
				})
			}
		}
		return group.Wait()
	}
}

func toKafka(key, value []byte, headers []events.Header) kafkago.Record {
	r := kafkago.Record{Key: kafkago.NewBytes(key), Value: kafkago.NewBytes(value)}
	if len(headers) > 0 {
		r.Headers = make([]kafkago.Header, len(headers))
		for i, h := range headers {
			r.Headers[i] = kafkago.Header{Key: h.Key, Value: h.Value}
		}
	}
	return r
}

// produce appends records to one partition, request after request, and returns those that were not acknowledged.
func (c *Client) produce(
	ctx context.Context, topic string, partition int, records []kafkago.Record, compression kafkago.Compression,
) (rest []kafkago.Record, err error) {
	for len(records) > 0 {
		n := fitting(records)
		if err := c.produceOnce(ctx, topic, partition, records[:n], compression); err != nil {
			return records, err
		}
		records = records[n:]
	}
	return nil, nil
}

// fitting is how many of the first records go into one request.
func fitting(records []kafkago.Record) int {
	size := 0
	for i, r := range records {
		for _, b := range [...]kafkago.Bytes{r.Key, r.Value} {
			if b != nil {
				size += b.Len()
			}
		}
		if size > maxProduceBytes {
			return max(1, i)
		}
	}
	return len(records)
}

func (c *Client) produceOnce(
	ctx context.Context, topic string, partition int, records []kafkago.Record, compression kafkago.Compression,
) error {
	// A retry reads the records again from their beginning.
	batch := make([]kafkago.Record, len(records))
	for i, r := range records {
		batch[i] = r
		batch[i].Key, batch[i].Value = rewind(r.Key), rewind(r.Value)
	}
	what := fmt.Sprintf("append %d records to %s/%d", len(records), topic, partition)
	response, err := c.client.Produce(ctx, &kafkago.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafkago.RequireAll,
		Compression: compression, Records: kafkago.NewRecordReader(batch...),
	})
	if err != nil {
		return classify(err, what)
	}
	if response.Error != nil {
		return classify(response.Error, what)
	}
	for i, err := range response.RecordErrors {
		return classify(err, fmt.Sprintf("%s: record %d", what, i))
	}
	return nil
}
