package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// Config is what a Worker works with. Log, Target, DeadLetter, Rules, Schema and Watch are required.
type Config struct {
	Log        Log
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
	// finalCommit bounds the commit after the work has stopped: the group waits for it.
	finalCommit = 5 * time.Second
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

// lastCommit makes durable what the writes under way achieved after the last tick. It returns what ended the work,
// or else what the commit says, if that is more than that it may be tried again: then it only costs work.
func (r *run) lastCommit(ctx context.Context, commit Commit, ended error) error {
	ctx, cancel := context.WithTimeout(ctx, finalCommit)
	defer cancel()
	err := fault.Do(ctx, nil, func(ctx context.Context) error { return r.commit(ctx, commit) })
	if err == nil || ended == nil && (errors.Is(err, ErrFenced) || fault.Of(err) != fault.Retry) {
		return cmp.Or(ended, err)
	}
	// Joined, the class of this error could hide the class of the one that matters.
	r.Logger.Warn("the last commit failed; what it would have covered will be applied again", "error", err)
	return ended
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

// fetch reads one partition, decides about each record, and puts the jobs into the lanes.
func (r *run) fetch(ctx context.Context, p *partition) error {
	decoder := events.NewDecoder(r.Schema)
	next := p.progress.Offset
	for {
		if why := p.waitRoom(func() bool { return ctx.Err() != nil }); why != nil {
			return r.stopped(ctx, p, why)
		}
		if p.budget.reserve(ctx, r.fetchBytes) != nil {
			return nil //nolint:nilerr // stopped: nothing was fetched
		}
		batch, err := r.fetchOnce(ctx, p, next)
		if err != nil {
			p.budget.adjust(-r.fetchBytes)
			switch {
			case ctx.Err() != nil:
				return nil //nolint:nilerr // stopped: nothing was fetched
			case errors.Is(err, ErrGap):
				return r.stopped(ctx, p, err)
			}
			return err
		}
		size := int64(0)
		for _, record := range batch.Records {
			size += int64(record.Memory())
		}
		p.budget.adjust(size - r.fetchBytes)
		if err := r.dispatch(ctx, p, decoder, next, batch); err != nil {
			return err
		}
		next = batch.Next
	}
}

func (r *run) fetchOnce(ctx context.Context, p *partition, offset int64) (Batch, error) {
	return fault.Get(ctx, fault.Retrying(r.Logger, "fetch "+p.id.String()), func(ctx context.Context) (Batch, error) {
		return r.Log.Fetch(ctx, p.id, offset, int(r.fetchBytes))
	})
}

// sayEvery is how often a partition that has stopped says so.
const sayEvery = time.Minute

// stopped leaves a partition where it is, until this worker ends, and lets the others go on. Invariants 4 and 9: nothing is
// skipped, for its frontier stays.
func (r *run) stopped(ctx context.Context, p *partition, why error) error {
	if r.Gap == nil {
		return why
	}
	p.halt(why)
	if err := r.Gap(ctx, p.id, p.at()); err != nil && ctx.Err() == nil {
		return err
	}
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		r.Logger.Error("this partition has stopped, and nothing of it is skipped; the others go on", "partition", p.id.String(), "error", why)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// dispatch begins every record of the batch fetched at offset from, in order, and ends it in exactly one of
// three ways: dropped and counted here, or by the lanes in the table or in the dlq.
func (r *run) dispatch(ctx context.Context, p *partition, decoder *events.Decoder, from int64, batch Batch) error {
	jobs := make([]*job, 0, len(batch.Records))
	for _, record := range batch.Records {
		t := p.begin(record.Offset, int64(record.Memory()))
		from = record.Offset + 1
		event, dropped, err := r.decide(ctx, decoder, record)
		j := &job{event: event, record: record, ticket: t}
		switch invalid, isInvalid := errors.AsType[*events.Invalid](err); {
		case isInvalid:
			j.dead = invalid
			jobs = append(jobs, j)
		case err != nil && ctx.Err() != nil:
			return nil //nolint:nilerr // stopped: the record stays pending, so nothing from it on is committed
		case err != nil:
			return fmt.Errorf("record %s@%d: %w", p.id, record.Offset, err)
		case dropped != 0:
			t.done(dropped)
		default:
			jobs = append(jobs, j)
		}
	}
	if batch.Next > from {
		p.skipTo(batch.Next)
	}
	r.lanes.add(jobs)
	return nil
}

// decide asks the rules, again and again while the control log is behind the record.
func (r *run) decide(ctx context.Context, d *events.Decoder, record events.Record) (e events.Event, dropped Outcome, err error) {
	e, dropped, err = r.Rules.Decide(d, record, r.Watch.State())
	if err == nil || fault.Of(err) != fault.Retry {
		return e, dropped, err
	}
	what := "decide about a record of " + record.String()
	err = fault.Do(ctx, func(err error, _ time.Duration) { r.behind.Failed(what, err) }, func(context.Context) error {
		e, dropped, err = r.Rules.Decide(d, record, r.Watch.State())
		return err
	})
	if err == nil {
		r.behind.Worked(what)
	}
	return e, dropped, err
}

// commitAll commits at each tick until ctx ends.
func (r *run) commitAll(ctx context.Context, commit Commit) error {
	tick := time.NewTicker(r.CommitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := r.commit(ctx, commit)
		switch {
		case err == nil, ctx.Err() != nil:
		case fault.Of(err) == fault.Retry && !errors.Is(err, ErrFenced):
			fault.Retrying(r.Logger, "commit")(err, r.CommitEvery)
		default:
			return err
		}
	}
}

// commit makes durable what is done and not yet committed.
func (r *run) commit(ctx context.Context, commit Commit) error {
	progress := map[events.TopicPartition]Progress{}
	byID := map[events.TopicPartition]*partition{}
	for _, p := range r.partitions {
		if at, ok := p.uncommitted(); ok {
			progress[p.id], byID[p.id] = at, p
		}
	}
	if len(progress) == 0 {
		return nil
	}
	if err := commit(ctx, maps.Clone(progress)); err != nil {
		return err
	}
	for id, at := range progress {
		byID[id].didCommit(at.Offset)
	}
	return nil
}
