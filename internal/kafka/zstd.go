package kafka

import (
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// zstdWindow is how far back a record may refer to what was compressed before it. A compressor and a decompressor hold
// twice as much each, and a worker has dozens of them; with kafka-go's own codec that is 16 MB each, for requests of
// at most maxProduceBytes.
const zstdWindow = 1 << 20

// zstdCodec compresses with a small window, and reads what has any. The zero codec is ready to use.
type zstdCodec struct{ encoders, decoders sync.Pool }

var _ wire.Codec = (*zstdCodec)(nil)

// NewWriter implements wire.Codec.
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

// NewReader implements wire.Codec.
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

// Close gives the decoder back. It must be called once.
func (r *zstdReader) Close() error {
	r.err = errors.Join(r.err, io.ErrClosedPipe)
	if err := r.Reset(nil); err != nil && !errors.Is(err, zstd.ErrDecoderNilInput) {
		return err
	}
	r.codec.decoders.Put(r.Decoder)
	return nil
}
