package operate

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
)

// dialer connects to an address.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// cable is a network that can be cut: nothing goes through it then, and whoever dials waits.
type cable struct {
	inner dialer

	mu    sync.Mutex
	whole chan struct{} // closed while it is whole
	conns map[net.Conn]bool
}

func newCable(inner dialer) *cable {
	c := &cable{inner: inner, whole: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(c.whole)
	return c
}

func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	whole := c.whole
	c.mu.Unlock()
	select {
	case <-whole:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := c.inner(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conns[conn] = true
	}
	return conn, err
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = make(chan struct{})
	for conn := range c.conns {
		_ = conn.Close() // it may have been closed
	}
	clear(c.conns)
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.whole)
}

// A worker that could not read the control log for too long goes on by itself, by the path of a new process.
func TestAWorkerGoesOnAfterKafkaWasAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.write("a", "first")
		c := w.config("")
		c.Grace *= 2 // on a busy machine a worker must not come to the end of it once more
		cable := newCable(w.wires.DialContext)
		stop, ended := w.start(func(ctx context.Context) error {
			return Run(ctx, c, RunOptions{
				Create: CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network}, Logger: w.logger(), Network: &assembly.Network{Dial: cable.dial, Transport: w.network.Transport},
			})
		})
		w.streaming(c, 1)
		cable.cut()
		w.until("the worker gives up what it does", func() bool {
			w.goesOn(ended)
			return w.said.line("joining again, as a new process would", "the control log could not be read") != ""
		})
		time.Sleep(20 * assembly.Patience) // a command gives up after one; a worker that was at work does not
		w.goesOn(ended)
		cable.mend()
		w.write("b", "while it was away")
		w.streaming(c, 1)
		w.goesOn(ended)
		require.NoError(t, stop())
	})
}

// Brokers that answer and do not have the topics are no outage: the worker waits for the topics, and says so.
func TestAWorkerThatCannotJoinAgainSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.config("")
		cable := newCable(w.wires.DialContext)
		stop, ended := w.start(func(ctx context.Context) error {
			return Run(ctx, c, RunOptions{
				Create: CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network}, Logger: w.logger(), Network: &assembly.Network{Dial: cable.dial, Transport: w.network.Transport},
			})
		})
		w.streaming(c, 1)
		cable.cut()
		w.until("the worker gives up what it does", func() bool {
			w.goesOn(ended)
			return w.said.line("joining again, as a new process would", "the control log could not be read") != ""
		})
		w.deleteTopic(c.Name + ".control")
		cable.mend()
		w.until("the worker says what it waits for", func() bool {
			w.goesOn(ended)
			return w.said.line("cannot join again yet", c.Name+".control is not there") != ""
		})
		require.NoError(t, stop())
	})
}
