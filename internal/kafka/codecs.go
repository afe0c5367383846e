package kafka

import (
	"github.com/segmentio/kafka-go/compress/gzip"
	"github.com/segmentio/kafka-go/compress/lz4"
	"github.com/segmentio/kafka-go/compress/snappy"

	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// codecs are what one client compresses and decompresses with: zstd is this package's own; the others, which only an
// application's client writes, are kafka-go's. kafka-go's table of codecs is neither read nor changed: it is the process', and
// whoever else uses kafka-go finds it as it comes.
//
// The zstd compressors that are kept for the next time are the client's own: they hold channels, and one that a client of a
// test's bubble of fake time has made must not be met outside of it.
type codecs struct {
	gzip   gzip.Codec
	snappy snappy.Codec
	lz4    lz4.Codec
	zstd   zstdCodec
}

// of is the codec of a compression; nil for none, and for one that is not known.
func (c *codecs) of(compression wire.Compression) wire.Codec {
	switch compression {
	case wire.Gzip:
		return &c.gzip
	case wire.Snappy:
		return &c.snappy
	case wire.LZ4:
		return &c.lz4
	case wire.Zstd:
		return &c.zstd
	case wire.None:
	}
	return nil
}
