package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
)

// codec are kafka-go's, so that what it writes can be read, and held against.
func codec(c Compression) Codec {
	if theirs := compress.Compression(c).Codec(); theirs != nil {
		return theirs
	}
	return nil
}

const someTime = 1_767_225_600_123

// produced is what stands before records that a producer sends.
func produced(c Compression) Batch {
	return Batch{LeaderEpoch: -1, Attributes: Attributes(0).With(c), BaseTime: someTime, Producer: NoProducer}
}

// batchOf is a batch as Encoder makes it.
func batchOf(t require.TestingT, b Batch, records ...Record) []byte {
	var e Encoder
	e.Begin(b)
	for _, r := range records {
		e.Add(&r)
	}
	batch, err := e.Append(nil, codec(b.Attributes.Compression()))
	require.NoError(t, err)
	return batch
}

// kafkasOwn is the batch that kafka-go makes of the records.
func kafkasOwn(t require.TestingT, c Compression, records ...Record) []byte {
	theirs := make([]kafkago.Record, len(records))
	for i, r := range records {
		theirs[i] = kafkago.Record{Time: time.UnixMilli(r.Time), Key: kafkago.NewBytes(r.Key), Value: kafkago.NewBytes(r.Value)}
		for _, h := range r.Headers {
			theirs[i].Headers = append(theirs[i].Headers, kafkago.Header(h))
		}
	}
	var text bytes.Buffer
	_, err := (&protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(c), Records: kafkago.NewRecordReader(theirs...)}).WriteTo(&text)
	require.NoError(t, err)
	return text.Bytes()[4:] // behind the length of all batches
}

// read reads all records of a batch, which are then the test's.
func read(batch []byte) (records []Record, err error) {
	r, err := Open(batch, codec, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		record.Key, record.Value, record.Headers = bytes.Clone(record.Key), bytes.Clone(record.Value), slices.Clone(record.Headers)
		for i := range record.Headers {
			record.Headers[i].Value = bytes.Clone(record.Headers[i].Value)
		}
		records = append(records, record)
	}
}

var threeRecords = []Record{
	{Time: someTime, Key: []byte("a"), Value: []byte("1"), Headers: []Header{{Key: "op", Value: []byte("write")}, {Key: "op"}, {Key: "", Value: []byte{}}}},
	{Offset: 1, Time: someTime + 7, Key: []byte{}},
	{Offset: 2, Time: someTime - 3, Value: bytes.Repeat([]byte("large"), 30_000)},
}

var compressions = []Compression{None, Gzip, Snappy, LZ4, Zstd}

// What goes in comes out: null is not empty, headers keep their order, and times may go back.
func TestRoundTrip(t *testing.T) {
	for _, c := range compressions {
		head := Batch{
			BaseOffset: 1 << 40, LeaderEpoch: 7, Attributes: Transactional.With(c), LastDelta: 9,
			BaseTime: someTime, Producer: Producer{ID: 77, Epoch: 3, Sequence: 12},
		}
		var want []Record
		for _, r := range threeRecords {
			r.Offset += head.BaseOffset + 2
			want = append(want, r)
		}
		batch := batchOf(t, head, want...)
		opened, err := Open(batch, codec, nil)
		require.NoError(t, err)
		head.Count, head.MaxTime = 3, someTime+7
		require.Equal(t, head, opened.Batch, "compression %d", c)
		require.Equal(t, int64(1<<40+10), opened.Batch.Next())
		require.Equal(t, 3, opened.Left())
		opened.Close()
		got, err := read(batch)
		require.NoError(t, err)
		for i := range got {
			require.Equal(t, len(want[i].Headers), len(got[i].Headers))
			if len(want[i].Headers) == 0 {
				got[i].Headers = nil
			}
		}
		require.Equal(t, want, got, "compression %d", c)
	}
}

// The bytes are those that kafka-go makes of the same records; with a codec both use kafka-go's own.
func TestBytesAreKafkaGos(t *testing.T) {
	for _, c := range compressions {
		require.Equal(t, kafkasOwn(t, c, threeRecords...), batchOf(t, produced(c), threeRecords...), "compression %d", c)
		got, err := read(kafkasOwn(t, c, threeRecords...))
		require.NoError(t, err)
		require.Len(t, got, 3)
	}
}

