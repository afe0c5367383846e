package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

// decoding turns what a broker answered into a batch.
type decoding struct {
	batch   apply.Batch
	from    events.TopicPartition
	room    int // bytes; the record that ends it is still taken
	aborted aborted
}

// read appends what reader holds to the batch, and moves the batch's Next behind it. Records before Next, which
// brokers return with their batch, are left out; so are the markers of transactions, which are no records, and what
// was aborted.
func (d *decoding) read(reader kafkago.RecordReader) error {
	switch r := reader.(type) {
	case *protocol.RecordStream:
		for _, part := range r.Records {
			if d.room <= 0 {
				return nil // the next fetch begins at Next
			}
			if err := d.read(part); err != nil {
				return err
			}
		}
		return nil
	case *protocol.ControlBatch:
		return d.markers(r)
	case *protocol.RecordBatch:
		dead := r.Attributes.Transactional() && d.aborted.at(r.BaseOffset, r.ProducerID)
		return d.records(r, dead)
	}
	return d.records(reader, false)
}

func (d *decoding) records(reader kafkago.RecordReader, aborted bool) error {
	for d.room > 0 {
		record, err := reader.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		if record.Offset < d.batch.Next {
			continue // fetched already: the broker sends whole batches
		}
		d.batch.Next = record.Offset + 1
		if aborted {
			continue // its transaction never happened
		}
		own, err := own(record, d.from)
		if err != nil {
			return fmt.Errorf("read record at offset %d: %w", record.Offset, err)
		}
		d.batch.Records = append(d.batch.Records, own)
		d.room -= own.Memory()
	}
	return nil
}

// abortMarker is the type of the control record that ends an aborted transaction.
// https://kafka.apache.org/documentation/#controlbatch
const abortMarker = 0

func (d *decoding) markers(batch *protocol.ControlBatch) error {
	for {
		marker, err := batch.ReadControlRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the marker of a transaction: %w", err)
		}
		if marker.Type == abortMarker {
			d.aborted.ended(marker.Offset, batch.ProducerID)
		}
		d.batch.Next = max(d.batch.Next, marker.Offset+1)
	}
}

// own copies a record into memory of its own: kafka-go reuses its pages. Null stays nil.
func own(r *kafkago.Record, from events.TopicPartition) (events.Record, error) {
	own := events.Record{TopicPartition: from, Offset: r.Offset, Time: r.Time}
	key, value := length(r.Key), length(r.Value)
	memory := make([]byte, key+value)
	var err1, err2 error
	own.Key, err1 = fill(memory[:key:key], r.Key)
	own.Value, err2 = fill(memory[key:], r.Value)
	if len(r.Headers) > 0 {
		own.Headers = make([]events.Header, len(r.Headers))
		for i, h := range r.Headers {
			own.Headers[i] = events.Header{Key: h.Key, Value: h.Value}
		}
	}
	return own, errors.Join(err1, err2)
}

func length(b kafkago.Bytes) int {
	if b == nil {
		return 0
	}
	return b.Len()
}

// fill reads b, whose length memory has.
func fill(memory []byte, b kafkago.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	if _, err := io.ReadFull(b, memory); err != nil {
		return nil, err
	}
	return memory, b.Close()
}

// aborted are the aborted transactions of one answer.
type aborted struct {
	ahead []fetch.ResponseTransaction // not begun yet, by their first offset
	begun map[int64]bool              // by producer
}

func newAborted(all []fetch.ResponseTransaction) aborted {
	ahead := slices.SortedFunc(slices.Values(all), func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return aborted{ahead: ahead, begun: map[int64]bool{}}
}

// at reports whether a transactional batch at offset belongs to an aborted transaction. A producer has one transaction
// at a time.
func (a *aborted) at(offset, producer int64) bool {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= offset {
		a.begun[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
	return a.begun[producer]
}

// ended notes the marker at offset that ends an aborted transaction.
func (a *aborted) ended(offset, producer int64) {
	a.at(offset, producer)
	delete(a.begun, producer)
}
