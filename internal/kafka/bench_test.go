package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// benchRecords are small rows with the headers that a capture gives them.
func benchRecords(n int) []events.Record {
	records := make([]events.Record, n)
	for i := range records {
		records[i] = record(fmt.Sprintf(`{"pk":{"S":"customer#%d"}}`, i), fmt.Appendf(nil, `{"pk":{"S":"customer#%d"},"name":{"S":"some name"},"n":{"N":"%d"}}`, i, i*i),
			events.Header{Key: events.HeaderOp, Value: []byte("write")}, events.Header{Key: events.HeaderVersion, Value: []byte("00000001767225600123")},
			events.Header{Key: events.HeaderSource, Value: []byte("shardId-000000001")})
	}
	return records
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			records, of := pointers(benchRecords(n)), &codecs{}
			now := time.UnixMilli(1_767_225_600_123)
			b.ReportAllocs()
			for b.Loop() {
				one := batches.Get().(*batch)
				if _, err := one.encode(records, wire.Zstd, of, now); err != nil {
					b.Fatal(err)
				}
				batches.Put(one)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			of := &codecs{}
			request, err := new(batch).encode(pointers(benchRecords(n)), wire.Zstd, of, time.UnixMilli(1_767_225_600_123))
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				d := decoding{from: events.TopicPartition{Topic: "x"}, room: 4 << 20, aborted: newAborted(nil), codecs: of}
				if err := d.read(request[lead:]); err != nil || len(d.batch.Records) != n {
					b.Fatal(err)
				}
			}
		})
	}
}
