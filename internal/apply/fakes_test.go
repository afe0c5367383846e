package apply

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	snapshotTopic = "orders.snapshot"
	liveTopic     = "orders.live"
)

var (
	schema = events.KeySchema{{Name: "pk", Type: "S"}}

	errThrottled = &fault.Error{Class: fault.Retry, Throttle: fault.TableThrottled, Reason: "throttled", What: "put"}
	errRange     = &fault.Error{Class: fault.Retry, Throttle: fault.RangeThrottled, Reason: "range", What: "put"}
	errTimeout   = &fault.Error{Class: fault.Retry, Reason: "timeout", What: "put"}
	errTooLarge  = &fault.Error{Class: fault.Record, What: "put", Err: &events.Invalid{Reason: events.TooLarge, Detail: "500 KB"}}
	errDenied    = &fault.Error{Class: fault.Fatal, Reason: "denied", What: "put", Advice: "allow dynamodb:PutItem"}
)

func snapshotAt(p int) events.TopicPartition {
	return events.TopicPartition{Topic: snapshotTopic, Partition: p}
}

func liveAt(p int) events.TopicPartition {
	return events.TopicPartition{Topic: liveTopic, Partition: p}
}

// row is what the fake table holds for a key.
type row struct {
	version string // empty: the application wrote it
	op      events.Op
	raw     string
}

// call is one write that the fake table is asked for.
type call struct {
	insert bool
	event  events.Event
}

// world is everything around a worker: what is durable, and what can go wrong. It fails the test when the worker
// breaks a contract.
type world struct {
	t     testing.TB
	rules Rules

	// fault says what happens to a write: whether it takes effect, and the error it is answered with.
	fault func(call) (apply bool, err error)
	// latency is how long a call takes.
	latency func() time.Duration
	// overload, if not nil, is asked instead: how long the call takes, and why it is not answered, if it is not.
	overload func() (time.Duration, error)
	// letterFault is asked before a dead letter is written.
	letterFault func(context.Context, events.Record) error

	mu       sync.Mutex
	appended chan struct{} // closed and replaced when a log grows
	logs     map[events.TopicPartition][]events.Record
	ends     map[events.TopicPartition]int64
	start    map[events.TopicPartition]int64

	table   map[string]row
	busy    map[string]bool // keys with a call under way
	active  int             // calls to the table under way
	most    int             // the most of them at once
	calls   [][]call        // in the order of their beginning
	letters map[string]events.Reason

	state checkpoint.State
	stale error // what Fresh answers

	progress  map[events.TopicPartition]Progress
	checked   map[events.TopicPartition]int64
	commits   int
	commitErr error

	fetchErr   error
	unsettled  int64 // bytes fetched and not written
	mostUnsett int64
}

func newWorld(t testing.TB) *world {
	w := &world{
		t:        t,
		rules:    Rules{From: FromStream, SnapshotTopic: snapshotTopic, LiveTopic: liveTopic, LivePartitions: 4, Reserved: []string{"crossfade_version"}},
		fault:    func(call) (bool, error) { return true, nil },
		latency:  func() time.Duration { return 5 * time.Millisecond },
		appended: make(chan struct{}),
		logs:     map[events.TopicPartition][]events.Record{},
		ends:     map[events.TopicPartition]int64{},
		start:    map[events.TopicPartition]int64{},
		table:    map[string]row{},
		busy:     map[string]bool{},
		letters:  map[string]events.Reason{},
		progress: map[events.TopicPartition]Progress{},
		checked:  map[events.TopicPartition]int64{},
		state:    checkpoint.State{Created: &checkpoint.Created{Generation: 1}},
	}
	w.letterFault = func(context.Context, events.Record) error { return nil }
	return w
}

// config is that of a worker in this world.
func (w *world) config() Config {
	return Config{
		Fetcher: w, Target: w, DeadLetter: w.deadLetter, Rules: w.rules, Schema: schema, Watch: (*watched)(w),
		InFlight: 8, CommitEvery: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// assigned is every partition from its committed progress on.
func (w *world) assigned() map[events.TopicPartition]Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[events.TopicPartition]Progress{}
	for id := range w.logs {
		all[id] = w.progress[id]
	}
	return all
}

// append puts a record at the end of a partition and returns its offset.
func (w *world) append(id events.TopicPartition, r events.Record) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.TopicPartition, r.Offset = id, w.ends[id]
	w.logs[id] = append(w.logs[id], r)
	w.ends[id]++
	close(w.appended)
	w.appended = make(chan struct{})
	return r.Offset
}

