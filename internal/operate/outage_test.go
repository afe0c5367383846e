package operate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// trouble is how something outside is away.
type trouble int

const (
	well   trouble = iota
	gone           // connections are refused
	silent         // connections are taken, and nothing is answered
)

// bubble is a broker and a database with two tables in fake time, and the network of one process to them.
type bubble struct {
	t        *testing.T
	wires    *kfake.VirtualNetwork
	cluster  *kfake.Cluster
	database *embedded.Server
	config   *migration.Config

	mu      sync.Mutex
	kafka   trouble
	tables  map[string]trouble // by name
	scan    time.Duration      // how long a scan takes
	conns   map[*wire]bool
	lines   []line
	began   time.Time
	waiting sync.WaitGroup // for answers that do not come
}

// line is a log line.
type line struct {
	at   time.Duration // since the trouble began
	text string
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{t: t, wires: &kfake.VirtualNetwork{}, tables: map[string]trouble{}, conns: map[*wire]bool{}, began: time.Now()}
	var err error
	b.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(b.wires.Listen),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	require.NoError(t, err)
	b.database = embedded.New(embedded.Options{Shards: 2})
	b.config, err = migration.Parse("migration.yaml", []byte(`name: orders
source: {dynamodb: {table: old, region: us-east-1, endpoint: "http://database"}}
target: {dynamodb: {table: new, region: us-east-1, endpoint: "http://database"}}
kafka: {brokers: ["`+b.cluster.ListenAddrs()[0]+`"], partitions: 3, work_partitions: 4, replication: 1}
snapshot: {segments: 100, at_once: 1}
grace: 10m
`))
	require.NoError(t, err)
	for _, name := range []string{"old", "new"} {
		table, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: name, Region: "us-east-1", Endpoint: "http://database", Transport: b.database.Transport()})
		require.NoError(t, err)
		_, err = table.SDK().CreateTable(t.Context(), &sdk.CreateTableInput{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			KeySchema:            []types.KeySchemaElement{{AttributeName: new("pk"), KeyType: types.KeyTypeHash}},
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS}},
			StreamSpecification:  &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: types.StreamViewTypeNewImage},
		})
		require.NoError(t, err)
		if name == "new" {
			continue
		}
		for i := range 200 {
			_, err = table.SDK().PutItem(t.Context(), &sdk.PutItemInput{
				TableName: &name, Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}},
			})
			require.NoError(t, err)
		}
	}
	_, err = Create(t.Context(), b.config, CreateOptions{Logger: b.logger(), Network: b.network()})
	require.NoError(t, err)
	return b
}

func (b *bubble) close() {
	b.waiting.Wait()
	time.Sleep(time.Second)
	b.cluster.Close()
}

// network is the bubble's.
func (b *bubble) network() *assembly.Network { return &assembly.Network{Dial: b.dial, Transport: b} }

// away lets something be away from now on.
func (b *bubble) away(what string, how trouble) {
	b.mu.Lock()
	b.began = time.Now()
	conns := b.conns
	if what == "Kafka" {
		b.kafka, b.conns = how, map[*wire]bool{}
	} else {
		b.tables[what], conns = how, nil
	}
	b.mu.Unlock()
	for c := range conns {
		if how != silent {
			_ = c.Close() // it is to be broken
		}
	}
}

func (b *bubble) kafkaIs() trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kafka
}

func (b *bubble) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if b.kafkaIs() == gone {
		return nil, errors.New("connection refused")
	}
	inner, err := b.wires.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &wire{Conn: inner, bubble: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns[c] = true
	return c, nil
}

// wire is a connection whose requests get lost while the broker is silent.
type wire struct {
	net.Conn
	bubble *bubble
}

func (c *wire) Write(p []byte) (int, error) {
	if c.bubble.kafkaIs() == silent {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// RoundTrip implements http.RoundTripper.
func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(r.Body); err != nil {
		return nil, err
	}
	b.mu.Lock()
	how, takes := b.tables["new"], time.Duration(0)
	if !strings.Contains(body.String(), `"new"`) && !strings.Contains(body.String(), `\"new\"`) {
		how = b.tables["old"]
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".Scan") {
			takes = b.scan
		}
	}
	b.mu.Unlock()
	switch how {
	case gone:
		return nil, errors.New("connection refused")
	case silent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case well:
	}
	time.Sleep(takes)
	sent := r.Clone(context.WithoutCancel(r.Context()))
	sent.Body = http.NoBody
	sent.Body = readCloser{bytes.NewReader(body.Bytes())}
	return b.database.Transport().RoundTrip(sent)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// logger keeps the lines.
func (b *bubble) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func (b *bubble) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, said, _ := strings.Cut(strings.TrimSpace(string(text)), " ") // without its time
	b.lines = append(b.lines, line{time.Since(b.began), said})
	return len(text), nil
}

