package sim

import (
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// plain stands in for zstd in these tests. kafka-go keeps its zstd decoders for all connections of the process, and a
// decoder holds channels, which must not leave the bubble in which they were made.
type plain struct{}

var _ compress.Codec = plain{}

// Code implements compress.Codec.
func (plain) Code() int8 { return int8(compress.Zstd) }

// Name implements compress.Codec.
func (plain) Name() string { return "zstd" }

// NewReader implements compress.Codec.
func (plain) NewReader(r io.Reader) io.ReadCloser { return io.NopCloser(r) }

// NewWriter implements compress.Codec.
func (plain) NewWriter(w io.Writer) io.WriteCloser { return unclosed{w} }

type unclosed struct{ io.Writer }

// Close implements io.Closer.
func (unclosed) Close() error { return nil }
