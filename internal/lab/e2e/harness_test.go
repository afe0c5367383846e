package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	ourfault "github.com/crossfadedb/crossfade/internal/fault" // fault is a kind of trouble here
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/lab/services"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// bin is where the binaries are.
var bin string

func TestMain(m *testing.M) {
	// toxiproxy leaves these behind when a connection is cut while one of its toxics holds bytes back.
	goleak.VerifyTestMain(suite{m},
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// suite builds the binaries, and ends the services before leaks are looked for.
type suite struct{ *testing.M }

func (s suite) Run() int {
	if os.Getenv("CROSSFADE_SERVICES") != "1" {
		return s.M.Run() // every test skips itself
	}
	// DynamoDB Local takes any credentials of letters and digits.
	os.Setenv("AWS_ACCESS_KEY_ID", "test")
	os.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	dir, err := os.MkdirTemp("", "crossfade-e2e")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", bin+"/", "../../../cmd/...")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return services.Main(s.M)
}

var schema = events.KeySchema{{Name: "country", Type: "S"}, {Name: "cityId", Type: "N"}}

// kills is how many workers of each kind are killed in a migration.
const kills = 3

// grace of the migrations under test: short, so that a sweep does not take ten minutes.
const grace = 16 * time.Second

// places are where the services are: for the test and the application, and for the workers, who may have to go by way of
// something that disturbs them.
type places struct {
	brokers, endpoint             string
	workerBrokers, workerEndpoint string
}

// world is one migration under test.
type world struct {
	t        *testing.T
	config   *migration.Config
	file     string
	old, new *dynamodb.Table
	brokers  string
	workers  []*worker
	logger   *slog.Logger
	began    time.Time

	write     func(snapshot string) // the workers' file, with these lines about the snapshot
	supervise func()                // looks after workers that have ended
}

// worker is a process that is started again when it is killed.
type worker struct {
	*demo.Process
	argv  []string
	began time.Time
}

var worlds atomic.Int64

// size is how many rows a test moves: few, or many where CROSSFADE_PROOF is 1.
func size(few, many int) int {
	if os.Getenv("CROSSFADE_PROOF") == "1" {
		return many
	}
	return few
}

// slow is a rate at which no snapshot here comes to its end before it has been disturbed, and quick is none at all. How
// fast rows are read may change while a migration is under way.
const slow, quick = "max_read_units: 10", "max_read_units: 0"

// newWorld makes both tables on a fresh server, empty, and the configuration; live is more YAML, and snapshot what it
// says of the snapshot, beside its rate.
func newWorld(t *testing.T, live, snapshot string) *world {
	t.Helper()
	brokers, endpoint := services.Kafka(t), services.DynamoDB(t)
	return newWorldAt(t, places{brokers, endpoint, brokers, endpoint}, grace, live, snapshot)
}

func newWorldAt(t *testing.T, at places, grace time.Duration, live, snapshot string) *world {
	t.Helper()
	w := &world{t: t, brokers: at.brokers, logger: slog.New(slog.NewTextHandler(t.Output(), nil)), began: time.Now()}
	w.supervise = w.noneFails
	w.file = filepath.Join(t.TempDir(), "migration.yaml")
	name := fmt.Sprintf("e2e-%d-%d", os.Getpid(), worlds.Add(1))
	text := func(brokers, endpoint, rate string) []byte {
		return fmt.Appendf(nil, `name: %s
source: {dynamodb: {table: old, region: us-east-1, endpoint: "%s"}}
target: {dynamodb: {table: new, region: us-east-1, endpoint: "%s"}}
kafka: {brokers: ["%s"]}
grace: %s
%s
snapshot: {%s, %s}
`, name, endpoint, endpoint, brokers, grace, live, snapshot, rate)
	}
	w.write = func(rate string) {
		t.Helper()
		written := w.file + ".new" // a worker that starts at this moment reads the one or the other
		require.NoError(t, os.WriteFile(written, text(at.workerBrokers, at.workerEndpoint, rate), 0o644))
		require.NoError(t, os.Rename(written, w.file))
	}
	w.write(quick)
	var err error
	w.config, err = migration.Parse("the test's own", text(at.brokers, at.endpoint, quick))
	require.NoError(t, err)
	for _, side := range []struct {
		name  string
		table **dynamodb.Table
	}{{"old", &w.old}, {"new", &w.new}} {
		*side.table, err = dynamodb.Open(t.Context(), dynamodb.Options{Table: side.name, Region: "us-east-1", Endpoint: at.endpoint})
		require.NoError(t, err)
		_, err = (*side.table).SDK().CreateTable(t.Context(), &sdk.CreateTableInput{
			TableName: new(side.name), BillingMode: types.BillingModePayPerRequest,
			KeySchema: []types.KeySchemaElement{
				{AttributeName: new("country"), KeyType: types.KeyTypeHash}, {AttributeName: new("cityId"), KeyType: types.KeyTypeRange},
			},
			AttributeDefinitions: []types.AttributeDefinition{
				{AttributeName: new("country"), AttributeType: types.ScalarAttributeTypeS},
				{AttributeName: new("cityId"), AttributeType: types.ScalarAttributeTypeN},
			},
		})
		require.NoError(t, err)
	}
	t.Cleanup(w.stopAll)
	return w
}

// table is one side as an application sees it.
func (w *world) table(t *dynamodb.Table) demo.SDKTable {
	return demo.SDKTable{Client: t.SDK(), Name: t.Name()}
}

// load fills the old table.
func (w *world) load(rows demo.Rows) {
	w.t.Helper()
	w.step("load")
	const parts = 8
	errs := make(chan error, parts)
	for p := range parts {
		go func() {
			errs <- w.table(w.old).Load(w.t.Context(), rows, rows.Len()*p/parts, rows.Len()*(p+1)/parts)
		}()
	}
	for range parts {
		require.NoError(w.t, <-errs)
	}
}

func (w *world) create(o operate.CreateOptions) {
	w.t.Helper()
	w.step("create")
	o.Logger = w.logger
	report, err := operate.Create(w.t.Context(), w.config, o)
	require.NoError(w.t, err, "%+v", report)
	require.True(w.t, report.Created)
}

// start starts n workers of a binary.
func (w *world) start(binary string, n int) {
	w.t.Helper()
	for i := range n {
		argv := []string{filepath.Join(bin, binary), "-f", w.file}
		p, err := demo.StartProcess(fmt.Sprintf("%s %d", binary, i+1), argv, nil)
		require.NoError(w.t, err)
		w.workers = append(w.workers, &worker{p, argv, time.Now()})
	}
}

// running is the first worker in this order that has not ended its work; of this binary, or of any if it is empty. Nil
// when there is none.
func (w *world) running(order []int, binary string) *worker {
	for _, i := range order {
		p := w.workers[i]
		if ended, _ := p.Ended(); !ended && (binary == "" || filepath.Base(p.argv[0]) == binary) {
			return p
		}
	}
	return nil
}

// kill ends the first worker of this binary in this order with SIGKILL, and starts it again. False when all of them have
// ended their work.
func (w *world) kill(binary string, order []int) bool {
	w.t.Helper()
	p := w.running(order, binary)
	if p == nil {
		return false
	}
	require.NoError(w.t, p.Kill())
	w.again(p)
	return true
}

// again starts a worker that has ended.
func (w *world) again(p *worker) {
	w.t.Helper()
	process, err := demo.StartProcess(p.Name, p.argv, nil)
	require.NoError(w.t, err)
	p.Process, p.began = process, time.Now()
}

// live lets an application run until the returned function is called, which requires that it had no trouble, or until it has
// made so many changes, if limit is not 0. A machine on which fewer changes are applied a second than are made never comes to
// the snapshot: that yields to them.
func (w *world) live(app *demo.Application, limit int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, limit) }()
	return func() {
		w.t.Helper()
		cancel()
		require.NoError(w.t, <-ended)
	}
}

