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

	"github.com/crossfadedb/crossfade/internal/kafka/wire"
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
	c := wire.Cutter{Text: answer.memory.Bytes()}
	if c.Int32() != correlation {
		c.Fail()
	}
	if err := answer.cut(&c, f.version); err != nil {
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

// cut cuts the answer to a fetch.
// https://kafka.apache.org/protocol#The_Messages_Fetch
func (f *fetched) cut(c *wire.Cutter, version int16) error {
	c.Skip(4) // throttled, ms
	if version >= 7 {
		f.code = c.Int16()
		c.Skip(4) // session
	}
	if f.code != 0 && c.Err() == nil {
		return nil
	}
	if topics := c.Int32(); topics != 1 {
		return errors.Join(c.Err(), errors.New("an answer without the topic")) // a broker's quota answers so
	}
	c.Skip(int(c.Int16())) // its name
	if partitions := c.Int32(); partitions != 1 {
		return errors.Join(c.Err(), errors.New("an answer without the partition"))
	}
	c.Skip(4) // its number
	f.code = c.Int16()
	f.end = c.Int64()
	c.Skip(8) // the last stable offset
	if version >= 5 {
		c.Skip(8) // the first offset
	}
	for n := c.Int32(); n > 0 && c.Err() == nil; n-- {
		f.aborted = append(f.aborted, fetch.ResponseTransaction{ProducerID: c.Int64(), FirstOffset: c.Int64()})
	}
	if version >= 11 {
		c.Skip(4) // the preferred replica
	}
	f.records = c.Skip(int(max(0, c.Int32()))) // null is none
	return c.Err()
}
