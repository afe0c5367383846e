package kafka

import (
	"bytes"
	"fmt"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// Whoever else uses kafka-go in the process has its codecs as they come.
func TestKafkaGosCodecsAreLeftAlone(t *testing.T) {
	connect(t, "b:9092")
	require.Same(t, &compress.GzipCodec, compress.Codecs[compress.Gzip])
	require.Same(t, &compress.SnappyCodec, compress.Codecs[compress.Snappy])
	require.Same(t, &compress.Lz4Codec, compress.Codecs[compress.Lz4])
	require.Same(t, &compress.ZstdCodec, compress.Codecs[compress.Zstd])
}

// What an application writes with kafka-go is read, and what is written here kafka-go reads, however it is compressed.
func TestEveryCompressionIsReadAndWritten(t *testing.T) {
	c := open(t)
	for _, compression := range []wire.Compression{wire.None, wire.Gzip, wire.Snappy, wire.LZ4, wire.Zstd} {
		topic := fmt.Sprint("x", compression)
		c.create(t, topic, 1)
		id := events.TopicPartition{Topic: topic}
		want := append(benchRecords(50), record("large", bytes.Repeat([]byte("0123456789"), 30_000)), record("null", nil))
		var theirs []kafkago.Record
		for _, r := range want {
			one := kafkago.Record{Key: kafkago.NewBytes(r.Key), Value: kafkago.NewBytes(r.Value)}
			for _, h := range r.Headers {
				one.Headers = append(one.Headers, kafkago.Header(h))
			}
			theirs = append(theirs, one)
		}
		response, err := c.client.Produce(t.Context(), &kafkago.ProduceRequest{
			Topic: topic, RequiredAcks: kafkago.RequireAll, Compression: kafkago.Compression(compression), Records: kafkago.NewRecordReader(theirs...),
		})
		require.NoError(t, err)
		require.NoError(t, response.Error)
		_, err = c.produce(t.Context(), id, pointers(want), compression)
		require.NoError(t, err)

		got := c.all(t, id, 0, 1<<20)
		require.Len(t, got, 2*len(want), "compression %d", compression)
		for i, r := range got {
			same(t, want[i%len(want)], r)
		}
		fetched, err := c.client.Fetch(t.Context(), &kafkago.FetchRequest{Topic: topic, Offset: int64(len(want)), MinBytes: 1, MaxBytes: 8 << 20})
		require.NoError(t, err)
		require.NoError(t, fetched.Error)
		for i := range want {
			r, err := fetched.Records.ReadRecord()
			require.NoError(t, err)
			key, err := kafkago.ReadAll(r.Key)
			require.NoError(t, err)
			require.Equal(t, string(want[i].Key), string(key), "compression %d", compression)
		}
	}
}

func TestUnknownCompressionHasNoCodec(t *testing.T) {
	for _, compression := range []wire.Compression{wire.None, 5, 7, -1} {
		require.Nil(t, new(codecs).of(compression))
	}
}
