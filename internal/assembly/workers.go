package assembly

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// WorkerOptions are the flags of the workers.
type WorkerOptions struct {
	Capture bool // a streamer captures the old table's changes
	Apply   bool // a streamer applies records to the new table
	// Naive writes without any condition, as a plain copy would. It is for the demonstration of the damage only.
	Naive  bool
	Show   *Show // may be nil
	Logger *slog.Logger
}

// worker is a process's part in a created migration.
type worker struct {
	*Parts
	options WorkerOptions
	state   checkpoint.State // as it was at the start
	watch   *checkpoint.Watch
}

// interrupted turns the end of ctx while a worker was still joining into what it is to a worker: the end.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that is the point
	}
	return err
}

// join opens the parts of a created migration and begins to watch its control log.
func join(ctx context.Context, c *migration.Config, o WorkerOptions) (*worker, error) {
	p, err := Open(ctx, c, o.Logger)
	if err != nil {
		return nil, err
	}
	w := &worker{Parts: p, options: o}
	if w.state, err = p.recorded(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	err = p.patiently(ctx, func(ctx context.Context) error {
		w.watch, err = checkpoint.NewWatch(ctx, p.control(), c.Grace)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return w, nil
}

// Snapshot runs a backfill worker until the snapshot is closed, or ctx ends.
func Snapshot(ctx context.Context, c *migration.Config, o WorkerOptions) error {
	w, err := join(ctx, c, o)
	if err != nil {
		return interrupted(ctx, err)
	}
	return errors.Join(w.untilDone(ctx, w.snapshot), w.Close())
}

// Streamer runs capture, apply or both until ctx ends.
func Streamer(ctx context.Context, c *migration.Config, o WorkerOptions) error {
	w, err := join(ctx, c, o)
	if err != nil {
		return interrupted(ctx, err)
	}
	return errors.Join(w.untilDone(ctx, w.streamer), w.Close())
}

// untilDone runs the roles beside the watch. The first that fails ends the others; when all roles have returned
// the watch ends too. The end of ctx is no error.
func (w *worker) untilDone(ctx context.Context, roles ...func(context.Context) error) error {
	watching, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return w.watch.Run(watching) })
	all.Go(func() error {
		defer stopWatch()
		group, ctx := errgroup.WithContext(ctx)
		for _, role := range roles {
			group.Go(func() error { return role(ctx) })
		}
		defer w.startShow(ctx)()
		return group.Wait()
	})
	if err := all.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// snapshot reads segments as the group hands them out, and returns once the snapshot is closed.
func (w *worker) snapshot(ctx context.Context) error {
	if w.state.Closed != nil {
		w.Logger.Info("the snapshot is closed already; nothing to do")
		return nil
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	group, ctx := errgroup.WithContext(ctx)
	facts := w.facts()
	units := share(w.Config.Snapshot.MaxReadUnits)
	reader := snapshot.New(snapshot.Config{
		Source: dynamodb.NewSource(w.Old, w.state.Created.KeySchema), Publish: w.publish(w.Topics.Snapshot), DeadLetter: w.deadItem,
		Facts: facts, Watch: w.watch, Generation: w.state.Generation(), Segments: w.state.Created.Segments,
		AtOnce: w.Config.Snapshot.AtOnce, PagesInFlight: w.Config.Snapshot.PagesInFlight, Units: units, Logger: w.Logger,
	})
	closer := &snapshot.Closer{
		Facts: w.facts(), Control: w.control(), Generation: w.state.Generation(), Segments: w.state.Created.Segments, Logger: w.Logger,
		Ends: func(ctx context.Context) (map[int]int64, error) { return w.Kafka.EndOffsets(ctx, w.Topics.Snapshot) },
	}
	group.Go(func() error {
		defer done() // closed, by whichever worker: there is nothing left to read
		return closer.Run(ctx)
	})
	group.Go(func() error {
		return w.Kafka.Group(ctx, w.Config.Name+".snapshot", []string{w.Topics.Work}, func(ctx context.Context, a kafka.Assignment) error {
			mine := a.Partitions[w.Topics.Work]
			setShare(units, w.Config.Snapshot.MaxReadUnits, len(mine), w.state.Created.WorkPartitions)
			return reader.Run(ctx, mine, w.state.Created.WorkPartitions)
		})
	})
	return ignoreCanceled(group.Wait())
}

// streamer captures and applies, as the options say and the form needs.
func (w *worker) streamer(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if w.options.Capture && w.from() == apply.FromStream {
		group.Go(func() error { return w.capture(ctx) })
	}
	if w.options.Apply {
		group.Go(func() error { return w.apply(ctx) })
	}
	return ignoreCanceled(group.Wait())
}

func (w *worker) capture(ctx context.Context) error {
	created := w.state.Created
	reader := capture.New(capture.Config{
		Stream:  dynamodb.NewStream(w.Old, created.Stream, created.KeySchema),
		Publish: w.publish(w.Topics.Live), DeadLetter: w.deadItem,
		Facts: w.facts(), Watch: w.watch, Generation: created.Generation, Grace: w.Config.Grace, Logger: w.Logger,
	})
	return w.Kafka.Group(ctx, w.Config.Name+".capture", []string{w.Topics.Work}, func(ctx context.Context, a kafka.Assignment) error {
		return reader.Run(ctx, a.Partitions[w.Topics.Work], created.WorkPartitions)
	})
}

func (w *worker) apply(ctx context.Context) error {
	created := w.state.Created
	topics := []string{w.Topics.Snapshot}
	if w.from() != apply.FromNone {
		topics = append(topics, w.Topics.Live)
	}
	return w.Kafka.Group(ctx, w.Config.Name, topics, func(ctx context.Context, a kafka.Assignment) error {
		start, total, err := w.committed(ctx, a)
		if err != nil || len(start) == 0 {
			return waitIf(ctx, err)
		}
		units := w.Config.Apply.MaxWriteUnits * float64(len(start)) / float64(total)
		worker := apply.New(apply.Config{
			Log: w.Kafka, Target: w.target(), DeadLetter: w.Kafka.DeadLetter(w.Topics.DLQ), Rules: w.rules(), Schema: created.KeySchema,
			Watch: w.watch, InFlight: w.Config.Apply.InFlight, MaxBytes: w.Config.Apply.MaxMemory, Units: units, Logger: w.Logger,
		})
		return worker.Run(ctx, start, a.Commit)
	})
}

// committed is where each assigned partition goes on, and how many partitions all members share.
func (w *worker) committed(ctx context.Context, a kafka.Assignment) (map[events.TopicPartition]apply.Progress, int, error) {
	var topics []string
	for topic := range a.Partitions {
		topics = append(topics, topic)
	}
	var all map[events.TopicPartition]apply.Progress
	err := fault.Do(ctx, nil, func(ctx context.Context) (err error) {
		all, err = w.Kafka.Progress(ctx, w.Config.Name, w.Topics.Snapshot, w.Topics.Live)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	start := map[events.TopicPartition]apply.Progress{}
	for _, topic := range topics {
		for _, n := range a.Partitions[topic] {
			id := events.TopicPartition{Topic: topic, Partition: n}
			start[id] = all[id] // without a committed offset: from the first record
		}
	}
	total := w.state.Created.Partitions
	if w.from() != apply.FromNone {
		total *= 2
	}
	return start, total, nil
}

// waitIf returns err, or waits for the end of ctx: a member without partitions has nothing to do until the next
// generation.
func waitIf(ctx context.Context, err error) error {
	if err == nil {
		<-ctx.Done()
	}
	return err
}

func (w *worker) rules() apply.Rules {
	return apply.Rules{
		From: w.from(), PositionHeader: w.Config.Live.Position == "header",
		SnapshotTopic: w.Topics.Snapshot, LiveTopic: w.Topics.Live, LivePartitions: w.state.Created.Partitions,
		Rerun: uint16(w.Config.Apply.Rerun), Reserved: w.reserved(),
	}
}

func (w *worker) target() apply.Target {
	if w.options.Naive {
		return dynamodb.NewNaiveTarget(w.New)
	}
	return dynamodb.NewTarget(w.New, w.state.Created.KeySchema, w.attributes(), w.form())
}

func (p *Parts) form() dynamodb.Form {
	switch p.from() {
	case apply.FromNone:
		return dynamodb.Plain
	case apply.FromStream, apply.FromApp:
	}
	return dynamodb.Versioned
}

// publish appends to a data topic.
func (w *worker) publish(topic string) func(context.Context, []events.Record) error {
	return w.Kafka.Publish(topic, w.state.Created.Partitions)
}

// deadItem writes an item that has no usable key, so no record either, to the dlq.
func (w *worker) deadItem(ctx context.Context, raw []byte, why *events.Invalid, where string) error {
	record := events.Record{Value: raw, Headers: []events.Header{{Key: events.HeaderSource, Value: []byte(where)}}}
	record.Topic, record.Partition, record.Offset = where, -1, -1
	return w.Kafka.DeadLetter(w.Topics.DLQ)(ctx, record, why)
}

// share is a limiter for a part of a rate; nil when the rate is unlimited.
func share(unitsPerSecond float64) *rate.Limiter {
	if unitsPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(unitsPerSecond), burst)
}

// burst is what may be read without waiting: one page, of which 1 MB costs 256 consistent read units.
const burst = 256

func setShare(l *rate.Limiter, unitsPerSecond float64, mine, all int) {
	if l != nil && mine > 0 {
		l.SetLimit(rate.Limit(unitsPerSecond * float64(mine) / float64(all)))
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