// hole leaves offsets without a record, as compaction and transaction markers do.
func (w *world) hole(id events.TopicPartition, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[id] += n
}

func (w *world) Fetch(ctx context.Context, id events.TopicPartition, offset int64, maxBytes int) (Batch, error) {
	idle := time.NewTimer(100 * time.Millisecond)
	defer idle.Stop()
	for {
		w.mu.Lock()
		batch, err := w.read(id, offset, maxBytes)
		appended := w.appended
		w.mu.Unlock()
		if err != nil || batch.Next > offset {
			return batch, err
		}
		select {
		case <-appended:
		case <-idle.C:
			return batch, nil
		case <-ctx.Done():
			return Batch{}, context.Cause(ctx)
		}
	}
}

func (w *world) read(id events.TopicPartition, offset int64, maxBytes int) (Batch, error) {
	if w.fetchErr != nil {
		return Batch{}, w.fetchErr
	}
	if offset < w.start[id] {
		return Batch{}, &fault.Error{Class: fault.Fatal, Reason: "deleted", What: fmt.Sprintf("offset %d of %s is deleted", offset, id), Err: ErrGap}
	}
	batch := Batch{Next: w.ends[id], End: w.ends[id]}
	size := 0
	for _, r := range w.logs[id] {
		if r.Offset < offset {
			continue // read before
		}
		if len(batch.Records) > 0 && size+r.Memory() > maxBytes {
			batch.Next = r.Offset
			break
		}
		size += r.Memory()
		batch.Records = append(batch.Records, r)
	}
	w.unsettled += int64(size)
	w.mostUnsett = max(w.mostUnsett, w.unsettled)
	return batch, nil
}

func (w *world) Insert(ctx context.Context, rows []events.Event) []Result {
	assert.NotEmpty(w.t, rows)
	assert.LessOrEqual(w.t, len(rows), MaxInsert)
	calls := make([]call, len(rows))
	for i, e := range rows {
		calls[i] = call{true, e}
		assert.Equal(w.t, events.Write, e.Op)
		assert.Equal(w.t, events.Snapshot, e.Version.Class)
		assert.Equal(w.t, events.Version{Generation: 1}, e.Version, "an insert cannot replace an older row")
	}
	return w.do(ctx, calls)
}

func (w *world) Put(ctx context.Context, e events.Event) Result {
	return w.do(ctx, []call{{false, e}})[0]
}

// do makes one call to the table.
func (w *world) do(ctx context.Context, calls []call) []Result {
	w.mu.Lock()
	w.calls = append(w.calls, calls)
	w.active++
	w.most = max(w.most, w.active)
	for _, c := range calls {
		key := string(c.event.Key)
		assert.NotEmpty(w.t, key)
		if w.busy[key] {
			w.t.Errorf("two calls at once for key %s", key)
		}
		w.busy[key] = true
	}
	w.mu.Unlock()

	var unanswered error
	if w.overload != nil {
		var took time.Duration
		took, unanswered = w.overload()
		time.Sleep(took)
	} else {
		time.Sleep(w.latency())
	}
	assert.NoError(w.t, ctx.Err(), "a call that has begun is finished")

	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	results := make([]Result, len(calls))
	for i, c := range calls {
		delete(w.busy, string(c.event.Key))
		apply, err := w.fault(c)
		if apply {
			results[i].Outcome = w.change(c)
		}
		if err = cmp.Or(unanswered, err); err != nil {
			results[i] = Result{Err: err}
		}
	}
	return results
}

// change is the table's conditional write.
func (w *world) change(c call) Outcome {
	key, version := string(c.event.Key), c.event.Version.String()
	have, ok := w.table[key]
	switch {
	case ok && c.insert:
		return Present
	case ok && have.version == "":
		return AppOwned
	case ok && have.version == version:
		return Duplicate
	case ok && have.version > version:
		return Stale
	}
	w.table[key] = row{version, c.event.Op, string(c.event.Item.Raw)}
	return Applied
}

func place(r events.Record) string { return fmt.Sprintf("%s@%d", r.TopicPartition, r.Offset) }

func (w *world) deadLetter(ctx context.Context, r events.Record, why *events.Invalid) error {
	assert.NotNil(w.t, why)
	_, bounded := ctx.Deadline()
	assert.True(w.t, bounded, "every remote call has a deadline")
	w.mu.Lock()
	letterFault := w.letterFault
	w.mu.Unlock()
	if err := letterFault(ctx, r); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.letters[place(r)] = why.Reason
	return nil
}

