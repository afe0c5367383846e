package wire

import (
	"cmp"
	"encoding/binary"
	"io"
)

// Cutter cuts the protocol's primitive types off a text, from its beginning. After an error everything that it cuts is zero, so
// that a whole message can be cut before Err is asked.
// https://kafka.apache.org/protocol#protocol_types
type Cutter struct {
	Text []byte // what is left
	err  error
}

// Err is the first error; nil if all was there.
func (c *Cutter) Err() error { return c.err }

// Fail makes all that follows zero. The error is io.ErrUnexpectedEOF, if there was none before.
func (c *Cutter) Fail() {
	c.Text = nil
	c.err = cmp.Or(c.err, io.ErrUnexpectedEOF)
}

// Skip cuts n bytes off. They are a part of the text.
func (c *Cutter) Skip(n int) []byte {
	if n < 0 || n > len(c.Text) {
		c.Fail()
		return nil
	}
	skipped := c.Text[:n:n]
	c.Text = c.Text[n:]
	return skipped
}

// Int16 cuts an INT16.
func (c *Cutter) Int16() int16 {
	if b := c.Skip(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

// Int32 cuts an INT32.
func (c *Cutter) Int32() int32 {
	if b := c.Skip(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Int64 cuts an INT64.
func (c *Cutter) Int64() int64 {
	if b := c.Skip(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Varint cuts a VARINT or a VARLONG.
func (c *Cutter) Varint() int64 {
	if len(c.Text) > 0 && c.Text[0] < 1<<7 { // as most do, it ends here
		n := int64(c.Text[0])
		c.Text = c.Text[1:]
		return n>>1 ^ -(n & 1)
	}
	n, size := binary.Varint(c.Text)
	if size <= 0 {
		c.Fail()
		return 0
	}
	c.Text = c.Text[size:]
	return n
}

// Count cuts a VARINT that is a number of things, each of which takes a byte at least.
func (c *Cutter) Count() int {
	n := c.Varint()
	if n < 0 || n > int64(len(c.Text)) {
		c.Fail()
		return 0
	}
	return int(n)
}

// VarBytes cuts bytes behind their length as a VARINT. They are a part of the text; null is nil, and empty is not.
func (c *Cutter) VarBytes() []byte {
	n := c.Varint()
	if n < 0 || c.err != nil {
		return nil
	}
	return c.Skip(int(min(n, int64(len(c.Text))+1)))
}

// Uvarint cuts an UNSIGNED_VARINT.
func (c *Cutter) Uvarint() uint64 {
	n, size := binary.Uvarint(c.Text)
	if size <= 0 {
		c.Fail()
		return 0
	}
	c.Text = c.Text[size:]
	return n
}

// CompactLength cuts the length of a compact string or array; null is none. It is at most that of the text.
func (c *Cutter) CompactLength() int {
	n := c.Uvarint()
	if n > uint64(len(c.Text))+1 {
		c.Fail()
		return 0
	}
	return max(0, int(n)-1)
}

// Tags skips the tagged fields, none of which is known here.
func (c *Cutter) Tags() {
	for n := c.Uvarint(); n > 0 && c.err == nil; n-- {
		c.Uvarint() // which one
		size := c.Uvarint()
		if size > uint64(len(c.Text)) {
			c.Fail()
			return
		}
		c.Skip(int(size))
	}
}

// appendVarBytes appends value behind its length, which is -1 for null.
func appendVarBytes(b, value []byte) []byte {
	if value == nil {
		return append(b, 1)
	}
	return append(appendVarint(b, int64(len(value))), value...)
}

func sizeOfVarBytes(value []byte) int {
	if value == nil {
		return 1
	}
	return sizeOfVarint(int64(len(value))) + len(value)
}

// appendVarint appends n; most are small.
func appendVarint(b []byte, n int64) []byte {
	if uint64(n) < 1<<6 {
		return append(b, byte(n<<1))
	}
	return binary.AppendVarint(b, n)
}

// sizeOfVarint is how many bytes n takes: 7 bits of it in each, of which one says whether it is negative.
func sizeOfVarint(n int64) int {
	size := 1
	for left := uint64(n)<<1 ^ uint64(n>>63); left >= 1<<7; left >>= 7 {
		size++
	}
	return size
}