// An Encoder that is used again keeps nothing of the batch before, nor does what it appends to change.
func TestEncoderIsUsedAgain(t *testing.T) {
	var e Encoder
	var text []byte
	for n := range 3 {
		e.Begin(produced(None))
		for _, r := range threeRecords[:3-n] {
			e.Add(&r)
		}
		var err error
		text, err = e.Append(text, nil)
		require.NoError(t, err)
	}
	for n := range 3 {
		batch, rest, err := Cut(text)
		require.NoError(t, err)
		require.Equal(t, batchOf(t, produced(None), threeRecords[:3-n]...), batch)
		text = rest
	}
	require.Empty(t, text)
}

func TestEncoderRefusesAnotherCodec(t *testing.T) {
	var e Encoder
	e.Begin(produced(Zstd))
	e.Add(&threeRecords[0])
	before := []byte("before")
	got, err := e.Append(before, nil)
	require.Error(t, err)
	require.Equal(t, before, got)
	e.Begin(produced(None))
	_, err = e.Append(nil, codec(Zstd))
	require.Error(t, err)
}

// failing is a codec that can neither write nor read.
type failing struct{}

var errFailing = errors.New("it fails")

func (failing) NewReader(io.Reader) io.ReadCloser  { return failing{} }
func (failing) NewWriter(io.Writer) io.WriteCloser { return failing{} }
func (failing) Read([]byte) (int, error)           { return 0, errFailing }
func (failing) Write([]byte) (int, error)          { return 0, errFailing }
func (failing) Close() error                       { return nil }

func TestCodecsErrorIsTheBatchs(t *testing.T) {
	var e Encoder
	e.Begin(produced(Zstd))
	e.Add(&threeRecords[0])
	got, err := e.Append([]byte("before"), failing{})
	require.ErrorIs(t, err, errFailing)
	require.Equal(t, "before", string(got))
	opened, err := Open(batchOf(t, produced(Zstd), threeRecords...), func(Compression) Codec { return failing{} }, nil)
	require.NoError(t, err)
	defer opened.Close()
	_, err = opened.Next()
	require.ErrorIs(t, err, errFailing)
	require.Equal(t, 3, opened.Left())
}

// A broker cuts off the last batch of an answer where its limit is.
func TestCutBatchesAreKnown(t *testing.T) {
	whole := batchOf(t, produced(Zstd), threeRecords...)
	for n := range len(whole) {
		batch, rest, err := Cut(whole[:n])
		require.ErrorIs(t, err, ErrTruncated, "%d bytes", n)
		require.Nil(t, batch)
		require.Len(t, rest, n)
		_, err = read(whole[:n])
		require.Error(t, err, "%d bytes", n)
	}
	batch, rest, err := Cut(append(bytes.Clone(whole), whole[:9]...))
	require.NoError(t, err)
	require.Equal(t, whole, batch)
	require.Equal(t, whole[:9], rest)
}

// Every bit behind the checksum is under it.
func TestWrongChecksum(t *testing.T) {
	for _, c := range compressions {
		whole := batchOf(t, produced(c), threeRecords[:2]...)
		for i := atChecksum; i < len(whole); i++ {
			for bit := range 8 {
				damaged := bytes.Clone(whole)
				damaged[i] ^= 1 << bit
				_, err := Open(damaged, codec, nil)
				require.ErrorIs(t, err, ErrChecksum, "byte %d", i)
			}
		}
	}
}

// The formats before headers are known by their magic, which is at the same place in them, however short they are.
func TestOlderFormatsAreSaid(t *testing.T) {
	for older := range int8(2) {
		set := make([]byte, 40) // shorter than a batch can be
		set[atMagic] = byte(older)
		_, _, err := Cut(set)
		found, ok := errors.AsType[*FormatError](err)
		require.True(t, ok, err)
		require.Equal(t, older, found.Magic)
		whole := batchOf(t, produced(None), threeRecords...)
		whole[atMagic] = byte(older)
		_, err = Open(whole, codec, nil)
		_, ok = errors.AsType[*FormatError](err)
		require.True(t, ok, err)
	}
}

// sealed puts the right checksum into a batch that was changed.
func sealed(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[atChecksum:], checksum(batch))
	return batch
}

