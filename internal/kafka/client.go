package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// Options say how to reach Kafka.
type Options struct {
	Brokers  []string // host:port, at least one
	ClientID string   // what the brokers' own tools show
	TLS      *tls.Config
	SASL     sasl.Mechanism
	// SessionTimeout is how long a member may be silent before its partitions go to others; 0 is 10 s. Brokers
	// refuse less than their group.min.session.timeout.ms, 6 s by default.
	SessionTimeout time.Duration
	// RequestTimeout is how long one request may take, from its beginning to its answer; 0 is 15 s.
	RequestTimeout time.Duration
	Logger         *slog.Logger // hears of outages, memberships and dead letters; nil is silence
	// Dial, when set, replaces the network; for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// The deadlines of requests.
const (
	dialTimeout = 5 * time.Second
	fetchWait   = 500 * time.Millisecond // how long a broker may hold a fetch that finds nothing
)

// Client talks to one Kafka cluster. Safe for concurrent use.
type Client struct {
	options   Options
	client    *kafkago.Client
	transport *kafkago.Transport
	outside   *fault.Dependency // hears of every request
	dead      *fault.Tally[deadLetter]

	codecs     codecs
	expansions sync.Map    // *expansion by topic
	idsSpoken  atomic.Bool // the last description of topics was answered
}

// Open returns a client; it connects when it is first used.
func Open(o Options) (*Client, error) {
	if len(o.Brokers) == 0 {
		return nil, errors.New("kafka: no brokers")
	}
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 10*time.Second)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, 15*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	transport := &kafkago.Transport{
		Dial: o.Dial, DialTimeout: dialTimeout, ClientID: o.ClientID, TLS: o.TLS, SASL: o.SASL,
		MetadataTTL: 2 * time.Second, // a moved leader is found again this fast
	}
	return &Client{
		options: o, transport: transport,
		outside: fault.NewDependency(o.Logger, "Kafka", strings.Join(o.Brokers, ",")), dead: fault.NewTally(sayDead(o.Logger)),
		client: &kafkago.Client{Addr: kafkago.TCP(o.Brokers...), Timeout: o.RequestTimeout, Transport: transport},
	}, nil
}

// Close closes the idle connections, and says what has not been said yet.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return errors.Join(c.outside.Close(), c.dead.Close())
}

// Brokers are those that the client was told of.
func (c *Client) Brokers() []string { return c.options.Brokers }

// dialer is what consumer groups connect with.
func (c *Client) dialer() *kafkago.Dialer {
	return &kafkago.Dialer{
		Timeout: dialTimeout, ClientID: c.options.ClientID, DualStack: true,
		TLS: c.options.TLS, SASLMechanism: c.options.SASL, DialFunc: c.options.Dial,
	}
}

// Check asks the cluster for its brokers, and whether topics with this replication are possible; 0 leaves the
// replication to the brokers. The text says what was found.
func (c *Client) Check(ctx context.Context, replication int) (found string, err error) {
	answered := c.outside.Ask(ctx, "describe the cluster")
	defer func() { answered(err) }()
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	response, err := c.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{}})
	if err != nil {
		return "", classify(err, fmt.Sprintf("ask Kafka at %v for its brokers", c.options.Brokers))
	}
	found = brokers(len(response.Brokers))
	if replication > len(response.Brokers) {
		return "", &fault.Error{
			Class: fault.Fatal, Reason: "replication", What: fmt.Sprintf("kafka.replication is %d and the cluster has %s", replication, found),
			Advice: "set kafka.replication to at most the number of brokers",
		}
	}
	return found, nil
}

// brokers is a number of them, in words.
func brokers(n int) string {
	if n == 1 {
		return "1 broker"
	}
	return fmt.Sprintf("%d brokers", n)
}
