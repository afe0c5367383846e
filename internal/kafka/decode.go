package kafka

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// kafka-go's own decoder makes some twenty objects of each record, and leaves out without a word what it cannot read.
// This one copies a record into memory of its own, in one piece, and says where it has failed.

// decoding turns what a broker answered into a batch.
type decoding struct {
	batch   apply.Batch
	from    events.TopicPartition
	room    int // bytes; the record that ends it is still taken
	aborted aborted
	codecs  *codecs // nil are those of the process
}

// The layout of a record batch, up to its records.
// https://kafka.apache.org/documentation/#recordbatch
const (
	batchLength   = 8 // of what follows it
	batchMagic    = 16
	batchChecksum = 17
	batchChecked  = 21 // where what the checksum covers begins: the attributes
	batchLastAt   = 23 // the offset of the last record, from the base
	batchTime     = 27
	batchMaxTime  = 35
	batchProducer = 43
	batchCount    = 57
	batchRecords  = 61

	logAppendTime = 1 << 3 // an attribute: the time of all records is the batch's
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// read appends the records of some batches to the batch, and moves the batch's Next behind them. Records before Next,
// which brokers return with their batch, are left out; so are the markers of transactions, which are no records, and what
// was aborted. The last batch may have been cut off by the broker: it is fetched again.
func (d *decoding) read(set []byte) error {
	for first := true; len(set) > 0 && d.room > 0; first = false {
		end := 0
		if len(set) >= batchRecords {
			end = batchLength + 4 + int(binary.BigEndian.Uint32(set[batchLength:]))
		}
		if end < batchRecords || end > len(set) {
			if first {
				return fmt.Errorf("%d bytes are no batch of records", len(set))
			}
			return nil
		}
		if err := d.one(set[:end]); err != nil {
			return fmt.Errorf("batch of records at offset %d: %w", binary.BigEndian.Uint64(set), err)
		}
		set = set[end:]
	}
	return nil
}

// one reads one batch.
func (d *decoding) one(batch []byte) error {
	if magic := batch[batchMagic]; magic != 2 {
		return &fault.Error{
			Class: fault.Fatal, Reason: "message-format", What: fmt.Sprintf("%s has records of message format %d, which has no headers", d.from, magic),
			Advice: "set message.format.version of the topics and the brokers to 0.11 or later",
		}
	}
	if sum := crc32.Checksum(batch[batchChecked:], castagnoli); sum != binary.BigEndian.Uint32(batch[batchChecksum:]) {
		return errors.New("the checksum is another one")
	}
	base, producer := int64(binary.BigEndian.Uint64(batch)), int64(binary.BigEndian.Uint64(batch[batchProducer:]))
	attributes := protocol.Attributes(binary.BigEndian.Uint16(batch[batchChecked:]))
	records, err := openRecords(batch, attributes, d.codecs)
	if err != nil {
		return err
	}
	defer records.close()
	switch {
	case attributes.Control():
		err = d.marker(records, producer)
	case attributes.Transactional() && d.aborted.at(base, producer): // that transaction never happened
	default:
		err = d.records(records)
	}
	if err != nil {
		return fmt.Errorf("%d records before its end: %w", records.left, err)
	}
	if d.room > 0 {
		after := base + int64(binary.BigEndian.Uint32(batch[batchLastAt:])) + 1
		d.batch.Next = max(d.batch.Next, after) // where compaction took the last records, too
	}
	return nil
}

func (d *decoding) records(records *records) error {
	d.batch.Records = slices.Grow(d.batch.Records, min(records.left, d.room/events.Record{}.Memory()+1))
	for records.left > 0 && d.room > 0 {
		record, err := records.next(d.from, d.batch.Next)
		if err != nil {
			return err
		}
		if record.Offset < d.batch.Next {
			continue // fetched already: the broker sends whole batches
		}
		d.batch.Next = record.Offset + 1
		d.batch.Records = append(d.batch.Records, record)
		d.room -= record.Memory()
	}
	return nil
}

// marker takes notice of the end of a transaction.
func (d *decoding) marker(records *records, producer int64) error {
	for records.left > 0 {
		marker, err := records.next(d.from, 0)
		if err != nil {
			return err
		}
		if isAbort(marker.Key) {
			d.aborted.ended(marker.Offset, producer)
		}
	}
	return nil
}

// isAbort reports whether the key of a control record says that it ends an aborted transaction.
// https://kafka.apache.org/documentation/#controlbatch
func isAbort(key []byte) bool { return len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == 0 }

// records are those of one batch, one after the other.
type records struct {
	left     int
	base     int64
	time     int64 // ms since 1970
	sameTime bool
	inflated io.Closer // nil when they are not compressed
	reader   *bufio.Reader
	large    bytes.Buffer // for what does not fit into the reader's memory
}

// readers hold the text of a record while it is cut.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func openRecords(batch []byte, attributes protocol.Attributes, codecs *codecs) (*records, error) {
	r := &records{
		left: int(int32(binary.BigEndian.Uint32(batch[batchCount:]))), base: int64(binary.BigEndian.Uint64(batch)),
		time: int64(binary.BigEndian.Uint64(batch[batchTime:])), sameTime: attributes&logAppendTime != 0,
	}
	if r.sameTime {
		r.time = int64(binary.BigEndian.Uint64(batch[batchMaxTime:]))
	}
	if r.left < 0 {
		return nil, fmt.Errorf("a batch of %d records", r.left)
	}
	var text io.Reader = bytes.NewReader(batch[batchRecords:])
	if compression := attributes.Compression(); compression != 0 {
		codec := codecs.of(compression)
		if codec == nil {
			return nil, fmt.Errorf("compression %d is unknown", compression)
		}
		decompressor := codec.NewReader(text)
		r.inflated, text = decompressor, decompressor
	}
	r.reader = readers.Get().(*bufio.Reader)
	r.reader.Reset(text)
	return r, nil
}