// Where the checksum is right, the batch is still read with care: nothing is left out, and no length is believed.
func TestNonsenseIsRefused(t *testing.T) {
	whole := batchOf(t, produced(None), threeRecords[:2]...)
	change := func(at int, to ...byte) []byte {
		changed := bytes.Clone(whole)
		copy(changed[at:], to)
		return sealed(changed)
	}
	huge := binary.AppendVarint(nil, 1<<40)
	lengthened := sealed(append(bytes.Clone(whole), 0))
	for name, batch := range map[string][]byte{
		"more records than there are":  change(atCount, 0, 0, 0, 3),
		"fewer records than there are": change(atCount, 0, 0, 0, 1),
		"no records, and there are":    change(atCount, 0, 0, 0, 0),
		"a negative number of them":    change(atCount, 0xff, 0xff, 0xff, 0xff),
		"an unknown compression":       change(atAttributes+1, 7),
		"another compression":          change(atAttributes+1, byte(Gzip)),
		"a record without an end":      change(atRecords, huge...),
		"a negative record":            change(atRecords, 1),
		"a shorter record":             change(atRecords, whole[atRecords]-2),
		"a key without an end":         change(atRecords+4, huge...),
		"more headers than bytes":      change(bytes.Index(whole, []byte("\x04op"))-1, 0x7e),
		"a byte after all":             lengthened,
	} {
		_, err := read(batch)
		require.Error(t, err, name)
	}
	for _, length := range []uint32{0, HeadSize - afterLength - 1, 1 << 31, 1<<32 - 1} {
		changed := bytes.Clone(whole)
		binary.BigEndian.PutUint32(changed[atLength:], length)
		_, _, err := Cut(changed)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrTruncated, "what comes later does not mend it")
	}
}

// Compaction takes records out of a batch, even all of them; its offsets stay.
func TestBatchesWithoutRecords(t *testing.T) {
	empty := produced(None)
	empty.BaseOffset, empty.LastDelta = 10, 2
	opened, err := Open(batchOf(t, empty), codec, nil)
	require.NoError(t, err)
	defer opened.Close()
	require.Zero(t, opened.Left())
	require.EqualValues(t, 13, opened.Batch.Next())
	_, err = opened.Next()
	require.ErrorIs(t, err, io.EOF)
}

// With the broker's time on a topic, that of a batch is that of all its records.
func TestLogAppendTime(t *testing.T) {
	head := produced(None)
	head.Attributes, head.MaxTime = LogAppendTime, someTime+5000
	got, err := read(batchOf(t, head, threeRecords...))
	require.NoError(t, err)
	for _, r := range got {
		require.EqualValues(t, someTime+5000, r.Time)
	}
}

func TestMarkers(t *testing.T) {
	for key, want := range map[string]Marker{"\x00\x00\x00\x00": Abort, "\x00\x00\x00\x01": Commit, "\x00\x01\x00\x00 and more": Abort, "\x00\x00\x00\x05": 5} {
		head := produced(None)
		head.Attributes, head.Producer = Transactional|Control, Producer{ID: 7}
		batch := batchOf(t, head, Record{Key: []byte(key)})
		opened, err := Open(batch, codec, nil)
		require.NoError(t, err)
		require.NotZero(t, opened.Attributes&Control)
		require.NotZero(t, opened.Attributes&Transactional)
		record, err := opened.Next()
		require.NoError(t, err)
		got, err := MarkerOf(record.Key)
		require.NoError(t, err)
		require.Equal(t, want, got)
		opened.Close()
	}
	for _, short := range []string{"", "\x00", "\x00\x00\x00"} {
		_, err := MarkerOf([]byte(short))
		require.Error(t, err, "no end of a transaction is guessed")
	}
}

// The caller may have one string for each key of a header that is always the same.
func TestNamesAreTheCallers(t *testing.T) {
	var asked []string
	opened, err := Open(batchOf(t, produced(None), threeRecords...), codec, func(text []byte) string {
		asked = append(asked, string(text))
		return "mine"
	})
	require.NoError(t, err)
	defer opened.Close()
	record, err := opened.Next()
	require.NoError(t, err)
	require.Equal(t, "mine", record.Headers[0].Key)
	require.Equal(t, []string{"op", "op", ""}, asked)
}

func TestSizesOfVarints(t *testing.T) {
	for shift := range 63 {
		for _, n := range []int64{1<<shift - 1, 1 << shift, -1 << shift, -1<<shift - 1} {
			require.Equal(t, len(binary.AppendVarint(nil, n)), sizeOfVarint(n), "%d", n)
		}
	}
}