// watched is the world as a Watch.
type watched world

func (w *watched) State() checkpoint.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *watched) Fresh() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stale
}

// commit checks that everything below the committed offsets is settled, then keeps them.
func (w *world) commit(_ context.Context, progress map[events.TopicPartition]Progress) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.commitErr != nil {
		return w.commitErr
	}
	assert.NotEmpty(w.t, progress)
	w.commits++
	for id, p := range progress {
		assert.LessOrEqual(w.t, p.Offset, w.ends[id])
		records := int64(0)
		for _, r := range w.logs[id] {
			if r.Offset >= p.Offset {
				break
			}
			records++
			if r.Offset >= w.checked[id] {
				w.requireSettled(r)
			}
		}
		w.checked[id] = max(w.checked[id], p.Offset)
		assert.Equal(w.t, records, p.Counts.Total(), "every record below %s@%d is counted once: %+v", id, p.Offset, p.Counts)
	}
	maps.Copy(w.progress, progress)
	return nil
}

// requireSettled demands that a record needs no further work: it, or something higher, is in the table, or it is in
// the dlq, or it must never be applied.
func (w *world) requireSettled(r events.Record) {
	if _, dead := w.letters[place(r)]; dead {
		return
	}
	e, drop, err := w.rules.Decide(events.NewDecoder(schema), r, w.state)
	if drop != 0 {
		return
	}
	assert.NoError(w.t, err, "committed %s, which is not in the dlq", place(r))
	have, ok := w.table[string(e.Key)]
	assert.True(w.t, ok && (have.version == "" || have.version >= e.Version.String()),
		"committed %s, whose %s of %s is not in the table: %+v", place(r), e.Version, e.Key, have)
}

// running is a worker that runs.
type running struct {
	w      *world
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

// run starts a worker on every partition that there is.
func (w *world) run(change ...func(*Config)) *running {
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	return w.runs(New(c))
}

// runs starts this worker on every partition that there is.
func (w *world) runs(worker *Worker) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{w: w, cancel: cancel, ended: make(chan struct{})}
	assigned := w.assigned()
	w.t.Cleanup(func() { _ = r.stop() })
	go func() {
		defer close(r.ended)
		r.err = worker.Run(ctx, assigned, w.commit)
	}()
	return r
}

// stop ends the worker as a rebalance or a signal does.
func (r *running) stop() error {
	r.cancel()
	return r.wait()
}

func (r *running) wait() error {
	<-r.ended
	r.cancel()
	return r.err
}

// done reports whether everything in the logs is committed.
func (w *world) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, end := range w.ends {
		if w.progress[id].Offset != end {
			return false
		}
	}
	return true
}

// finish lets the worker run until everything is committed, then stops it.
func (r *running) finish() {
	r.w.t.Helper()
	began := time.Now()
	for !r.w.done() {
		select {
		case <-r.ended:
			require.FailNow(r.w.t, "the worker has ended", "%v", r.err)
		case <-time.After(10 * time.Millisecond):
		}
		require.Less(r.w.t, time.Since(began), time.Hour, "it does not end: %+v of %+v", r.w.progress, r.w.ends)
	}
	require.NoError(r.w.t, r.stop())
}

func (w *world) counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum Counts
	for _, p := range w.progress {
		sum = sum.Add(p.Counts)
	}
	return sum
}

func keyOf(name string) events.Key { return events.Key(fmt.Sprintf(`{"pk":{"S":%q}}`, name)) }

// item is a row of the key called name.
func item(name, value string) events.Item {
	return events.Item{Raw: fmt.Appendf(nil, `{"pk":{"S":%q},"v":{"S":%q}}`, name, value)}
}

func read(name, value string) events.Record {
	return events.Encode(events.Event{Key: keyOf(name), Op: events.Write, Version: events.Version{Generation: 1}, Item: item(name, value), Source: "0/1"})
}

func liveVersion(n uint64) events.Version {
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(n)}
}

func change(name string, n uint64, value string) events.Record {
	return events.Encode(events.Event{Key: keyOf(name), Op: events.Write, Version: liveVersion(n), Item: item(name, value), Source: "shard"})
}

func remove(name string, n uint64, op events.Op) events.Record {
	return events.Encode(events.Event{Key: keyOf(name), Op: op, Version: liveVersion(n), Source: "shard"})
}
