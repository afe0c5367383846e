package assembly

import (
	"context"
	"net"
	"net/http"
)

// Network stands in for the machine's own network. A simulation gives one to each process, by which it can cut, hold
// and watch what that process sends.
type Network struct {
	Process   string                                                               // its name, never used twice; empty: one is made
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // to brokers; nil: the machine's network
	Transport http.RoundTripper                                                    // to databases; nil: the machine's network
}

type networkKey struct{}

// WithNetwork makes everything that is opened under the context use this network.
func WithNetwork(ctx context.Context, n Network) context.Context {
	return context.WithValue(ctx, networkKey{}, n)
}

// networkOf is the network of the context; the zero Network is the machine's own.
func networkOf(ctx context.Context) Network {
	n, _ := ctx.Value(networkKey{}).(Network)
	return n
}