// After an error everything is zero, and the error stays.
func TestCutterAfterAnError(t *testing.T) {
	for name, cut := range map[string]func(c *Cutter) bool{
		"skip":    func(c *Cutter) bool { return c.Skip(1) == nil },
		"int16":   func(c *Cutter) bool { return c.Int16() == 0 },
		"int32":   func(c *Cutter) bool { return c.Int32() == 0 },
		"int64":   func(c *Cutter) bool { return c.Int64() == 0 },
		"varint":  func(c *Cutter) bool { return c.Varint() == 0 },
		"count":   func(c *Cutter) bool { return c.Count() == 0 },
		"bytes":   func(c *Cutter) bool { return c.VarBytes() == nil },
		"uvarint": func(c *Cutter) bool { return c.Uvarint() == 0 },
		"length":  func(c *Cutter) bool { return c.CompactLength() == 0 },
		"tags":    func(c *Cutter) bool { c.Tags(); return true },
	} {
		c := Cutter{Text: []byte{}}
		require.True(t, cut(&c), name)
		require.ErrorIs(t, c.Err(), io.ErrUnexpectedEOF, name)
		c = Cutter{Text: []byte("something")}
		c.Skip(-1)
		require.True(t, cut(&c), name)
		require.ErrorIs(t, c.Err(), io.ErrUnexpectedEOF, name)
	}
	for name, text := range map[string]string{
		"a length beyond the text": "\x09abc", "tags beyond the text": "\x01\x05\x09a", "more tags than there are": "\x02\x05\x01a",
	} {
		c := Cutter{Text: []byte(text)}
		if strings.HasPrefix(name, "a length") {
			c.CompactLength()
		} else {
			c.Tags()
		}
		require.Error(t, c.Err(), name)
	}
	c := Cutter{Text: []byte("\x02\x05\x01a\x06\x00rest")}
	c.Tags()
	require.NoError(t, c.Err())
	require.Equal(t, "rest", string(c.Text))
}

// FuzzBatch: any record goes through a batch, however it is compressed; and its bytes are those that kafka-go makes of it.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"a"}}`), []byte(`{"pk":{"S":"a"}}`), "op", []byte("write"), false, uint8(4), uint32(0))
	f.Add([]byte{}, []byte{}, "", []byte{}, true, uint8(0), uint32(1000))
	f.Add([]byte("\xff\x00"), []byte("null"), "\xff", []byte(nil), true, uint8(1), uint32(1<<31))
	f.Fuzz(func(t *testing.T, key, value []byte, header string, headerValue []byte, null bool, compression uint8, later uint32) {
		records := []Record{
			{Time: someTime, Key: key, Value: value, Headers: []Header{{Key: header, Value: headerValue}, {Key: header, Value: nil}}},
			{Offset: 1, Time: someTime + int64(later), Key: value, Value: key},
			{Offset: 2, Time: someTime, Key: key},
		}
		if null {
			records[0].Value, records[1].Key = nil, nil
		}
		c := Compression(compression % 5)
		require.Equal(t, kafkasOwn(t, None, records...), batchOf(t, produced(None), records...))
		batch := batchOf(t, produced(c), records...)
		got, err := read(batch)
		require.NoError(t, err)
		require.Len(t, got, len(records))
		for i, r := range got {
			require.Len(t, r.Headers, len(records[i].Headers))
			if len(r.Headers) == 0 {
				r.Headers = nil
			}
			require.Equal(t, records[i], r)
		}
	})
}

// FuzzOpen: whatever a batch with a right checksum says, reading it ends, and what is read was in it.
func FuzzOpen(f *testing.F) {
	f.Add(batchOf(f, produced(None), threeRecords...))
	f.Add(batchOf(f, produced(Zstd), threeRecords...))
	f.Add(batchOf(f, produced(None), threeRecords[:1]...))
	f.Fuzz(func(t *testing.T, batch []byte) {
		if len(batch) < HeadSize {
			return // it is refused before it is looked at
		}
		batch[atMagic] = magic
		batch[atAttributes+1] &^= compressionMask // what decompressors do is theirs
		binary.BigEndian.PutUint32(batch[atLength:], uint32(len(batch)-afterLength))
		cut, rest, err := Cut(sealed(batch))
		require.NoError(t, err)
		require.Empty(t, rest)
		records, err := read(cut)
		size := 0
		for _, r := range records {
			size += len(r.Key) + len(r.Value) + len(r.Headers)
			for _, h := range r.Headers {
				size += len(h.Key) + len(h.Value)
			}
		}
		require.LessOrEqual(t, size, len(batch))
		if err == nil {
			require.Len(t, records, int(int32(binary.BigEndian.Uint32(batch[atCount:]))), "none is left out")
		}
	})
}