// stopAll ends the workers that still run, as an operator does.
func (w *world) stopAll() {
	for _, p := range w.workers {
		if ended, err := p.Ended(); ended {
			if err != nil {
				w.t.Errorf("%v", err)
			}
		} else if err := p.Stop(hung); err != nil {
			w.t.Errorf("%v", err)
		}
	}
	w.workers = nil
}

func (w *world) status() *operate.Status {
	w.t.Helper()
	var s *operate.Status
	w.answered("status", func() (err error) {
		s, err = operate.ReadStatus(w.t.Context(), w.config)
		return err
	})
	return s
}

// answered does something again that gave up because nothing answered it for long: a person would, on a machine that is busy
// with something else.
func (w *world) answered(what string, do func() error) {
	w.t.Helper()
	for began := time.Now(); ; {
		err := do()
		if err == nil {
			return
		}
		require.True(w.t, ourfault.Of(err) == ourfault.Retry && time.Since(began) < hung, "%s: %v", what, err)
		w.t.Logf("%s, again: %v", what, err)
	}
}

// noneFails requires that no worker has failed.
func (w *world) noneFails() {
	w.t.Helper()
	for _, p := range w.workers {
		if ended, err := p.Ended(); ended {
			require.NoError(w.t, err)
		}
	}
}

