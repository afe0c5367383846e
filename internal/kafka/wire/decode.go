package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Cut cuts the first batch off a text of batches. It is ErrTruncated if the text ends before the batch does, and a
// *FormatError if it has another message format. The batch is a part of the text, and is looked at no closer.
func Cut(text []byte) (batch, rest []byte, err error) {
	if len(text) > atMagic {
		if err := format(text); err != nil {
			return nil, text, err
		}
	}
	if len(text) < HeadSize {
		return nil, text, ErrTruncated
	}
	length := int32(binary.BigEndian.Uint32(text[atLength:]))
	end := afterLength + int(length)
	switch {
	case end < HeadSize:
		return nil, text, fmt.Errorf("a batch of %d bytes", length)
	case end > len(text):
		return nil, text, ErrTruncated
	}
	return text[:end:end], text[end:], nil
}

// Records are the records of one batch, one after the other.
type Records struct {
	Batch // what stands before them

	left    int // records
	name    func([]byte) string
	whole   bytes.Reader  // the records as they are in the batch
	inflate io.ReadCloser // nil when they are not compressed
	reader  *bufio.Reader // after decompression
	large   []byte        // a record that does not fit into the reader's memory
	headers []Header
}

// opened are Records to be used again: their memory is what takes time to make.
var opened = sync.Pool{New: func() any { return &Records{reader: bufio.NewReaderSize(nil, 64<<10)} }}

// Open returns the records of a whole batch, such as Cut returns, once its format and its checksum have been found right.
// codec returns the codec of a compression, or nil for one that is not known. name makes a string of the key of a header, so
// that those that are always the same can be one; nil makes a new one of each. Close gives the memory back.
func Open(batch []byte, codec func(Compression) Codec, name func([]byte) string) (*Records, error) {
	if len(batch) < HeadSize {
		return nil, ErrTruncated
	}
	head, err := parse(batch)
	if err != nil {
		return nil, err
	}
	if head.Count < 0 {
		return nil, fmt.Errorf("a batch of %d records", head.Count)
	}
	var with Codec
	if compression := head.Attributes.Compression(); compression != None {
		if with = codec(compression); with == nil {
			return nil, fmt.Errorf("compression %d is unknown", compression)
		}
	}
	r := opened.Get().(*Records)
	r.Batch, r.left, r.name = head, int(head.Count), name
	r.whole.Reset(batch[atRecords:])
	if with == nil {
		r.reader.Reset(&r.whole)
	} else {
		r.inflate = with.NewReader(&r.whole)
		r.reader.Reset(r.inflate)
	}
	return r, nil
}

// Close must be called once, and nothing after it. What Next has returned is not valid any more.
func (r *Records) Close() {
	if r.inflate != nil {
		_ = r.inflate.Close() // what was read from it has been checked
	}
	r.reader.Reset(nil)
	r.whole.Reset(nil)
	clear(r.headers[:cap(r.headers)])
	*r = Records{reader: r.reader, headers: r.headers[:0]}
	if cap(r.headers) > maxKeptHeaders {
		r.headers = nil
	}
	opened.Put(r)
}

const maxKeptHeaders = 64

// Left is how many records have not been read.
func (r *Records) Left() int { return r.left }

// Next reads the next record; it is io.EOF after the last one, if nothing follows that. The record's bytes and headers are
// valid until the next call.
func (r *Records) Next() (Record, error) {
	if r.left == 0 {
		return Record{}, r.end()
	}
	text, err := r.text()
	if err != nil {
		return Record{}, unexpected(err)
	}
	record, err := r.cut(Cutter{Text: text})
	if err != nil {
		return Record{}, err
	}
	r.left--
	return record, nil
}

// end is io.EOF if there is nothing but the records that were counted. Else some would be left out.
func (r *Records) end() error {
	if _, err := r.reader.ReadByte(); err != nil {
		return err
	}
	return errors.New("something follows the last record")
}

// text is the text of the next record, until it is called again.
func (r *Records) text() ([]byte, error) {
	length, err := binary.ReadVarint(r.reader)
	switch {
	case err != nil:
		return nil, err
	case length < 0:
		return nil, fmt.Errorf("a record of %d bytes", length)
	case length > int64(r.reader.Size()):
		return r.largeText(length)
	}
	text, err := r.reader.Peek(int(length))
	if err != nil {
		return nil, err
	}
	_, err = r.reader.Discard(int(length)) // it stays where it is until the next read
	return text, err
}

// largeText reads a record that does not fit into the reader's memory. It grows as bytes come, whatever the length says.
func (r *Records) largeText(length int64) ([]byte, error) {
	text := bytes.NewBuffer(r.large[:0])
	_, err := io.CopyN(text, r.reader, length)
	r.large = text.Bytes()
	return r.large, err
}

// cut cuts the text of a record.
func (r *Records) cut(c Cutter) (Record, error) {
	c.Skip(1) // attributes, of which there are none
	age, delta := c.Varint(), c.Varint()
	record := Record{Offset: r.BaseOffset + delta, Time: r.BaseTime + age}
	if r.Attributes&LogAppendTime != 0 {
		record.Time = r.MaxTime
	}
	record.Key, record.Value = c.VarBytes(), c.VarBytes()
	r.headers = r.headers[:0]
	for n := c.Count(); n > 0 && c.err == nil; n-- {
		r.headers = append(r.headers, Header{Key: r.string(c.Skip(c.Count())), Value: c.VarBytes()})
	}
	record.Headers = r.headers
	if len(c.Text) > 0 && c.err == nil {
		return Record{}, errors.New("something follows the record")
	}
	return record, c.err
}

func (r *Records) string(text []byte) string {
	if r.name != nil {
		return r.name(text)
	}
	return string(text)
}

// unexpected is the error of a text that ends too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
