package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

func drawBytes(t *rapid.T, name string) []byte {
	return rapid.OneOf(
		rapid.Just[[]byte](nil), rapid.Just([]byte{}), rapid.SliceOfN(rapid.Byte(), 1, 40),
		rapid.SampledFrom([][]byte{[]byte("null"), []byte("\x00"), []byte("\xff\xfe"), []byte(`{"pk":{"S":"😀"}}`), bytes.Repeat([]byte("x"), 70_000)}),
	).Draw(t, name)
}

func drawRecord(t *rapid.T) events.Record {
	r := events.Record{Key: drawBytes(t, "key"), Value: drawBytes(t, "value")}
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		name := rapid.SampledFrom([]string{"op", "op", "version", "", "é", "a b", "\xff"}).Draw(t, "name")
		r.Headers = append(r.Headers, events.Header{Key: name, Value: drawBytes(t, "header")})
	}
	return r
}

// same requires that what was fetched is what was published: null is not empty, and headers keep their order.
func same(t require.TestingT, want, got events.Record) {
	require.Equal(t, want.Key == nil, got.Key == nil)
	require.Equal(t, string(want.Key), string(got.Key))
	require.Equal(t, want.Value == nil, got.Value == nil)
	require.Equal(t, string(want.Value), string(got.Value))
	require.Len(t, got.Headers, len(want.Headers))
	for i, h := range want.Headers {
		require.Equal(t, h.Key, got.Headers[i].Key)
		require.Equal(t, string(h.Value), string(got.Headers[i].Value))
	}
}

// Records of any bytes come back from a broker as they went in, each at its offset.
func TestRecordsComeBack(t *testing.T) {
	c := open(t)
	c.create(t, "x", 1)
	id := events.TopicPartition{Topic: "x"}
	publish := c.Publish("x", 1)
	offset := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(drawRecord), 1, 8).Draw(t, "records")
		require.NoError(t, publish(context.Background(), records))
		for i := 0; i < len(records); {
			batch, err := c.Fetch(context.Background(), id, offset, rapid.SampledFrom([]int{1, 1000, 1 << 20}).Draw(t, "bytes"))
			require.NoError(t, err)
			for _, r := range batch.Records {
				require.Equal(t, offset, r.Offset)
				same(t, records[i], r)
				offset++
				i++
			}
			require.Equal(t, offset, batch.Next)
		}
	})
}

// Counts travel in the metadata of a commit; what others have put there is no counts, and no error.
func TestCountsComeBack(t *testing.T) {
	c := open(t)
	c.create(t, "x", 1)
	id := events.TopicPartition{Topic: "x"}
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 {
			return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<62)).Draw(t, name)
		}
		want := map[events.TopicPartition]apply.Progress{id: {Offset: n("offset"), Counts: apply.Counts{
			Applied: n("applied"), Stale: n("stale"), Duplicate: n("duplicate"), AppOwned: n("owned"), Present: n("present"), Superseded: n("superseded"),
			Dead: n("dead"), PastClose: n("past close"), OldGen: n("old"),
		}}}
		require.NoError(t, c.commit(context.Background(), "g", "", -1, want))
		got, err := c.Progress(context.Background(), "g", "x")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	for _, metadata := range []string{"", "reset by hand", "{", `{"a":"x"}`, `{"a":1,"s":"x"}`, `{"a":1} x`, "[]", "null", `{"a":1e99}`, "\x00"} {
		response, err := c.client.OffsetCommit(t.Context(), &kafkago.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafkago.OffsetCommit{
			"x": {{Partition: 0, Offset: 3, Metadata: metadata}},
		}})
		require.NoError(t, err)
		require.NoError(t, response.Topics["x"][0].Error)
		got, err := c.Progress(t.Context(), "g", "x")
		require.NoError(t, err, "%q", metadata)
		require.Equal(t, map[events.TopicPartition]apply.Progress{id: {Offset: 3}}, got, "%q", metadata)
	}
}

func pointers(records []events.Record) []*events.Record {
	all := make([]*events.Record, len(records))
	for i := range records {
		all[i] = &records[i]
	}
	return all
}

// FuzzBatch: any record goes through the bytes of a request, however they are compressed.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"a"}}`), []byte(`{"pk":{"S":"a"}}`), "op", []byte("write"), false, uint8(4))
	f.Add([]byte{}, []byte{}, "", []byte{}, true, uint8(0))
	f.Add([]byte("\xff\x00"), []byte("null"), "\xff", []byte(nil), true, uint8(1))
	f.Fuzz(func(t *testing.T, key, value []byte, header string, headerValue []byte, null bool, compression uint8) {
		records := []events.Record{
			{Key: key, Value: value, Headers: []events.Header{{Key: header, Value: headerValue}, {Key: header, Value: nil}}},
			{Key: value, Value: key},
			{Key: key},
		}
		if null {
			records[0].Value, records[1].Key = nil, nil
		}
		now := time.UnixMilli(1_767_225_600_123)
		b, of := &batch{}, &codecs{}
		request, err := b.encode(pointers(records), wire.Compression(compression%5), of, now)
		require.NoError(t, err)
		require.Equal(t, len(request)-lead, int(binary.BigEndian.Uint32(request)))
		d := newDecoding(0)
		require.NoError(t, d.read(request[lead:]))
		require.Len(t, d.batch.Records, len(records))
		require.EqualValues(t, len(records), d.batch.Next)
		for i, r := range d.batch.Records {
			require.Equal(t, d.from, r.TopicPartition)
			same(t, records[i], r)
			require.EqualValues(t, i, r.Offset)
			require.True(t, now.Equal(r.Time))
		}
	})
}