// hung is how long anything may take before it counts as something that will never end. It judges no speed: it is there for
// the logs of the workers, which a test that is ended from outside does not show.
const hung = 10 * time.Minute

// step says in the log when something began, counted from the start of the migration.
func (w *world) step(what string) { w.t.Logf("%5.1f s: %s", time.Since(w.began).Seconds(), what) }

// until waits for a status.
func (w *world) until(what string, reached func(*operate.Status) bool) *operate.Status {
	w.t.Helper()
	w.step("waiting for " + what)
	deadline := time.Now().Add(hung)
	for {
		s := w.status()
		if reached(s) {
			return s
		}
		w.supervise()
		if time.Now().After(deadline) {
			for _, p := range w.workers {
				w.t.Logf("%s:\n%s", p.Name, p.Log())
			}
			require.Failf(w.t, "waited in vain", "%s, for %s; status %+v capture %+v", what, hung, s, s.Capture)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// closed waits until the snapshot is closed and applied.
func (w *world) closed() {
	w.t.Helper()
	w.until("the snapshot to be closed and applied", func(s *operate.Status) bool {
		return s.Phase == checkpoint.Streaming && s.SnapshotLag == 0
	})
}

// quiet waits until everything that happened before the call is applied.
func (w *world) quiet() {
	w.t.Helper()
	since := time.Now()
	w.until("every change to be applied", func(s *operate.Status) bool {
		captured := s.Capture == nil || s.Capture.Confirmed.After(since)
		return captured && s.LiveLag == 0 && s.SnapshotLag == 0
	})
}

func (w *world) sweep(o operate.SweepOptions) {
	w.t.Helper()
	w.step("sweep")
	o.Logger, o.Say = w.logger, func(text string) { w.t.Log("sweep:", text) }
	w.answered("sweep", func() error {
		summary, err := operate.Sweep(w.t.Context(), w.config, o)
		w.t.Logf("sweep: %+v", summary)
		return err
	})
}

// equal reads both tables whole and requires them to be the same, byte for byte.
func (w *world) equal(deleted func(string) bool, markers int) {
	w.t.Helper()
	w.step("compare")
	c, err := compare.Tables(w.t.Context(), w.old, w.new, compare.Options{Schema: schema, Names: assembly.Attributes(w.config), Deleted: deleted})
	require.NoError(w.t, err)
	w.t.Logf("compared: %+v", c)
	if markers >= 0 {
		require.Equal(w.t, markers, c.Markers)
	}
	c.Markers = 0
	require.True(w.t, c.OK(), "%+v", c)
}

// kafka is a client of the test's own.
func (w *world) kafka() *kafka.Client {
	w.t.Helper()
	c, err := kafka.Open(kafka.Options{Brokers: []string{w.brokers}, ClientID: "test"})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// records is how many records a topic holds.
func (w *world) records(topic string) int64 {
	w.t.Helper()
	ends, err := w.kafka().EndOffsets(w.t.Context(), topic)
	require.NoError(w.t, err)
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	return total
}

// killing kills a worker of each kind at random moments, three times over, while the snapshot is read slowly. Then what is
// left is read quickly, by snapshot workers that were asked to end, and started again.
func (w *world) killing(within time.Duration) {
	w.t.Helper()
	w.step("killing")
	for range kills {
		for _, binary := range []string{"snapshot", "streamer"} {
			time.Sleep(500*time.Millisecond + rand.N(within))
			require.True(w.t, w.kill(binary, rand.Perm(len(w.workers))), "every %s has ended its work, although it was slow", binary)
		}
	}
	w.step("hurrying")
	w.write(quick)
	for _, p := range w.workers {
		if filepath.Base(p.argv[0]) == "snapshot" {
			require.NoError(w.t, p.Stop(hung))
			w.again(p)
		}
	}
}
