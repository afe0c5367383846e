package assembly

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// WorkerOptions are the flags of the workers.
type WorkerOptions struct {
	Capture bool // a streamer captures the old table's changes
	Apply   bool // a streamer applies records to the new table
	// Naive writes without any condition, as a plain copy would. It is for the demonstration of the damage only.
	Naive bool
	// Beside runs beside the worker in each generation, with the connections of the worker; when its ctx ends it returns soon. It may be nil.
	Beside  func(context.Context, *Parts)
	Logger  *slog.Logger
	Network *Network // nil: the machine's own

	snapshot bool // a snapshot worker reads the old table
}

// worker is a process's part in one generation of a created migration.
type worker struct {
	*Parts
	options WorkerOptions
	state   checkpoint.State // as it was at the start
	joined  time.Time        // when that had been read
	watch   *checkpoint.Watch
}

// interrupted turns the end of ctx while a worker was still joining into what it is to a worker: the end.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that is the point
	}
	return err
}

// join begins to watch the control log of a created migration, for a part in its current generation.
func (p *Parts) join(ctx context.Context, o WorkerOptions) (*worker, error) {
	if _, err := p.Recorded(ctx); err != nil {
		return nil, err
	}
	own := *p
	own.process = processName() // who joins again writes facts under another name, as a new process would
	watch, err := Patiently(ctx, p, func(ctx context.Context) (*checkpoint.Watch, error) {
		return checkpoint.NewWatch(ctx, own.Control(), p.Config.Grace) // it only reads
	})
	if err != nil {
		return nil, err
	}
	return &worker{Parts: &own, options: o, state: watch.State(), joined: time.Now(), watch: watch}, nil
}

// role is what a worker does in one generation, until ctx ends or it is done.
type role func(*worker, context.Context) error

// work plays the roles until they are done or ctx ends. When a new generation begins meanwhile, or the control log could
// not be read for too long, the roles end and are played again from their start: by the path of a process that is started
// again. Nothing of the join before is left then: untilDone returns when all that it started has ended, and a name is
// used for one join only. Requests that are still under way have their deadlines, as those of a process that was killed.
func work(ctx context.Context, c *migration.Config, o WorkerOptions, roles ...role) error {
	p, err := OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return interrupted(ctx, err)
	}
	rejoins, attendance := rejoins{apart: staleApart * c.Grace}, p.attend(o.roles(p.From()))
	for joined := false; ; joined = true {
		w, err := p.join(ctx, o)
		if joined && fault.Of(err) == fault.Retry && ctx.Err() == nil {
			// It was at work, and a worker at work has no end to its patience. What answers, and is not what is waited for, such as
			// brokers without the topics, nobody else says.
			o.Logger.Warn("cannot join again yet; it is tried for as long as it takes", "error", err)
			continue
		}
		if err != nil {
			err = interrupted(ctx, err)
			attendance.left(ctx, err)
			return errors.Join(err, p.Close())
		}
		w.begins()
		err = attendance.during(ctx, func() error { return w.untilDone(ctx, roles...) })
		switch {
		case errors.Is(err, checkpoint.ErrNewGeneration):
			o.Logger.Info("a new generation has begun; joining it", "after", w.state.Generation())
		case ctx.Err() == nil && rejoins.after(err):
			o.Logger.Warn("everything has been given up, and nothing is lost; joining again, as a new process would", "error", err)
		default:
			attendance.end(ctx, err)
			return errors.Join(err, p.Close())
		}
	}
}

// Snapshot runs a backfill worker until the snapshot is closed, and after a restart the rows that vanished are marked, or
// ctx ends.
func Snapshot(ctx context.Context, c *migration.Config, o WorkerOptions) error {
	o.snapshot, o.Capture, o.Apply = true, false, false
	return work(ctx, c, o, (*worker).snapshot)
}

// Streamer runs capture, apply or both until ctx ends.
func Streamer(ctx context.Context, c *migration.Config, o WorkerOptions) error {
	return work(ctx, c, o, (*worker).streamer)
}

// Everything does all of it in one process until ctx ends: it reads the old table, captures its changes and applies.
func Everything(ctx context.Context, c *migration.Config, o WorkerOptions) error {
	o.snapshot, o.Capture, o.Apply = true, true, true
	return work(ctx, c, o, (*worker).snapshot, (*worker).streamer)
}

