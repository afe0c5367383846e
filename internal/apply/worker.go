package apply

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Watch is what a worker asks of checkpoint.Watch.
type Watch interface {
	State() checkpoint.State
	Fresh() error
}

// Config is what a Worker works with. Fetcher, Target, DeadLetter, Rules, Schema and Watch are required.
type Config struct {
	Fetcher    Fetcher
	Target     Target
	DeadLetter DeadLetter
	Rules      Rules
	Schema     events.KeySchema
	Watch      Watch
	// Gap makes it known that a partition has stopped at this progress, because it has lost records or the dlq refuses one
	// of them, as Progress.Gap says; it returns nil once that is durable. Where it is nil, either ends the whole worker.
	Gap func(ctx context.Context, id events.TopicPartition, at Progress) error

	InFlight    int           // calls to the target at once, at the most; 0 is 64
	MaxBytes    int64         // records in memory, in bytes, one half for each topic; 0 is 64 MiB
	Units       float64       // write units a second for this worker at first, see Limits; 0 is unlimited
	CommitEvery time.Duration // 0 is 1 s

	Logger *slog.Logger
}

// The defaults of Config, and bounds that need no setting.
const (
	defaultInFlight    = 64
	defaultMaxBytes    = 64 << 20
	defaultCommitEvery = time.Second
	maxFetchBytes      = 1 << 20
	minFetchBytes      = 32 << 10
	// refusalsEvery is the time between lines about writes that are refused.
	refusalsEvery = 30 * time.Second
)

// Worker applies the records of the partitions it is given.
type Worker struct {
	Config

	mu      sync.Mutex
	limits  Limits
	running map[*lanes]bool // of the runs under way
}

// New returns a worker; it starts nothing.
func New(c Config) *Worker {
	c.InFlight = cmp.Or(c.InFlight, defaultInFlight)
	c.MaxBytes = cmp.Or(c.MaxBytes, defaultMaxBytes)
	c.CommitEvery = cmp.Or(c.CommitEvery, defaultCommitEvery)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return &Worker{Config: c, limits: Limits{Units: c.Units}, running: map[*lanes]bool{}}
}

// Run applies the assigned partitions, each from its committed progress on, until ctx ends; then it finishes
// the writes under way, commits once more and returns nil. It returns an error when something fails for good:
// the caller must not commit anything further for these partitions.
func (w *Worker) Run(ctx context.Context, assigned map[events.TopicPartition]Progress, commit Commit) error {
	r := w.newRun(assigned)
	defer r.behind.Close() //nolint:errcheck // it cannot fail
	group, groupCtx := errgroup.WithContext(ctx)
	defer context.AfterFunc(groupCtx, r.wake)()
	defer w.limited(r.lanes)()
	for _, p := range r.partitions {
		group.Go(func() error { return r.fetch(groupCtx, p) })
	}
	for range w.InFlight + maxPosting {
		group.Go(func() error { return r.write(groupCtx) })
	}
	group.Go(func() error { return r.commitAll(groupCtx, commit) })
	err := group.Wait()
	if !errors.Is(err, ErrFenced) {
		err = r.lastCommit(context.WithoutCancel(ctx), commit, err)
	}
	if errors.Is(err, ErrFenced) {
		w.Logger.Debug("the group has moved on; another member applies what is not committed")
		return nil
	}
	return err
}

// run is one assignment.
type run struct {
	*Worker
	partitions []*partition
	lanes      *lanes
	fetchBytes int64
	behind     *fault.Dependency // the control log, where records wait for what it has yet to say
	refused    atomic.Int64      // writes to be tried again, since the last line about them
	refusals   rate.Sometimes    // paces those lines: a table that is throttled refuses thousands of keys
	written    atomic.Int64      // when a write last succeeded, or else this run began; ns since 1970
}

func (w *Worker) newRun(assigned map[events.TopicPartition]Progress) *run {
	r := &run{Worker: w, refusals: rate.Sometimes{Interval: refusalsEvery}, lanes: newLanes(w.atMost(Limits{Units: w.Units}), time.Now())}
	r.written.Store(time.Now().UnixNano())
	r.behind = fault.NewDependency(w.Logger, "control log", "what this worker has read of it")
	// Two budgets, so that a backlog of one topic cannot keep the other out.
	snapshot, live := newBudget(w.MaxBytes/2), newBudget(w.MaxBytes/2)
	for id, start := range assigned {
		b := live
		if id.Topic == w.Rules.SnapshotTopic {
			b = snapshot
		}
		r.partitions = append(r.partitions, newPartition(id, start, b))
	}
	// All partitions at once may reserve a quarter of a budget: else a few records that do not get done, or fetches
	// that wait for records, would leave no room for a fetch at all.
	r.fetchBytes = min(maxFetchBytes, max(minFetchBytes, w.MaxBytes/8/int64(max(1, len(assigned)))))
	return r
}

// wake makes everyone who waits look at the context again.
func (r *run) wake() {
	r.lanes.wake()
	for _, p := range r.partitions {
		p.wake()
	}
}
