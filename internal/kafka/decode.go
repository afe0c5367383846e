package kafka

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// kafka-go's own decoder makes some twenty objects of each record, and leaves out without a word what it cannot read.
// Package wire says where it has failed, and here a record is copied into memory of its own, in one piece.

// decoding turns what a broker answered into a batch.
type decoding struct {
	batch   apply.Batch
	from    events.TopicPartition
	room    int // bytes; the record that ends it is still taken
	aborted aborted
	codecs  *codecs
}

// read appends the records of some batches to the batch, and moves the batch's Next behind them. Records before Next,
// which brokers return with their batch, are left out; so are the markers of transactions, which are no records, and what
// was aborted. The last batch may have been cut off by the broker: it is fetched again.
func (d *decoding) read(set []byte) error {
	for first := true; len(set) > 0 && d.room > 0; first = false {
		batch, rest, err := wire.Cut(set)
		switch {
		case errors.Is(err, wire.ErrTruncated) && !first:
			return nil
		case err != nil:
			return d.damaged(fmt.Errorf("%d bytes from the broker: %w", len(set), err))
		}
		if err := d.one(batch); err != nil {
			return d.damaged(err)
		}
		set = rest
	}
	return nil
}

// damaged is the error of a batch that could not be read.
func (d *decoding) damaged(err error) error {
	if other, ok := errors.AsType[*wire.FormatError](err); ok {
		return &fault.Error{
			Class: fault.Fatal, Reason: "message-format", What: fmt.Sprintf("%s has records of message format %d, which has no headers", d.from, other.Magic),
			Advice: "set message.format.version of the topics and the brokers to 0.11 or later",
		}
	}
	return err
}

// one reads one batch.
func (d *decoding) one(batch []byte) error {
	records, err := wire.Open(batch, d.codecs.of, name)
	if err != nil {
		return fmt.Errorf("a batch of records before offset %d: %w", d.batch.Next, err)
	}
	defer records.Close()
	attributes, producer := records.Attributes, records.Producer.ID
	switch {
	case attributes&wire.Control != 0:
		err = d.markers(records, producer)
	case attributes&wire.Transactional != 0 && d.aborted.at(records.BaseOffset, producer): // that transaction never happened
	default:
		err = d.records(records)
	}
	if err != nil {
		return fmt.Errorf("batch of records at offset %d: %d records before its end: %w", records.BaseOffset, records.Left(), err)
	}
	if d.room > 0 {
		d.batch.Next = max(d.batch.Next, records.Batch.Next()) // where compaction took the last records, too
	}
	return nil
}

func (d *decoding) records(records *wire.Records) error {
	d.batch.Records = slices.Grow(d.batch.Records, min(records.Left(), d.room/events.Record{}.Memory()+1))
	for d.room > 0 {
		next, err := records.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case next.Offset < d.batch.Next:
			continue // fetched already: the broker sends whole batches
		}
		record := d.own(next)
		d.batch.Next = record.Offset + 1
		d.batch.Records = append(d.batch.Records, record)
		d.room -= record.Memory()
	}
	return nil
}

// markers takes notice of the ends of transactions.
func (d *decoding) markers(records *wire.Records, producer int64) error {
	for {
		record, err := records.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		marker, err := wire.MarkerOf(record.Key)
		if err != nil {
			return err
		}
		if marker == wire.Abort {
			d.aborted.ended(record.Offset, producer)
		}
	}
}

// own copies a record into memory of its own.
func (d *decoding) own(r wire.Record) events.Record {
	size := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += len(h.Value)
	}
	memory := make([]byte, 0, size)
	part := func(text []byte) []byte {
		if text == nil {
			return nil // null, which is not empty
		}
		begin := len(memory)
		memory = append(memory, text...)
		return memory[begin:len(memory):len(memory)]
	}
	own := events.Record{TopicPartition: d.from, Offset: r.Offset, Time: time.UnixMilli(r.Time), Key: part(r.Key), Value: part(r.Value)}
	if len(r.Headers) > 0 {
		own.Headers = make([]events.Header, len(r.Headers))
		for i, h := range r.Headers {
			own.Headers[i] = events.Header{Key: h.Key, Value: part(h.Value)}
		}
	}
	return own
}

// name is the key of a header. Those that mean something cost nothing.
func name(text []byte) string {
	switch string(text) {
	case events.HeaderOp:
		return events.HeaderOp
	case events.HeaderVersion:
		return events.HeaderVersion
	case events.HeaderTime:
		return events.HeaderTime
	case events.HeaderSource:
		return events.HeaderSource
	case events.HeaderPosition:
		return events.HeaderPosition
	default:
		return string(text)
	}
}
