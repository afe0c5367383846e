package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"github.com/crossfadedb/crossfade/internal/events"
)

// batch is the record batch of one produce request. kafka-go would encode it too, at several calls of an interface for
// each record.
type batch struct {
	records []byte // before compression
	wire    bytes.Buffer
}

// batches are kept for the next requests: at most as many as there are requests at once, each of maxProduceBytes.
var batches = sync.Pool{New: func() any { return new(batch) }}

// lead is the length of all batches, which comes before them in a request; here there is one. For the layout see decode.
const lead = 4

// head is what the batches of a producer without transactions have in common.
var head = func() (h [lead + batchRecords]byte) {
	for _, none := range [][2]int{{batchLength + 4, batchMagic}, {batchProducer, batchCount}} { // leader epoch; producer's id, epoch, sequence
		for i := none[0]; i < none[1]; i++ {
			h[lead+i] = 0xff
		}
	}
	h[lead+batchMagic] = 2
	return h
}()

// encode makes the wire form of records, of which there is at least one, with the time now for all of them. It is valid
// until the next call.
func (b *batch) encode(records []*events.Record, compression compress.Compression, by *codecs, now time.Time) ([]byte, error) {
	b.records = b.records[:0]
	for i, r := range records {
		b.records = appendRecord(b.records, r, i)
	}
	b.wire.Reset()
	b.wire.Write(head[:])
	if err := b.compress(by.of(compression)); err != nil {
		return nil, err
	}
	wire := b.wire.Bytes()
	binary.BigEndian.PutUint32(wire, uint32(len(wire)-lead))
	only := wire[lead:]
	binary.BigEndian.PutUint32(only[batchLength:], uint32(len(only)-batchLength-4))
	only[batchChecked+1] = byte(compression) & 0x7 // the attributes
	binary.BigEndian.PutUint32(only[batchLastAt:], uint32(len(records)-1))
	binary.BigEndian.PutUint64(only[batchTime:], uint64(now.UnixMilli()))
	binary.BigEndian.PutUint64(only[batchMaxTime:], uint64(now.UnixMilli()))
	binary.BigEndian.PutUint32(only[batchCount:], uint32(len(records)))
	binary.BigEndian.PutUint32(only[batchChecksum:], crc32.Checksum(only[batchChecked:], castagnoli))
	return wire, nil
}

func (b *batch) compress(codec compress.Codec) error {
	if codec == nil {
		b.wire.Write(b.records)
		return nil
	}
	w := codec.NewWriter(&b.wire)
	if _, err := w.Write(b.records); err != nil {
		return err
	}
	return w.Close()
}

// appendRecord appends one record of a batch, the nth from 0.
// https://kafka.apache.org/documentation/#record
func appendRecord(b []byte, r *events.Record, n int) []byte {
	size := 2 + sizeOfVarint(n) + sizeOfBytes(r.Key) + sizeOfBytes(r.Value) + sizeOfVarint(len(r.Headers))
	for _, h := range r.Headers {
		size += sizeOfVarint(len(h.Key)) + len(h.Key) + sizeOfBytes(h.Value)
	}
	b = binary.AppendVarint(b, int64(size))
	b = append(b, 0, 0) // no attributes; the time is that of the first
	b = binary.AppendVarint(b, int64(n))
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	b = binary.AppendVarint(b, int64(len(r.Headers)))
	for _, h := range r.Headers {
		b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
		b = appendBytes(b, h.Value)
	}
	return b
}

// appendBytes appends value behind its length, which is -1 for null.
func appendBytes(b, value []byte) []byte {
	if value == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(value))), value...)
}

func sizeOfBytes(value []byte) int {
	if value == nil {
		return 1
	}
	return sizeOfVarint(len(value)) + len(value)
}

// sizeOfVarint is for numbers that are not negative.
func sizeOfVarint(n int) int {
	size := 1
	for n >= 1<<6 {
		n >>= 7
		size++
	}
	return size
}
