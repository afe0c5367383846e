package kafka

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// brokersBatch is a batch as a broker has it, with its records at the base offset and behind.
func brokersBatch(t require.TestingT, b wire.Batch, records ...events.Record) []byte {
	var e wire.Encoder
	e.Begin(b)
	for i, r := range records {
		one := wire.Record{Offset: b.BaseOffset + int64(i), Time: b.BaseTime, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, wire.Header(h))
		}
		e.Add(&one)
	}
	text, err := e.Append(nil, new(codecs).of(b.Attributes.Compression()))
	require.NoError(t, err)
	return text
}

func compressed(c wire.Compression) wire.Batch {
	return wire.Batch{Attributes: wire.Attributes(0).With(c), BaseTime: 1_767_225_600_123, Producer: wire.NoProducer}
}

func newDecoding(next int64) *decoding {
	d := &decoding{from: events.TopicPartition{Topic: "x"}, room: 4 << 20, aborted: newAborted(nil), codecs: &codecs{}}
	d.batch.Next = next
	return d
}

var threeRecords = []events.Record{
	record("a", []byte("1"), events.Header{Key: "op", Value: []byte("write")}), record("b", nil), record("c", []byte{}, events.Header{Key: "trace"}),
}

// No batch that is damaged is read, and none that is cut off is left out: it is fetched again.
func TestDecodeFindsDamage(t *testing.T) {
	for _, compression := range []wire.Compression{wire.None, wire.Zstd} {
		whole := brokersBatch(t, compressed(compression), threeRecords...)
		require.NoError(t, newDecoding(0).read(whole))
		const magic = 16 // what comes before is the broker's own, and not under the checksum
		for i := magic; i < len(whole); i++ {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 4
			require.Error(t, newDecoding(0).read(damaged), "byte %d", i)
			d := newDecoding(0)
			require.Error(t, d.read(append(bytes.Clone(whole), damaged...)), "byte %d", i)
		}
		for n := range len(whole) {
			d := newDecoding(0)
			require.Equal(t, n > 0, d.read(whole[:n]) != nil, "a first batch that ends after %d bytes would never be read", n)
			d = newDecoding(0)
			require.NoError(t, d.read(append(bytes.Clone(whole), whole[:n]...)), "the last batch may be cut off")
			require.Len(t, d.batch.Records, 3)
			require.EqualValues(t, 3, d.batch.Next)
		}
	}
}

// What a batch says of itself and does not keep is an error that may be tried again; an older format is there for good.
func TestDecodeErrorsAreClassified(t *testing.T) {
	whole := brokersBatch(t, compressed(wire.None), threeRecords...)
	old := bytes.Clone(whole)
	old[16] = 1
	for _, set := range [][]byte{old, old[:30], append(bytes.Clone(whole), old...)} {
		err := newDecoding(0).read(set)
		require.Equal(t, fault.Fatal, fault.Of(err), "the format before headers")
		require.ErrorContains(t, err, "x/0 has records of message format 1, which has no headers")
	}
	unknown := brokersBatch(t, compressed(wire.None), threeRecords...)
	d := newDecoding(0)
	require.ErrorContains(t, d.read(unknown[:61]), "61 bytes from the broker")
	lies := compressed(wire.None)
	lies.Attributes, lies.BaseOffset = wire.Control, 7
	d = newDecoding(7)
	err := d.read(brokersBatch(t, lies, record("\x00\x00", nil)))
	require.ErrorContains(t, err, "batch of records at offset 7", "a transaction's end that cannot be read may be an abort")
	require.EqualValues(t, 7, d.batch.Next, "and is not passed")
}

// Offsets that compaction took, even all of a batch, are passed.
func TestDecodePassesHoles(t *testing.T) {
	emptied := compressed(wire.None)
	emptied.LastDelta = 2
	d := newDecoding(1)
	require.NoError(t, d.read(brokersBatch(t, emptied)))
	require.Empty(t, d.batch.Records)
	require.EqualValues(t, 3, d.batch.Next)

	thinned := compressed(wire.Zstd)
	thinned.LastDelta = 9
	short := brokersBatch(t, thinned, threeRecords...)
	d = newDecoding(1)
	require.NoError(t, d.read(short))
	require.Len(t, d.batch.Records, 2, "those before Next are left out")
	require.EqualValues(t, 10, d.batch.Next)

	d = newDecoding(0)
	d.room = 1
	require.NoError(t, d.read(short))
	require.Len(t, d.batch.Records, 1, "the record that ends it is still taken")
	require.EqualValues(t, 1, d.batch.Next, "the rest is fetched again")
}

func TestDecodeTime(t *testing.T) {
	for attributes, want := range map[wire.Attributes]int64{0: 1_000, wire.LogAppendTime: 5_000} {
		d := newDecoding(0)
		require.NoError(t, d.read(brokersBatch(t, wire.Batch{Attributes: attributes, BaseTime: 1_000, MaxTime: 5_000}, threeRecords...)))
		require.True(t, time.UnixMilli(want).Equal(d.batch.Records[0].Time))
	}
}

// A record is the caller's: nothing of it is in the memory of the answer, which is used again.
func TestDecodedRecordsAreTheCallers(t *testing.T) {
	whole := brokersBatch(t, compressed(wire.None), threeRecords...)
	d := newDecoding(0)
	require.NoError(t, d.read(whole))
	clear(whole)
	require.NoError(t, newDecoding(0).read(brokersBatch(t, compressed(wire.Zstd), record("other", bytes.Repeat([]byte("z"), 70_000)))))
	require.Len(t, d.batch.Records, 3)
	for i, want := range threeRecords {
		same(t, want, d.batch.Records[i])
	}
	first := d.batch.Records[0]
	require.Equal(t, "1", string(first.Value))
	_ = append(first.Key, "overwritten"...)
	require.Equal(t, "1", string(first.Value), "none of its parts grows into the next")
}

// What aborted transactions wrote is left out, and their markers are no records.
func TestDecodeAborted(t *testing.T) {
	at := func(offset int64, attributes wire.Attributes, records ...events.Record) []byte {
		return brokersBatch(t, wire.Batch{BaseOffset: offset, Attributes: attributes, Producer: wire.Producer{ID: 7}}, records...)
	}
	abort, commit := record("\x00\x00\x00\x00", nil), record("\x00\x00\x00\x01", nil)
	log := slices.Concat(
		at(0, wire.Transactional, record("dead", nil), record("dead", nil)), at(2, wire.Transactional|wire.Control, abort),
		at(3, wire.Transactional, record("alive", nil)), at(4, wire.Transactional|wire.Control, commit), at(5, 0, record("plain", nil)),
	)
	d := newDecoding(0)
	d.aborted = newAborted([]fetch.ResponseTransaction{{ProducerID: 7, FirstOffset: 0}})
	require.NoError(t, d.read(log))
	require.EqualValues(t, 6, d.batch.Next)
	require.Len(t, d.batch.Records, 2)
	require.Equal(t, "alive", string(d.batch.Records[0].Key))
	require.Equal(t, "plain", string(d.batch.Records[1].Key))
}

// FuzzAnswer: whatever a broker answers, cutting it ends.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01x\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), int16(11))
	f.Fuzz(func(t *testing.T, text []byte, version int16) {
		c, answer := wire.Cutter{Text: text}, &fetched{}
		if answer.cut(&c, version) == nil {
			require.LessOrEqual(t, len(answer.records)+16*len(answer.aborted), len(text))
		}
	})
}
