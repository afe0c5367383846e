package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

var _ apply.Log = (*Client)(nil)

// Fetch implements apply.Log.
func (c *Client) Fetch(ctx context.Context, from events.TopicPartition, offset int64, maxBytes int) (apply.Batch, error) {
	what := fmt.Sprintf("fetch %s@%d", from, offset)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := c.client.Fetch(ctx, &kafkago.FetchRequest{
		Topic: from.Topic, Partition: from.Partition, Offset: offset,
		MinBytes: 1, MaxBytes: int64(maxBytes), MaxWait: fetchWait,
	})
	if err != nil {
		return apply.Batch{}, classify(err, what)
	}
	switch {
	case errors.Is(response.Error, kafkago.OffsetOutOfRange):
		return apply.Batch{}, c.outOfRange(ctx, from, offset)
	case response.Error != nil:
		return apply.Batch{}, classify(response.Error, what)
	}
	batch := apply.Batch{Next: offset, End: response.HighWatermark}
	if err := read(response.Records, from, &batch); err != nil {
		return apply.Batch{}, classify(err, what)
	}
	return batch, nil
}

// outOfRange says what an offset that is not there means. Invariant 4: it is never moved.
func (c *Client) outOfRange(ctx context.Context, from events.TopicPartition, offset int64) error {
	start, end, err := c.bounds(ctx, from)
	if err != nil {
		return err
	}
	e := &fault.Error{Class: fault.Fatal, Reason: "offset-out-of-range", Err: kafkago.OffsetOutOfRange}
	if offset < start {
		e.What = fmt.Sprintf("records %d to %d of %s have been deleted before they were applied", offset, start-1, from)
		e.Advice = "they are lost to this migration: check who shortened the topic's retention, then create the migration anew"
	} else {
		e.What = fmt.Sprintf("%s ends at %d, and everything before %d was applied: the brokers have lost acknowledged records", from, end, offset)
		e.Advice = "check the brokers' disks and unclean leader elections, then create the migration anew"
	}
	return e
}

// read appends what a response holds to batch, and moves batch.Next behind it. Records before Next, which brokers
// return with their batch, are left out; so are the markers of transactions, which are no records.
func read(reader kafkago.RecordReader, from events.TopicPartition, batch *apply.Batch) error {
	switch r := reader.(type) {
	case *protocol.RecordStream:
		for _, part := range r.Records {
			if err := read(part, from, batch); err != nil {
				return err
			}
		}
		return nil
	case *protocol.ControlBatch:
		for {
			record, err := r.ReadControlRecord()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			batch.Next = max(batch.Next, record.Offset+1)
		}
	}
	for {
		record, err := reader.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if record.Offset < batch.Next {
			continue // already fetched: the broker sends whole batches
		}
		own, err := fromKafka(record, from)
		if err != nil {
			return err
		}
		batch.Records = append(batch.Records, own)
		batch.Next = record.Offset + 1
	}
}

func fromKafka(r *kafkago.Record, from events.TopicPartition) (events.Record, error) {
	own := events.Record{TopicPartition: from, Offset: r.Offset, Time: r.Time}
	var err error
	if own.Key, err = all(r.Key); err != nil {
		return own, err
	}
	if own.Value, err = all(r.Value); err != nil {
		return own, err
	}
	if len(r.Headers) > 0 {
		own.Headers = make([]events.Header, len(r.Headers))
		for i, h := range r.Headers {
			own.Headers[i] = events.Header{Key: h.Key, Value: h.Value}
		}
	}
	return own, nil
}

// all reads the bytes into memory of their own: kafka-go reuses its pages. Null stays nil.
func all(b kafkago.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	own := make([]byte, b.Len())
	if _, err := io.ReadFull(b, own); err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	return own, b.Close()
}

// rewind returns bytes that are read from their beginning.
func rewind(b kafkago.Bytes) kafkago.Bytes {
	if s, ok := b.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err == nil {
			return b
		}
	}
	return b
}
