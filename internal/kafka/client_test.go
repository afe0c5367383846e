package kafka

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// TestRequestTimeout: a request that nobody answers ends when the options say, long before whoever made it gives up,
// and may be tried again.
func TestRequestTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	var dialed []net.Conn
	silent := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		mu.Lock()
		defer mu.Unlock()
		dialed = append(dialed, far)
		go func() {
			_, _ = io.Copy(io.Discard, far) // until one side closes
		}()
		return near, nil
	}
	c, err := Open(Options{Brokers: []string{"silent:9092"}, RequestTimeout: 50 * time.Millisecond, Dial: silent})
	require.NoError(t, err)
	live := events.TopicPartition{Topic: "orders.live"}
	for name, request := range map[string]func() error{
		"produce": func() error {
			_, err := c.produce(ctx, live, []*events.Record{{Key: []byte("k"), Value: []byte("v")}}, wire.Zstd)
			return err
		},
		"check": func() error {
			_, err := c.Check(ctx, 0)
			return err
		},
		"fetch": func() error {
			_, err := c.Fetch(ctx, live, 0, 1<<20)
			return err
		},
	} {
		err := request()
		require.Equal(t, fault.Retry, fault.Of(err), "%s: %v", name, err)
		require.NoError(t, ctx.Err(), name)
	}
	require.NoError(t, c.Close())
	mu.Lock()
	defer mu.Unlock()
	for _, far := range dialed {
		require.NoError(t, far.Close()) // else kafka-go would wait for its answer
	}
}
