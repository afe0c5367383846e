package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetching is a fetch of one partition that reads its answer itself: kafka-go's own decodes every record, and hides which
// transactions were aborted.
type fetching struct {
	fetch.Request
	clientID string
	version  int16
}

var (
	_ protocol.BrokerMessage = (*fetching)(nil)
	_ protocol.RawExchanger  = (*fetching)(nil)
)

// fetched is its answer.
type fetched struct {
	code    int16 // an error of Kafka's
	end     int64 // the high watermark
	aborted []fetch.ResponseTransaction
	records []byte // batches, the last of which may be cut off; until release
	memory  *bytes.Buffer
}

// ApiKey implements protocol.Message.
func (*fetched) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Answers are read into memory that is used again, unless one was much larger than what is asked for.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxKeptAnswer = 4 << 20

func (f *fetched) release() {
	if f.memory.Cap() <= maxKeptAnswer {
		f.memory.Reset()
		answers.Put(f.memory)
	}
	f.memory, f.records = nil, nil
}

// Required implements protocol.RawExchanger.
func (f *fetching) Required(versions map[protocol.ApiKey]int16) bool {
	f.version = versions[protocol.Fetch]
	return true
}

// oldestFetch is the version of the first brokers whose records have headers, 0.11.
const oldestFetch = 4

// RawExchange implements protocol.RawExchanger.
func (f *fetching) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if f.version < oldestFetch {
		return nil, fmt.Errorf("the broker is older than 0.11: its fetch has version %d", f.version)
	}
	const correlation = 1 // there is one request at a time
	if err := protocol.WriteRequest(rw, f.version, correlation, f.clientID, &f.Request); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, unexpected(err)
	}
	answer := &fetched{memory: answers.Get().(*bytes.Buffer)}
	// It grows as bytes come, whatever the broker says.
	if _, err := io.CopyN(answer.memory, rw, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
		answer.release()
		return nil, unexpected(err)
	}
	c := cutter{text: answer.memory.Bytes()}
	if c.int32() != correlation {
		c.fail()
	}
	if err := c.answer(answer, f.version); err != nil {
		answer.release()
		return nil, fmt.Errorf("read the answer to a fetch: %w", err)
	}
	return answer, nil
}

// unexpected is the error of an answer that has not come to its end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// answer cuts the answer to a fetch.
// https://kafka.apache.org/protocol#The_Messages_Fetch
func (c *cutter) answer(into *fetched, version int16) error {
	c.skip(4) // throttled, ms
	if version >= 7 {
		into.code = c.int16()
		c.skip(4) // session
	}
	if into.code != 0 && c.err == nil {
		return nil
	}
	if topics := c.int32(); topics != 1 {
		return errors.Join(c.err, errors.New("an answer without the topic")) // a broker's quota answers so
	}
	c.skip(int(c.int16())) // its name
	if partitions := c.int32(); partitions != 1 {
		return errors.Join(c.err, errors.New("an answer without the partition"))
	}
	c.skip(4) // its number
	into.code = c.int16()
	into.end = c.int64()
	c.skip(8) // the last stable offset
	if version >= 5 {
		c.skip(8) // the first offset
	}
	for n := c.int32(); n > 0 && c.err == nil; n-- {
		into.aborted = append(into.aborted, fetch.ResponseTransaction{ProducerID: c.int64(), FirstOffset: c.int64()})
	}
	if version >= 11 {
		c.skip(4) // the preferred replica
	}
	into.records = c.skip(int(max(0, c.int32()))) // null is none
	return c.err
}

func (c *cutter) int16() int16 {
	if b := c.skip(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cutter) int32() int32 {
	if b := c.skip(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cutter) int64() int64 {
	if b := c.skip(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}
