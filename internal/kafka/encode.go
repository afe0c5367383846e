package kafka

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// batch makes the only batch of a produce request. kafka-go would encode it too, at several calls of an interface for each
// record.
type batch struct {
	encoder wire.Encoder
	record  wire.Record // the one that is added
	request []byte
}

// batches are kept for the next requests: at most as many as there are requests at once, each of maxProduceBytes.
var batches = sync.Pool{New: func() any { return new(batch) }}

// lead is the length of all batches, an INT32, which comes before them in a request.
const lead = 4

// encode makes of records, of which there is at least one, what a produce request has in it, with the time now for all of
// them. It is valid until the next call.
func (b *batch) encode(records []*events.Record, compression wire.Compression, by *codecs, now time.Time) ([]byte, error) {
	at := now.UnixMilli()
	b.encoder.Begin(wire.Batch{LeaderEpoch: -1, Attributes: wire.Attributes(0).With(compression), BaseTime: at, Producer: wire.NoProducer})
	one := &b.record
	for i, r := range records {
		one.Offset, one.Time, one.Key, one.Value, one.Headers = int64(i), at, r.Key, r.Value, one.Headers[:0]
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, wire.Header(h))
		}
		b.encoder.Add(one)
	}
	clear(one.Headers[:cap(one.Headers)])
	*one = wire.Record{Headers: one.Headers[:0]} // the records are the caller's
	request, err := b.encoder.Append(append(b.request[:0], make([]byte, lead)...), by.of(compression))
	if err != nil {
		return nil, err
	}
	b.request = request
	binary.BigEndian.PutUint32(request, uint32(len(request)-lead))
	return request, nil
}
