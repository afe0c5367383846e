package operate

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CA_BUNDLE": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var schema = events.KeySchema{{Name: "pk", Type: "S"}}

// world is a broker and a database with two empty tables, both without a stream.
type world struct {
	t        *testing.T
	server   *embedded.Server
	network  *assembly.Network     // nil: the machine's own
	wires    *kfake.VirtualNetwork // to the broker of a bubble; nil: the machine's own
	file     string
	endpoint string
	brokers  string
	grace    string // of the migrations
	old, new *dynamodb.Table
	said     said

	mu    sync.Mutex
	fault func(embedded.Call) embedded.Fault
	ahead time.Duration // of the database's clock before the machine's
}

// newWorld is one on the machine's own network, in real time: for what a test of a bubble cannot show, that a command without
// a network of its own uses this one.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := unconnected(t, filepath.Join(t.TempDir(), "migration.yaml"))
	var err error
	w.endpoint, err = w.server.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.server.Close()) })
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	w.brokers = b.Address()
	w.old, w.new = w.table("old", schema), w.table("new", schema)
	return w
}

// unconnected is a world without a broker and tables.
func unconnected(t *testing.T, file string) *world {
	t.Helper()
	w := &world{t: t, file: file, grace: "1m"}
	w.server = embedded.New(embedded.Options{Shards: 2, Clock: w.clock, Fault: func(c embedded.Call) embedded.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault == nil {
			return embedded.Fault{}
		}
		return w.fault(c)
	}})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// pass lets time pass for the database.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

// refuse lets one operation fail from now on.
func (w *world) refuse(operation, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = func(c embedded.Call) embedded.Fault {
		if c.Operation == operation {
			return embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "not for you"}}
		}
		return embedded.Fault{}
	}
}

// config is a configuration with these lines more.
func (w *world) config(more string) *migration.Config {
	w.t.Helper()
	text := fmt.Sprintf(`name: orders
source: {dynamodb: {table: old, region: us-east-1, endpoint: "%s"}}
target: {dynamodb: {table: new, region: us-east-1, endpoint: "%s"}}
kafka: {brokers: ["%s"], partitions: 3, work_partitions: 4}
grace: %s
%s`, w.endpoint, w.endpoint, w.brokers, w.grace, more)
	require.NoError(w.t, os.WriteFile(w.file, []byte(text), 0o600))
	c, err := migration.Load(w.file)
	require.NoError(w.t, err)
	return c
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.MultiWriter(w.t.Output(), &w.said), nil))
}

// said is what was logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// line is the first line with all these parts; empty when there is none.
func (s *said) line(parts ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.text.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return line
		}
	}
	return ""
}
