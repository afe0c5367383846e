package kafka

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// zstdWindow is how far back a record may refer to what was compressed before it. A compressor and a decompressor hold
// twice as much each, and a worker has dozens of them; with kafka-go's own codec that is 16 MB each, for requests of
// at most maxProduceBytes.
const zstdWindow = 1 << 20

// kafka-go takes codecs from this table, and offers no other way to choose a window.
func init() { compress.Codecs[compress.Zstd] = &zstdCodec{} }

// codecs are what one client compresses and decompresses with. The compressors that it keeps for the next time are its own:
// they hold channels, and one that a client of a test's bubble of fake time has made must not be met outside of it.
type codecs struct{ zstd zstdCodec }

// of is the codec of a compression: the client's own for zstd, unless somebody has put another into kafka-go's table; nil
// for none, and for one that is not known. Without codecs it is what that table has.
func (c *codecs) of(compression compress.Compression) compress.Codec {
	codec := compression.Codec()
	if _, ours := codec.(*zstdCodec); ours && c != nil {
		return &c.zstd
	}
	return codec
}

// zstdCodec is kafka-go's codec with a smaller window.
type zstdCodec struct{ encoders, decoders sync.Pool }

var _ compress.Codec = (*zstdCodec)(nil)

// Code implements compress.Codec.
func (*zstdCodec) Code() int8 { return int8(compress.Zstd) }

// Name implements compress.Codec.
func (*zstdCodec) Name() string { return "zstd" }

// NewWriter implements compress.Codec.
func (c *zstdCodec) NewWriter(w io.Writer) io.WriteCloser {
	encoder, ok := c.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		// The fastest level costs nothing in size on rows, whose repetitions are near. The checksum is that of Kafka's batch.
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithZeroFrames(true))
		if err != nil {
			panic(err) // an option that the library does not take
		}
	}
	encoder.Reset(w)
	return &zstdWriter{encoder, c}
}

type zstdWriter struct {
	*zstd.Encoder
	codec *zstdCodec
}

// Close ends the frame. It must be called once.
func (w *zstdWriter) Close() error {
	err := w.Encoder.Close()
	w.Reset(nil)
	w.codec.encoders.Put(w.Encoder)
	return err
}

// NewReader implements compress.Codec.
func (c *zstdCodec) NewReader(r io.Reader) io.ReadCloser {
	decoder, ok := c.decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err) // an option that the library does not take
		}
	}
	// An error of the reader is one of the decoder's next read too.
	return &zstdReader{Decoder: decoder, codec: c, err: decoder.Reset(r)}
}

type zstdReader struct {
	*zstd.Decoder
	codec *zstdCodec
	err   error
}

// Read implements io.Reader.
func (r *zstdReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Decoder.Read(p)
}

// WriteTo implements io.WriterTo.
func (r *zstdReader) WriteTo(w io.Writer) (int64, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Decoder.WriteTo(w)
}

// Close gives the decoder back. It must be called once.
func (r *zstdReader) Close() error {
	r.err = errors.Join(r.err, io.ErrClosedPipe)
	if err := r.Reset(nil); err != nil && !errors.Is(err, zstd.ErrDecoderNilInput) {
		return err
	}
	r.codec.decoders.Put(r.Decoder)
	return nil
}
