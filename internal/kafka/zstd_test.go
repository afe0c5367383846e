package kafka

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// Other clients must be able to read what it writes, and it must read theirs, whatever their window.
func TestZstdCodec(t *testing.T) {
	codec := &zstdCodec{}
	for _, size := range []int{0, 1, 1000, 3 * zstdWindow} {
		text := []byte(strings.Repeat("crossfade ", size/10+1)[:size])
		for range 2 { // the second time with what the first gave back
			var written bytes.Buffer
			w := codec.NewWriter(&written)
			_, err := w.Write(text)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			var header zstd.Header
			require.NoError(t, header.Decode(written.Bytes()))
			require.LessOrEqual(t, header.WindowSize, uint64(zstdWindow))

			plain, err := zstd.NewReader(nil)
			require.NoError(t, err)
			theirs, err := plain.DecodeAll(written.Bytes(), nil)
			require.NoError(t, err)
			require.Equal(t, string(text), string(theirs))
			plain.Close()

			large, err := zstd.NewWriter(nil, zstd.WithWindowSize(8<<20))
			require.NoError(t, err)
			r := codec.NewReader(bytes.NewReader(large.EncodeAll(text, nil)))
			ours, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, string(text), string(ours))
			require.NoError(t, r.Close())
		}
	}
}

func TestZstdCodecRefusesDamage(t *testing.T) {
	r := new(zstdCodec).NewReader(strings.NewReader("this is no frame of zstd"))
	_, err := io.ReadAll(r)
	require.Error(t, err)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// A request's records are compressed within the small window, whatever they are: so a client's compressors and the readers'
// decompressors stay small.
func TestRequestsHaveASmallWindow(t *testing.T) {
	var records []events.Record
	for n := range 400 {
		records = append(records, record("k", incompressible(n, 10_000))) // 4 MB
	}
	request, err := new(batch).encode(pointers(records), wire.Zstd, &codecs{}, time.UnixMilli(0))
	require.NoError(t, err)
	require.Greater(t, len(request), 3*zstdWindow)
	var header zstd.Header
	require.NoError(t, header.Decode(request[lead+wire.HeadSize:]))
	require.LessOrEqual(t, header.WindowSize, uint64(zstdWindow))
	require.NotZero(t, header.WindowSize)
}
