package kafka

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Each request under way has a connection and a compressor: many publishers at once must not make as many of them.
func TestPublishBoundsItsRequests(t *testing.T) {
	const publishers, partitions = 50, 12
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	var dials atomic.Int32
	c, err := Open(Options{Brokers: []string{b.Address()}, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	c.create(t, "rows", partitions)
	before := dials.Load()
	publish := c.Publish("rows", partitions)
	group, ctx := errgroup.WithContext(t.Context())
	for n := range publishers {
		group.Go(func() error {
			var records []events.Record
			for i := range 10 * partitions {
				records = append(records, events.Record{Key: fmt.Appendf(nil, "%d-%d", n, i), Value: make([]byte, 1000)})
			}
			return publish(ctx, records)
		})
	}
	require.NoError(t, group.Wait())
	const metadata = 4 // connections that ask where the partitions are
	require.LessOrEqual(t, dials.Load()-before, int32(maxProducing+metadata))
	ends, err := c.EndOffsets(t.Context(), "rows")
	require.NoError(t, err)
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	require.Equal(t, int64(publishers*10*partitions), total)
}