// matching are the lines in which all these parts are.
func (b *bubble) matching(parts ...string) (found []line) {
	b.mu.Lock()
	defer b.mu.Unlock()
next:
	for _, l := range b.lines {
		for _, p := range parts {
			if !strings.Contains(l.text, p) {
				continue next
			}
		}
		found = append(found, l)
	}
	return found
}

// story is all lines, for a person.
func (b *bubble) story() string {
	var text strings.Builder
	for _, l := range b.matching() {
		fmt.Fprintln(&text, l.at, l.text)
	}
	return text.String()
}

// start starts a worker, which stop ends.
func (b *bubble) start(worker func(context.Context, *slog.Logger) error) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- worker(ctx, b.logger()) }()
	return func() {
		cancel()
		require.NoError(b.t, <-done, b.story())
	}
}

func (b *bubble) copies(ctx context.Context, logger *slog.Logger) error {
	return assembly.Snapshot(ctx, b.config, assembly.WorkerOptions{Logger: logger, Network: b.network()})
}

func (b *bubble) captures(ctx context.Context, logger *slog.Logger) error {
	return assembly.Streamer(ctx, b.config, assembly.WorkerOptions{Capture: true, Logger: logger, Network: b.network()})
}

func (b *bubble) applies(ctx context.Context, logger *slog.Logger) error {
	return assembly.Streamer(ctx, b.config, assembly.WorkerOptions{Apply: true, Logger: logger, Network: b.network()})
}

// Whatever a worker does when something that it needs goes away, it says within 5 s whom it does not reach, what for, and
// since when; again every 30 s, and nothing in between; and once when it works again.
func TestADeadDependencyIsSaidWithinFiveSeconds(t *testing.T) {
	for _, c := range []struct {
		worker string
		table  string // that the worker needs
	}{{"snapshot", "old"}, {"capture", "old"}, {"apply", "new"}} {
		for _, what := range []string{"Kafka", c.table} {
			for how, called := range map[trouble]string{gone: "refuses", silent: "is silent"} {
				t.Run(fmt.Sprintf("%s, %s %s", c.worker, what, called), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newBubble(t)
						defer b.close()
						worker := b.captures
						switch c.worker {
						case "snapshot":
							worker, b.scan = b.copies, 500*time.Millisecond // so that it is at work all the time
						case "apply":
							worker = b.applies
							require.NoError(t, b.copies(t.Context(), b.logger()))
						}
						early := what == "new" // so that there is something to write
						if early {
							b.away(what, how)
						}
						stop := b.start(worker)
						if !early {
							time.Sleep(10 * time.Second)
							b.away(what, how)
						}
						time.Sleep(100 * time.Second)
						b.requireOutage(what)
						b.away(what, well)
						time.Sleep(time.Minute)
						stop()
						b.requireOver(what)
					})
				})
			}
		}
	}
}

// dependency is how lines call what is away.
func dependency(what string) string {
	return map[string]string{"Kafka": "dependency=Kafka", "old": `dependency="old table"`, "new": `dependency="new table"`}[what]
}

// requireOutage requires the lines of 100 s of an outage of this, and none about anything else that is away.
func (b *bubble) requireOutage(what string) {
	b.t.Helper()
	lines := b.matching("level=WARN", `msg="outage; what fails is tried again"`)
	require.Len(b.t, lines, 4, b.story())
	last := -30 * time.Second
	for _, l := range lines {
		require.Contains(b.t, l.text, dependency(what))
		require.Contains(b.t, l.text, map[string]string{
			"Kafka": "to=" + b.cluster.ListenAddrs()[0], "old": `to="old at http://database"`, "new": `to="new at http://database"`,
		}[what])
		for _, attribute := range []string{"what=", "since=", "away=", "attempts=", "error="} {
			require.Contains(b.t, l.text, attribute)
		}
		require.GreaterOrEqual(b.t, l.at-last, 30*time.Second)
		last = l.at
	}
	require.LessOrEqual(b.t, lines[0].at, 5*time.Second, lines[0].text)
	// What an assignment that has ended could not write down any more is one line for each.
	require.Len(b.t, b.matching("level=WARN"), len(lines)+len(b.matching(`msg="given up" what="write facts"`)), b.story())
}

// requireOver requires that it was said once that it works again, and after how long.
func (b *bubble) requireOver(what string) {
	b.t.Helper()
	over := b.matching(`msg="the outage is over"`, dependency(what))
	require.Len(b.t, over, 1, b.story())
	_, text, _ := strings.Cut(over[0].text, "away=")
	away, err := time.ParseDuration(strings.Fields(text)[0])
	require.NoError(b.t, err)
	require.InDelta(b.t, (115 * time.Second).Seconds(), away.Seconds(), 20, "about 100 s, a request that is given up and a wait")
	require.Len(b.t, b.matching("outage"), 5, b.story())
}