// startBeside begins what runs beside the roles; what it returns ends that.
func (w *worker) startBeside(ctx context.Context) (stop func()) {
	if w.options.Beside == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.options.Beside(ctx, w.Parts)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// untilDone runs the roles beside the watch. The first that fails ends the others; when all roles have returned
// the watch ends too. The end of ctx is no error.
func (w *worker) untilDone(ctx context.Context, roles ...role) error {
	watching, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return w.watch.Run(watching) })
	all.Go(func() error { return w.watchTopics(watching) })
	all.Go(func() error {
		defer stopWatch()
		group, ctx := errgroup.WithContext(ctx)
		for _, role := range roles {
			group.Go(func() error { return role(w, ctx) })
		}
		defer w.startBeside(ctx)()
		return group.Wait()
	})
	if err := fault.IgnoreEnd(watching, all.Wait()); err != nil {
		return w.explained(ctx, err)
	}
	return nil
}

// streamer captures and applies, as the options say and the form needs.
func (w *worker) streamer(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if w.options.Capture && w.From() == apply.FromStream {
		group.Go(func() error { return w.capture(ctx) })
	}
	if w.options.Apply {
		group.Go(func() error { return w.apply(ctx) })
	}
	return group.Wait()
}

func (w *worker) capture(ctx context.Context) error {
	created := w.state.Created
	reader := capture.New(capture.Config{
		Stream:  dynamodb.NewStream(w.Old, w.state.Stream(), created.KeySchema),
		Publish: w.publish(w.Topics.Live), DeadLetter: w.deadItem,
		Facts: w.confirmedFacts(), Watch: w.watch, Generation: w.state.Generation(), Grace: w.Config.Grace, Logger: w.Logger,
		GapAdvice: "begin a new generation with: " + RestartCommand(w.Config),
	})
	return w.Kafka.Group(ctx, w.Config.Name+".capture", []string{w.Topics.Work}, func(ctx context.Context, a kafka.Assignment) error {
		w.Logger.Info("capturing the shards of these parts of the work", "parts", len(a.Partitions[w.Topics.Work]), "of", created.WorkPartitions)
		return reader.Run(ctx, a.Partitions[w.Topics.Work], created.WorkPartitions)
	})
}

func (w *worker) apply(ctx context.Context) error {
	created := w.state.Created
	topics := []string{w.Topics.Snapshot}
	if w.From() != apply.FromNone {
		topics = append(topics, w.Topics.Live)
	}
	appliers := &appliers{worker: w, facts: w.confirmedFacts()}
	return w.Kafka.Group(ctx, w.Config.Name, topics, func(ctx context.Context, a kafka.Assignment) error {
		start, total, err := appliers.start(ctx, a)
		if err != nil || len(start) == 0 {
			return waitIf(ctx, err)
		}
		w.Logger.Info("applying partitions", "snapshot", len(a.Partitions[w.Topics.Snapshot]), "live", len(a.Partitions[w.Topics.Live]), "of", total)
		units := w.Config.Apply.MaxWriteUnits * float64(len(start)) / float64(total)
		worker := apply.New(apply.Config{
			Fetcher: w.Kafka, Target: w.target(), DeadLetter: w.Kafka.DeadLetter(w.Topics.DLQ), Rules: w.rules(), Schema: created.KeySchema,
			Watch: w.watch, Gap: appliers.gap,
			InFlight: w.Config.Apply.InFlight, MaxBytes: w.Config.Apply.MaxMemory, Units: units, Logger: w.Logger,
		})
		return worker.Run(ctx, start, appliers.commit(a))
	})
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
		From: w.From(), PositionHeader: w.Config.Live.Position == "header",
		SnapshotTopic: w.Topics.Snapshot, LiveTopic: w.Topics.Live, LivePartitions: w.state.Created.Partitions,
		Rerun: uint16(w.Config.Apply.Rerun), Reserved: w.Reserved(),
	}
}

func (w *worker) target() apply.Target {
	if w.options.Naive {
		return dynamodb.NewNaiveTarget(w.New)
	}
	target := dynamodb.NewTarget(w.New, w.state.Created.KeySchema, Attributes(w.Config), w.form())
	if w.state.Created.Singly {
		return target.Singly()
	}
	return target
}

// form is the rule by which the new table is written.
func (p *Parts) form() dynamodb.Form {
	switch p.From() {
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
