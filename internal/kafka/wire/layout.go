package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The layout of a batch up to its records: where each field begins, in bytes. All numbers are big-endian.
const (
	atBaseOffset  = 0  // int64, of the first record; a broker sets it
	atLength      = 8  // int32, the bytes that follow this field
	atLeaderEpoch = 12 // int32, a broker sets it
	atMagic       = 16 // int8, the message format; older formats have it here, too
	atChecksum    = 17 // uint32, CRC-32C of all that follows this field
	atAttributes  = 21 // int16
	atLastDelta   = 23 // int32, the offset of the last record, from the base
	atBaseTime    = 27 // int64, ms since 1970
	atMaxTime     = 35 // int64, likewise
	atProducer    = 43 // int64, the producer's id
	atEpoch       = 51 // int16, the producer's epoch
	atSequence    = 53 // int32, the first record's number among the producer's
	atCount       = 57 // int32, of records
	atRecords     = 61 // the records, compressed together

	afterLength   = atLength + 4
	afterChecksum = atChecksum + 4
)

// magic is the message format that this package knows.
const magic = 2

// HeadSize is the size of a batch without records, in bytes. No batch is smaller.
const HeadSize = atRecords

// Attributes are the bits of a batch that say how it is to be read.
type Attributes int16

// The attributes, beside the three lowest bits, which are the compression.
const (
	LogAppendTime Attributes = 1 << 3 // the time of all records is the batch's MaxTime: a broker's
	Transactional Attributes = 1 << 4 // the records count once their transaction is committed
	Control       Attributes = 1 << 5 // the records are of the brokers, and none of a producer's

	compressionMask = 0x7
)

// Compression is how a batch's records are compressed.
type Compression int8

// The compressions of the protocol.
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Compression is that of the batch.
func (a Attributes) Compression() Compression { return Compression(a & compressionMask) }

// With are the attributes with this compression.
func (a Attributes) With(c Compression) Attributes {
	return a&^compressionMask | Attributes(c)&compressionMask
}

// Codec compresses and decompresses records. Safe for concurrent use.
type Codec interface {
	// NewReader decompresses what it reads; it is closed once.
	NewReader(compressed io.Reader) io.ReadCloser
	// NewWriter compresses into w what is written to it; Close ends it.
	NewWriter(w io.Writer) io.WriteCloser
}

// Producer is what an idempotent or a transactional producer says of itself.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the batch's first record
}

// NoProducer is that of a producer that is neither.
var NoProducer = Producer{ID: -1, Epoch: -1, Sequence: -1}

// Batch is what stands before the records of a batch. Its length, format and checksum follow from the rest.
type Batch struct {
	BaseOffset  int64 // what the offsets of the records are counted from
	LeaderEpoch int32 // -1 in what a producer sends
	Attributes  Attributes
	// LastDelta is the batch's last offset, from the base. Compaction may have taken the record that had it.
	LastDelta int32
	// BaseTime is what the times of the records are counted from, and MaxTime the latest of them; ms since 1970.
	BaseTime, MaxTime int64
	Producer          Producer
	Count             int32 // of records
}

// Next is the offset behind the batch.
func (b Batch) Next() int64 { return b.BaseOffset + int64(b.LastDelta) + 1 }

// Record is one record of a batch.
type Record struct {
	Offset     int64
	Time       int64  // ms since 1970
	Key, Value []byte // nil is null, which is not empty
	Headers    []Header
}

// Header is one header of a record. Keys may be there more than once, and their order is kept.
type Header struct {
	Key   string
	Value []byte // nil is null
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is that of a whole batch.
func checksum(batch []byte) uint32 { return crc32.Checksum(batch[afterChecksum:], castagnoli) }

// seal writes the fields of b before the records that follow: head is a whole batch, the records of which are there already.
func (b Batch) seal(head []byte) {
	binary.BigEndian.PutUint64(head[atBaseOffset:], uint64(b.BaseOffset))
	binary.BigEndian.PutUint32(head[atLength:], uint32(len(head)-afterLength))
	binary.BigEndian.PutUint32(head[atLeaderEpoch:], uint32(b.LeaderEpoch))
	head[atMagic] = magic
	binary.BigEndian.PutUint16(head[atAttributes:], uint16(b.Attributes))
	binary.BigEndian.PutUint32(head[atLastDelta:], uint32(b.LastDelta))
	binary.BigEndian.PutUint64(head[atBaseTime:], uint64(b.BaseTime))
	binary.BigEndian.PutUint64(head[atMaxTime:], uint64(b.MaxTime))
	binary.BigEndian.PutUint64(head[atProducer:], uint64(b.Producer.ID))
	binary.BigEndian.PutUint16(head[atEpoch:], uint16(b.Producer.Epoch))
	binary.BigEndian.PutUint32(head[atSequence:], uint32(b.Producer.Sequence))
	binary.BigEndian.PutUint32(head[atCount:], uint32(b.Count))
	binary.BigEndian.PutUint32(head[atChecksum:], checksum(head))
}

// parse reads the fields of a whole batch, once its format and its checksum have been found right.
func parse(batch []byte) (Batch, error) {
	if err := format(batch); err != nil {
		return Batch{}, err
	}
	if binary.BigEndian.Uint32(batch[atChecksum:]) != checksum(batch) {
		return Batch{}, ErrChecksum
	}
	return Batch{
		BaseOffset:  int64(binary.BigEndian.Uint64(batch[atBaseOffset:])),
		LeaderEpoch: int32(binary.BigEndian.Uint32(batch[atLeaderEpoch:])),
		Attributes:  Attributes(binary.BigEndian.Uint16(batch[atAttributes:])),
		LastDelta:   int32(binary.BigEndian.Uint32(batch[atLastDelta:])),
		BaseTime:    int64(binary.BigEndian.Uint64(batch[atBaseTime:])),
		MaxTime:     int64(binary.BigEndian.Uint64(batch[atMaxTime:])),
		Producer: Producer{
			ID:       int64(binary.BigEndian.Uint64(batch[atProducer:])),
			Epoch:    int16(binary.BigEndian.Uint16(batch[atEpoch:])),
			Sequence: int32(binary.BigEndian.Uint32(batch[atSequence:])),
		},
		Count: int32(binary.BigEndian.Uint32(batch[atCount:])),
	}, nil
}

// format returns a *FormatError unless the message format is the one that this package knows.
func format(batch []byte) error {
	if found := int8(batch[atMagic]); found != magic {
		return &FormatError{Magic: found}
	}
	return nil
}

// ErrTruncated says that a batch goes on where its bytes end. A broker may cut off the last batch of an answer.
var ErrTruncated = errors.New("the batch is cut off")

// ErrChecksum says that a batch is not as it was written.
var ErrChecksum = errors.New("the checksum is another one")

// FormatError says that records have a message format that this package does not know: an older one has no headers.
type FormatError struct{ Magic int8 }

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("message format %d, known is %d", e.Magic, magic)
}