// A command that waits for Kafka says so, long before it gives up.
func TestACommandSaysWhatItWaitsFor(t *testing.T) {
	for name, command := range map[string]func(*bubble, context.Context) error{
		"status": func(b *bubble, ctx context.Context) error {
			p, err := assembly.OpenOn(ctx, b.network(), b.config, b.logger())
			if err != nil {
				return err
			}
			return errors.Join(NewOnlooker(p).watch(ctx, time.Second, func(*Status) (bool, error) { return false, nil }), p.Close())
		},
		"sweep": func(b *bubble, ctx context.Context) error {
			_, err := Sweep(ctx, b.config, SweepOptions{Logger: b.logger(), Network: b.network()})
			return err
		},
		"replay": func(b *bubble, ctx context.Context) error {
			return Replay(ctx, b.config, ReplayOptions{NewTableUnused: true, Logger: b.logger(), Network: b.network()})
		},
		"restart": func(b *bubble, ctx context.Context) error {
			_, err := Restart(ctx, b.config, RestartOptions{Logger: b.logger(), Network: b.network()})
			return err
		},
		"a worker that joins": func(b *bubble, ctx context.Context) error { return b.applies(ctx, b.logger()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t)
				defer b.close()
				b.away("Kafka", gone)
				require.ErrorContains(t, command(b, t.Context()), "gave up after 30s")
				lines := b.matching("level=WARN", "outage", "dependency=Kafka")
				require.Len(t, lines, 1, b.story())
				require.LessOrEqual(t, lines[0].at, 5*time.Second)
			})
		})
	}
}

// Rows that go to the dlq are said: the first at once, and the others together once a minute.
func TestDeadLettersAreSaidOncePerReasonAndMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close()
		table, err := dynamodb.Open(t.Context(), dynamodb.Options{Table: "old", Region: "us-east-1", Endpoint: "http://database", Transport: b.database.Transport()})
		require.NoError(t, err)
		for i := range 100 {
			_, err = table.SDK().PutItem(t.Context(), &sdk.PutItemInput{TableName: new("old"), Item: map[string]types.AttributeValue{
				"pk":                &types.AttributeValueMemberS{Value: fmt.Sprint("bad ", i)},
				"crossfade_version": &types.AttributeValueMemberS{Value: "the application's"},
			}})
			require.NoError(t, err)
		}
		require.NoError(t, b.copies(t.Context(), b.logger()))
		b.away("Kafka", well) // from here on time is counted
		stop := b.start(b.applies)
		time.Sleep(3 * time.Minute)
		stop()
		lines := b.matching("level=WARN", `msg="records went to the dlq"`)
		require.Len(t, lines, 2, b.story())
		for i, count := range []int{1, 99} {
			require.Contains(t, lines[i].text, fmt.Sprintf("reason=reserved-attribute records=%d dlq=orders.dlq from=orders.snapshot/", count))
			require.Contains(t, lines[i].text, `key="{\"pk\":{\"S\":\"bad `)
			require.Contains(t, lines[i].text, "crossfade_version")
		}
		require.Equal(t, time.Minute, lines[1].at-lines[0].at)
	})
}

// A worker's log begins with which build does what to which migration, and every assignment says why it came and ended.
func TestAWorkerSaysWhatItBeginsAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close()
		stop := b.start(b.captures)
		time.Sleep(10 * time.Second)
		begins := b.matching("level=INFO", "msg=begins")
		require.Len(t, begins, 1)
		for _, part := range []string{
			"version=devel", "roles=capture", "migration=orders", "generation=1", "phase=copying", "grace=10m0s", "brokers=" + b.cluster.ListenAddrs()[0],
			`"old table"="old at http://database"`, `"new table"="new at http://database"`, "configuration=" + assembly.Fingerprint(b.config.Fingerprint()),
		} {
			require.Contains(t, begins[0].text, part)
		}
		stopSecond := b.start(b.captures)
		time.Sleep(30 * time.Second)
		stopSecond()
		time.Sleep(30 * time.Second)
		stop()
		assigned := b.matching("partitions assigned", "group=orders.capture")
		require.Contains(t, assigned[0].text, `partitions="orders.work 0-3" members=1 why="this process joins the group"`)
		require.NotEmpty(t, b.matching("partitions assigned", "members=2"), b.story())
		require.NotEmpty(t, b.matching("partitions assigned", `why="the group hands its partitions out anew"`), b.story())
		require.NotEmpty(t, b.matching("partitions given up", `why="the group hands its partitions out anew, or has not been heard"`))
		require.Len(t, b.matching("partitions given up", "this process stops them"), 2, b.story())
		require.Len(t, b.matching("partitions given up"), len(assigned), b.story())
	})
}
