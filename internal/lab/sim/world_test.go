package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

const (
	migrationName = "m"
	oldTable      = "old"
	newTable      = "new"
	agentPrefix   = "sim/" // only who has it meets faults
	region        = "us-east-1"
)

// world is a cluster of brokers and a database inside one bubble, the migration between two tables of it, and all
// processes that work on it.
type world struct {
	t        *testing.T
	plan     plan
	story    *story
	wires    *kfake.VirtualNetwork
	cluster  *kfake.Cluster
	database *embedded.Server
	config   *migration.Config
	topics   kafka.Topics
	model    *model
	weather  *weather
	groups   *broker.Groups
	witness  *witness

	broker *kafka.Client // the witness's and the application's own: it meets no faults of a process

	mu        sync.Mutex
	launched  map[role]int
	seats     map[*seat]*process
	everyone  []*process
	interrupt func(*process, step, moment) bool // true kills
	ambush    *ambush                           // nil for none
	grace     func()                            // called when a sweep waits for one; nil for nothing

	requests sync.WaitGroup // to the database, on their way
	eternity *time.Timer

	busy     sync.WaitGroup // what troubles have left for later
	calmed   chan struct{}  // closed when the phase is over
	failures []string
}

// newWorld builds a world; it must be called inside a bubble.
func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	w := &world{
		t: t, plan: p, story: &story{began: time.Now()}, wires: &kfake.VirtualNetwork{}, topics: kafka.TopicsOf(migrationName),
		launched: map[role]int{}, seats: map[*seat]*process{}, weather: newWeather(p.seed),
	}
	var err error
	w.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(brokers), kfake.Ports(9092, 9093, 9094), kfake.ListenFn(w.wires.Listen),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
	)
	require.NoError(t, err)
	w.forgetOffsets()
	w.database = embedded.New(embedded.Options{Shards: p.shards, Fault: w.weather.database})
	w.createTables()
	w.config, err = migration.Parse("migration.yaml", []byte(p.yaml(w.cluster.ListenAddrs())))
	require.NoError(t, err)
	w.broker, err = kafka.Open(kafka.Options{Brokers: w.cluster.ListenAddrs(), ClientID: "witness", Dial: w.wires.DialContext})
	require.NoError(t, err)
	w.groups = broker.WatchGroups(w.cluster, w.wires.DialContext, func(member, group string) {
		w.story.tell("broker", "gives up %s of group %s, which is silent", member[:min(len(member), 16)], group)
	})
	// Fake time passes as long as anyone waits for anything, so without this a worker that never ends would hang the test.
	w.eternity = time.AfterFunc(6*time.Hour, func() { panic("a worker does not end:\n" + w.story.String()) })
	w.model = newModel(w)
	if p.late {
		w.enableStream(oldTable)
	}
	w.witness = newWitness(w)
	return w
}

const brokers = 3

func (w *world) createTables() {
	attributes, keys := []map[string]string{}, []map[string]string{}
	for i, k := range w.plan.schema {
		attributes = append(attributes, map[string]string{"AttributeName": k.Name, "AttributeType": k.Type})
		keys = append(keys, map[string]string{"AttributeName": k.Name, "KeyType": []string{"HASH", "RANGE"}[i]})
	}
	for _, table := range []string{oldTable, newTable} {
		w.ask("CreateTable", map[string]any{
			"TableName": table, "AttributeDefinitions": attributes, "KeySchema": keys, "BillingMode": "PAY_PER_REQUEST",
		}, nil)
		if table != oldTable || !w.plan.late {
			w.enableStream(table)
		}
	}
}

func (w *world) enableStream(table string) {
	w.ask("UpdateTable", map[string]any{
		"TableName": table, "StreamSpecification": map[string]any{"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
	}, nil)
}

// ask makes a call of the database that nothing disturbs.
func (w *world) ask(operation string, in, out any) {
	w.t.Helper()
	require.NoError(w.t, w.try(operation, in, out))
}

func (w *world) try(operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://database", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Authorization", "none is checked")
	response, err := w.database.Transport().RoundTrip(r) //nolint:bodyclose // it is in memory
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", operation, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// items reads a table whole.
func (w *world) items(table string) []json.RawMessage {
	var all []json.RawMessage
	for after, first := json.RawMessage(nil), true; first || after != nil; first = false {
		in := map[string]any{"TableName": table, "ConsistentRead": true}
		if after != nil {
			in["ExclusiveStartKey"] = after
		}
		var page struct {
			Items            []json.RawMessage
			LastEvaluatedKey json.RawMessage
		}
		w.ask("Scan", in, &page)
		all, after = append(all, page.Items...), page.LastEvaluatedKey
	}
	return all
}

// table opens a table as a worker does, without its faults.
func (w *world) table(name string) *dynamodb.Table {
	t, err := dynamodb.Open(w.t.Context(), dynamodb.Options{
		Table: name, Region: region, Endpoint: "http://database", Transport: w.database.Transport(),
	})
	require.NoError(w.t, err)
	return t
}

// onStep is asked before and after every request of every process.
func (w *world) onStep(p *process, s step, m moment) error {
	w.mu.Lock()
	hit := w.interrupt != nil && w.interrupt(p, s, m)
	w.walksInto(p, s, m)
	w.mu.Unlock()
	if hit {
		w.story.tell(p.name, "is killed %s %q", map[moment]string{before: "before", after: "after"}[m], s)
		p.kill()
		return errDead
	}
	if err := w.weather.broken(s, m); err != nil {
		w.story.tell(p.name, "loses its connection %s %q", map[moment]string{before: "before", after: "after"}[m], s)
		return err
	}
	return nil
}

// setInterrupt sets what decides about kills at steps; nil is nothing. It is called under the world's lock.
func (w *world) setInterrupt(f func(*process, step, moment) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupt = f
}

// fail notes a broken promise; the story goes on to its end, where all of them are shown.
func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.story.tell("CHECK", "%s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) < maxFailures {
		w.failures = append(w.failures, text)
	}
}

const maxFailures = 20

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failures) > 0
}

// workers are the processes on the seats.
func (w *world) workers() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*process
	for _, one := range slices.Backward(w.everyone) { // in the order of their starts, for the sake of repetition
		for _, p := range w.seats {
			if p == one {
				all = append(all, p)
			}
		}
	}
	return all
}

// create runs create until it has succeeded.
func (w *world) create() {
	for range 50 {
		p := w.launch(creator)
		select {
		case <-p.done:
		case <-p.network.dead:
		}
		if !p.killed() && p.err == nil {
			return
		}
		if !p.killed() && !w.weather.bad() {
			w.fail("create: %v", p.err)
			return
		}
		time.Sleep(time.Second)
	}
	w.fail("create did not succeed")
}

// close ends everything; what is left of killed processes ends too.
func (w *world) close() {
	w.mu.Lock()
	everyone := w.everyone
	w.mu.Unlock()
	for _, p := range everyone {
		p.network.release()
		p.stop()
	}
	for _, p := range everyone {
		<-p.done
	}
	if err := w.broker.Close(); err != nil {
		w.fail("close: %v", err)
	}
	w.requests.Wait()
	time.Sleep(time.Second) // what goes to a broker arrives too, though nobody waits for it
	w.eternity.Stop()
	w.groups.Close()
	w.cluster.Close()
}
