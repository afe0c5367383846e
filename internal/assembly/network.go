package assembly

import (
	"context"
	"net"
	"net/http"
)

// Network stands in for the machine's own network, where the options of a command have one. A simulation gives one to each
// process, by which it can cut, hold and watch what that process sends.
type Network struct {
	Process   string                                                               // its name, never used twice; empty: one is made
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // to brokers; nil: the machine's network
	Transport http.RoundTripper                                                    // to databases; nil: the machine's network
}
