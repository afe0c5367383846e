package kafka

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// scripted answers one request with what it has.
type scripted struct {
	asked bytes.Buffer
	io.Reader
}

func (s *scripted) Write(p []byte) (int, error) { return s.asked.Write(p) }

// answerOf is the answer to a fetch of version 11 with some batches, as a broker sends it.
func answerOf(batches []byte) []byte {
	b := make([]byte, 4)                    // its size
	b = binary.BigEndian.AppendUint32(b, 1) // the request's number
	b = append(b, make([]byte, 4+2+4)...)   // throttled, no error, no session
	b = binary.BigEndian.AppendUint32(b, 1) // topics
	b = append(binary.BigEndian.AppendUint16(b, 1), 'x')
	b = binary.BigEndian.AppendUint32(b, 1) // partitions
	b = append(b, make([]byte, 4+2)...)     // number 0, no error
	b = binary.BigEndian.AppendUint64(b, 3) // the high watermark
	b = append(b, make([]byte, 8+8)...)     // the last stable offset, the first one
	b = binary.BigEndian.AppendUint32(b, 1) // aborted transactions
	b = binary.BigEndian.AppendUint64(b, 7) // of this producer
	b = binary.BigEndian.AppendUint64(b, 2) // from this offset
	b = append(b, 0xff, 0xff, 0xff, 0xff)   // no preferred replica
	b = binary.BigEndian.AppendUint32(b, uint32(len(batches)))
	b = append(b, batches...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func exchange(text []byte, version int16) (*fetched, error) {
	f := &fetching{clientID: "test", Request: fetch.Request{Topics: []fetch.RequestTopic{{Topic: "x", Partitions: []fetch.RequestPartition{{}}}}}}
	f.Required(map[protocol.ApiKey]int16{protocol.Fetch: version})
	message, err := f.RawExchange(&scripted{Reader: bytes.NewReader(text)})
	if err != nil {
		return nil, err
	}
	return message.(*fetched), nil
}

// An answer is whole, or it is an error: none that is cut off is one with fewer records.
func TestAnswersToAFetch(t *testing.T) {
	whole := answerOf([]byte("batches"))
	answer, err := exchange(whole, 11)
	require.NoError(t, err)
	require.Equal(t, "batches", string(answer.records))
	require.EqualValues(t, 3, answer.end)
	require.Equal(t, []fetch.ResponseTransaction{{ProducerID: 7, FirstOffset: 2}}, answer.aborted)
	answer.release()

	for n := range len(whole) {
		_, err := exchange(whole[:n], 11)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		require.Equal(t, fault.Retry, fault.Of(classify(err, "fetch")))
		if n >= 4 {
			shorter := bytes.Clone(whole[:n])
			binary.BigEndian.PutUint32(shorter, uint32(n-4))
			_, err = exchange(shorter, 11)
			require.Error(t, err, "an answer that says it has %d bytes", n-4)
		}
	}
	other := bytes.Clone(whole)
	other[7]++
	_, err = exchange(other, 11)
	require.Error(t, err, "the answer to another request")
	_, err = exchange(whole, oldestFetch-1)
	require.ErrorContains(t, err, "the broker is older than 0.11")

	refused := append([]byte{0, 0, 0, 14}, make([]byte, 14)...)
	refused[7] = 1                                                               // the request's number
	binary.BigEndian.PutUint16(refused[12:], uint16(kafkago.BrokerNotAvailable)) // behind how long it was throttled
	answer, err = exchange(refused, 11)
	require.NoError(t, err)
	require.EqualValues(t, kafkago.BrokerNotAvailable, answer.code)
	answer.release()
}
