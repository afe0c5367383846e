package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

// What another client writes is read as it was written, however it is compressed, and whole transactions or nothing of them.
func TestFetchFromAnotherClient(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { fetchFromAnotherClient(t, open(t)) })
	t.Run("Apache Kafka", func(t *testing.T) {
		b := services.NewBroker(t, func(address string) string { return address })
		fetchFromAnotherClient(t, connect(t, b.Address))
	})
}

func fetchFromAnotherClient(t *testing.T, c *Client) {
	c.create(t, "x", 1)
	var want []string
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for n, codec := range codecs {
		for _, end := range []struct {
			transaction bool
			try         kgo.TransactionEndTry
		}{{}, {true, kgo.TryAbort}, {true, kgo.TryCommit}} {
			options := []kgo.Opt{kgo.SeedBrokers(c.options.Brokers...), kgo.DefaultProduceTopic("x"), kgo.ProducerBatchCompression(codec)}
			if end.transaction {
				options = append(options, kgo.TransactionalID("of another"))
			}
			producer, err := kgo.NewClient(options...)
			require.NoError(t, err)
			if end.transaction {
				require.NoError(t, producer.BeginTransaction())
			}
			var records []*kgo.Record
			for i := range 100 {
				key := fmt.Sprintf("%d %t %t %d", n, end.transaction, bool(end.try), i)
				records = append(records, &kgo.Record{
					Key: []byte(key), Value: make([]byte, i*i%5000), Headers: []kgo.RecordHeader{{Key: events.HeaderOp, Value: []byte(key)}, {Key: "other"}},
				})
				if !end.transaction || end.try == kgo.TryCommit {
					want = append(want, key)
				}
			}
			require.NoError(t, producer.ProduceSync(t.Context(), records...).FirstErr())
			if end.transaction {
				require.NoError(t, producer.EndTransaction(t.Context(), end.try))
			}
			producer.Close()
		}
	}
	for _, maxBytes := range []int{5_000, 1 << 20} {
		var got []string
		for _, r := range c.all(t, events.TopicPartition{Topic: "x"}, 0, maxBytes) {
			got = append(got, string(r.Key))
			require.Equal(t, []events.Header{{Key: events.HeaderOp, Value: r.Key}, {Key: "other"}}, r.Headers)
			i := len(got) - 1
			require.Len(t, r.Value, i%100*(i%100)%5000)
		}
		require.Equal(t, want, got)
	}
}

// What is published another client reads, as it was published: an application's own tools look into the topics.
func TestAnotherClientReads(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { anotherClientReads(t, open(t)) })
	t.Run("Apache Kafka", func(t *testing.T) {
		b := services.NewBroker(t, func(address string) string { return address })
		anotherClientReads(t, connect(t, b.Address))
	})
}

func anotherClientReads(t *testing.T, c *Client) {
	c.create(t, "y", 1)
	var records []events.Record
	for i := range 3000 {
		r := events.Record{Key: fmt.Appendf(nil, "key %d", i), Value: make([]byte, i*i%5000), Headers: []events.Header{{Key: events.HeaderOp, Value: []byte("write")}, {Key: "other"}}}
		if i%7 == 0 {
			r.Value, r.Headers = nil, nil
		}
		records = append(records, r)
	}
	before := time.Now().Truncate(time.Millisecond)
	require.NoError(t, c.Publish("y", 1)(t.Context(), records))
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.options.Brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"y": {0: kgo.NewOffset().AtStart()}}))
	require.NoError(t, err)
	defer consumer.Close()
	for i := 0; i < len(records); {
		fetches := consumer.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		for _, got := range fetches.Records() {
			own := events.Record{Key: got.Key, Value: got.Value}
			for _, h := range got.Headers {
				own.Headers = append(own.Headers, events.Header(h))
			}
			same(t, records[i], own)
			require.EqualValues(t, i, got.Offset)
			require.WithinRange(t, got.Timestamp, before, time.Now())
			i++
		}
	}
}
