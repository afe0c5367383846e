package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// batchOf is a batch of records as kafka-go writes it.
func batchOf(t require.TestingT, compression protocol.Attributes, records ...events.Record) []byte {
	return kafkasOwn(t, compression, records, time.Now())[lead:]
}

// seal puts the right checksum into a batch that was changed.
func seal(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[batchChecksum:], crc32.Checksum(batch[batchChecked:], castagnoli))
	return batch
}

func newDecoding(next int64) *decoding {
	d := &decoding{from: events.TopicPartition{Topic: "x"}, room: 4 << 20, aborted: newAborted(nil)}
	d.batch.Next = next
	return d
}

var threeRecords = []events.Record{
	record("a", []byte("1"), events.Header{Key: "op", Value: []byte("write")}), record("b", nil), record("c", []byte{}, events.Header{Key: "trace"}),
}

func TestDecodeFindsDamage(t *testing.T) {
	for _, compression := range []protocol.Attributes{0, protocol.Zstd} {
		whole := batchOf(t, compression, threeRecords...)
		require.NoError(t, newDecoding(0).read(whole))
		for i := batchMagic; i < len(whole); i++ {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 4
			require.Error(t, newDecoding(0).read(damaged), "byte %d", i)
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

// Where the checksum is right, the batch is still read with care: nothing is left out, and no length is believed.
func TestDecodeRefusesNonsense(t *testing.T) {
	whole := batchOf(t, 0, threeRecords...)
	change := func(at int, to ...byte) []byte {
		changed := bytes.Clone(whole)
		copy(changed[at:], to)
		return seal(changed)
	}
	huge := binary.AppendVarint(nil, 1<<40)
	for name, batch := range map[string][]byte{
		"more records than there are": change(batchCount, 0, 0, 0, 4),
		"a negative number of them":   change(batchCount, 0xff, 0xff, 0xff, 0xff),
		"an unknown compression":      change(batchChecked+1, 7),
		"another compression":         change(batchChecked+1, byte(protocol.Gzip)),
		"a record without an end":     change(batchRecords, huge...),
		"a negative record":           change(batchRecords, 1),
		"a shorter record":            change(batchRecords, whole[batchRecords]-2),
		"a key without an end":        change(batchRecords+4, huge...),
	} {
		d := newDecoding(0)
		require.Error(t, d.read(batch), name)
	}
	old := bytes.Clone(whole)
	old[batchMagic] = 1
	require.Equal(t, fault.Fatal, fault.Of(newDecoding(0).read(old)), "the format before headers")
}

// Offsets that compaction took, even all of a batch, are passed.
func TestDecodePassesHoles(t *testing.T) {
	empty := bytes.Clone(batchOf(t, 0, threeRecords...)[:batchRecords])
	binary.BigEndian.PutUint32(empty[batchLength:], batchRecords-batchLength-4)
	binary.BigEndian.PutUint32(empty[batchCount:], 0)
	d := newDecoding(1)
	require.NoError(t, d.read(seal(empty)))
	require.Empty(t, d.batch.Records)
	require.EqualValues(t, 3, d.batch.Next)

	short := batchOf(t, protocol.Zstd, threeRecords...)
	binary.BigEndian.PutUint32(short[batchLastAt:], 9)
	d = newDecoding(1)
	require.NoError(t, d.read(seal(short)))
	require.Len(t, d.batch.Records, 2, "those before Next are left out")
	require.EqualValues(t, 10, d.batch.Next)

	d = newDecoding(0)
	d.room = 1
	require.NoError(t, d.read(short))
	require.Len(t, d.batch.Records, 1, "the record that ends it is still taken")
	require.EqualValues(t, 1, d.batch.Next, "the rest is fetched again")
}

func TestDecodeTime(t *testing.T) {
	batch := batchOf(t, 0, threeRecords...)
	binary.BigEndian.PutUint64(batch[batchTime:], 1_000)
	binary.BigEndian.PutUint64(batch[batchMaxTime:], 5_000)
	for attributes, want := range map[byte]int64{0: 1_000, logAppendTime: 5_000} {
		batch[batchChecked+1] = attributes
		d := newDecoding(0)
		require.NoError(t, d.read(seal(batch)))
		require.True(t, time.UnixMilli(want).Equal(d.batch.Records[0].Time))
	}
}

// What aborted transactions wrote is left out, and their markers are no records.
func TestDecodeAborted(t *testing.T) {
	at := func(offset int64, attributes protocol.Attributes, records ...events.Record) []byte {
		batch := batchOf(t, 0, records...)
		binary.BigEndian.PutUint64(batch, uint64(offset))
		binary.BigEndian.PutUint16(batch[batchChecked:], uint16(attributes))
		binary.BigEndian.PutUint64(batch[batchProducer:], 7)
		return seal(batch)
	}
	abort, commit := record("\x00\x00\x00\x00", nil), record("\x00\x00\x00\x01", nil)
	log := slices.Concat(
		at(0, protocol.Transactional, record("dead", nil), record("dead", nil)), at(2, protocol.Transactional|protocol.Control, abort),
		at(3, protocol.Transactional, record("alive", nil)), at(4, protocol.Transactional|protocol.Control, commit), at(5, 0, record("plain", nil)),
	)
	d := newDecoding(0)
	d.aborted = newAborted([]fetch.ResponseTransaction{{ProducerID: 7, FirstOffset: 0}})
	require.NoError(t, d.read(log))
	require.EqualValues(t, 6, d.batch.Next)
	require.Len(t, d.batch.Records, 2)
	require.Equal(t, "alive", string(d.batch.Records[0].Key))
	require.Equal(t, "plain", string(d.batch.Records[1].Key))
}

// FuzzDecode: whatever a batch with a right checksum says, reading it ends, and takes no more memory than there are bytes.
func FuzzDecode(f *testing.F) {
	f.Add(batchOf(f, 0, threeRecords...))
	f.Add(batchOf(f, protocol.Zstd, threeRecords...))
	f.Add(batchOf(f, 0, record("k", []byte(strings.Repeat("v", 100_000)))))
	f.Fuzz(func(t *testing.T, batch []byte) {
		if len(batch) < batchRecords {
			return // it is refused before it is looked at
		}
		batch[batchMagic] = 2
		batch[batchChecked+1] &^= 7 // what decompressors do is theirs
		binary.BigEndian.PutUint32(batch[batchLength:], uint32(len(batch)-batchLength-4))
		d := newDecoding(0)
		if d.read(seal(batch)) != nil {
			return // refused
		}
		size := 0
		for _, r := range d.batch.Records {
			size += len(r.Key) + len(r.Value)
		}
		require.LessOrEqual(t, size, len(batch))
	})
}

// FuzzAnswer: whatever a broker answers, cutting it ends.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01x\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), int16(11))
	f.Fuzz(func(t *testing.T, text []byte, version int16) {
		c, answer := cutter{text: text}, &fetched{}
		if c.answer(answer, version) == nil {
			require.LessOrEqual(t, len(answer.records)+16*len(answer.aborted), len(text))
		}
	})
}
