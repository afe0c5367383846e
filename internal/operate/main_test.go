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
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
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

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, file: filepath.Join(t.TempDir(), "migration.yaml"), grace: "1m"}
	server := embedded.New(embedded.Options{Shards: 2, Clock: w.clock, Fault: func(c embedded.Call) embedded.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault == nil {
			return embedded.Fault{}
		}
		return w.fault(c)
	}})
	w.server = server
	var err error
	w.endpoint, err = server.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	w.brokers = b.Address()
	w.old, w.new = w.table("old", schema), w.table("new", schema)
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

// shortly is for a test that waits for the grace. Requests have a quarter of it, and a worker may be cut off for half of it: on
// a busy machine neither must come to its end by itself.
func (w *world) shortly() *world {
	w.grace = "20s"
	return w
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