func (r *records) close() {
	r.reader.Reset(nil)
	readers.Put(r.reader)
	if r.inflated != nil {
		_ = r.inflated.Close() // what was read from it has been checked
	}
}

// next reads a record into memory of its own. Of one before an offset it returns the offset alone.
func (r *records) next(from events.TopicPartition, offset int64) (events.Record, error) {
	r.left--
	length, err := binary.ReadVarint(r.reader)
	if err != nil {
		return events.Record{}, err
	}
	text, err := r.text(length)
	if err != nil {
		return events.Record{}, err
	}
	c := cutter{text: text}
	c.skip(1) // attributes, of which there are none
	age, at := c.number(), r.base+c.number()
	if at < offset {
		return events.Record{Offset: at}, c.err
	}
	if r.sameTime {
		age = 0
	}
	record := events.Record{TopicPartition: from, Offset: at, Time: time.UnixMilli(r.time + age)}
	c.memory = make([]byte, 0, len(c.text)) // all that is left is little more than what is kept
	record.Key, record.Value = c.bytes(), c.bytes()
	if n := c.count(); n > 0 {
		record.Headers = make([]events.Header, n)
		for i := range record.Headers {
			record.Headers[i] = events.Header{Key: c.name(), Value: c.bytes()}
		}
	}
	if len(c.text) > 0 && c.err == nil {
		c.err = errors.New("something follows it")
	}
	return record, c.err
}

// text is the next bytes, until it is called again.
func (r *records) text(length int64) ([]byte, error) {
	if length < 0 {
		return nil, fmt.Errorf("a record of %d bytes", length)
	}
	if length > int64(r.reader.Size()) {
		r.large.Reset()
		_, err := io.CopyN(&r.large, r.reader, length)
		return r.large.Bytes(), err
	}
	text, err := r.reader.Peek(int(length))
	if err != nil {
		return nil, err
	}
	_, err = r.reader.Discard(int(length)) // it stays where it is until the next read
	return text, err
}

// cutter cuts the text of a record. After an error all that it finds is empty.
type cutter struct {
	text   []byte
	memory []byte // to copy into; it never grows
	err    error
}

func (c *cutter) fail() {
	c.text = nil
	c.err = cmp.Or(c.err, io.ErrUnexpectedEOF)
}

func (c *cutter) skip(n int) []byte {
	if n < 0 || n > len(c.text) {
		c.fail()
		return nil
	}
	skipped := c.text[:n]
	c.text = c.text[n:]
	return skipped
}

func (c *cutter) number() int64 {
	n, size := binary.Varint(c.text)
	if size <= 0 {
		c.fail()
		return 0
	}
	c.text = c.text[size:]
	return n
}

// count is a number of things that take a byte at least.
func (c *cutter) count() int {
	n := c.number()
	if n < 0 || n > int64(len(c.text)) {
		c.fail()
		return 0
	}
	return int(n)
}

// bytes copies; null stays nil.
func (c *cutter) bytes() []byte {
	n := c.number()
	if n < 0 || c.err != nil {
		return nil
	}
	text := c.skip(int(min(n, int64(len(c.text))+1)))
	if c.err != nil {
		return nil
	}
	begin := len(c.memory)
	c.memory = append(c.memory, text...)
	return c.memory[begin:len(c.memory):len(c.memory)]
}

// name is the key of a header. Those that mean something cost nothing.
func (c *cutter) name() string {
	switch text := c.skip(c.count()); string(text) {
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
