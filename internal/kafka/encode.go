package kafka

import (
	"bytes"
	"io"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/events"
)

// recordReader hands records to kafka-go, which encodes each before it asks for the next one: a single
// kafkago.Record serves for all of them.
type recordReader struct {
	records    []events.Record
	record     kafkago.Record
	key, value payload
	headers    []kafkago.Header
}

var _ kafkago.RecordReader = (*recordReader)(nil)

func newRecordReader(records []events.Record) *recordReader { return &recordReader{records: records} }

// ReadRecord implements kafkago.RecordReader.
func (r *recordReader) ReadRecord() (*kafkago.Record, error) {
	if len(r.records) == 0 {
		return nil, io.EOF
	}
	next := &r.records[0]
	r.records = r.records[1:]
	r.headers = r.headers[:0]
	for _, h := range next.Headers {
		r.headers = append(r.headers, kafkago.Header{Key: h.Key, Value: h.Value})
	}
	r.record = kafkago.Record{Key: r.key.of(next.Key), Value: r.value.of(next.Value), Headers: r.headers}
	return &r.record, nil
}

// payload is kafkago.Bytes over memory that is not its own.
type payload struct{ bytes.Reader }

// Close implements kafkago.Bytes.
func (p *payload) Close() error { return nil }

// of returns p, reading b; nil, which is null on the wire, if b is nil.
func (p *payload) of(b []byte) kafkago.Bytes {
	if b == nil {
		return nil
	}
	p.Reset(b)
	return p
}
