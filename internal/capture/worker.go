package capture

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// DeadLetter writes a change that has no usable key to the dlq; where names the shard. It returns nil once the change
// is durable there.
type DeadLetter func(ctx context.Context, raw []byte, why *events.Invalid, where string) error

// Config is what a Worker works with. All but GapAdvice, the times, MaxShards and Logger is required.
type Config struct {
	Stream     Stream
	Publish    Publish
	DeadLetter DeadLetter
	Facts      *checkpoint.Facts
	Watch      interface{ Fresh() error }
	Generation uint32
	Grace      time.Duration // the migration's
	GapAdvice  string        // what a person can do about a gap

	Poll      time.Duration // between reads of a shard that had nothing; 0 is 200 ms: DynamoDB allows five a second
	Lineage   time.Duration // between looks at the stream; 0 is 3 s
	Confirm   time.Duration // how often a fact is rewritten though nothing moved; 0 is 3 s
	Again     time.Duration // between tries of a shard that has stopped, and until it is said again; 0 is 1 min
	MaxShards int           // read at the same time, oldest first; 0 is 1,000
	Logger    *slog.Logger
}

// Worker reads shards.
type Worker struct{ Config }

// New returns a worker; it starts nothing.
func New(c Config) *Worker {
	c.Poll = cmp.Or(c.Poll, 200*time.Millisecond)
	c.Lineage = cmp.Or(c.Lineage, 3*time.Second)
	c.Confirm = cmp.Or(c.Confirm, 3*time.Second)
	c.Again = cmp.Or(c.Again, time.Minute)
	c.MaxShards = cmp.Or(c.MaxShards, 1000)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return &Worker{c}
}

// Run reads the shards whose hash mod workPartitions is among partitions until ctx ends, and returns nil then. A shard stops if
// the stream has lost something of it, or if a change of it can be neither read nor written: that becomes a fact, is logged
// at error level, and its descendants wait. The other shards go on. An error that Run returns concerns all shards.
func (w *Worker) Run(ctx context.Context, partitions []int, workPartitions int) error {
	w.Facts.Renew()
	group, groupCtx := errgroup.WithContext(ctx)
	pen := checkpoint.NewPen(w.write, fault.Retrying(w.Logger, "write facts"))
	group.Go(func() error { return pen.Run(groupCtx) })
	group.Go(func() error {
		owned := func(shard string) bool {
			return slices.Contains(partitions, events.PartitionOf([]byte(shard), workPartitions))
		}
		return w.lineage(groupCtx, owned, pen)
	})
	return fault.IgnoreEnd(ctx, group.Wait())
}

// lineage starts readers as the stream and the facts allow, until ctx ends.
func (w *Worker) lineage(ctx context.Context, owned func(string) bool, pen *checkpoint.Pen[checkpoint.ShardFact]) error {
	readers, ctx := errgroup.WithContext(ctx)
	ended := make(chan string) // shards whose reader has come to the end, or cannot read further
	reading, halts := map[string]bool{}, newHalts(w)
	tick := time.NewTicker(w.Lineage)
	defer tick.Stop()
	for {
		ready, stopped, err := w.look(ctx, owned)
		if err != nil {
			return cmp.Or(firstError(ctx, readers, err), err)
		}
		halts.say(stopped)
		for _, fact := range ready {
			if reading[fact.Shard] || len(reading) >= w.MaxShards || halts.waits(fact) {
				continue // it is being read; or it is read later: when others have ended, or when it has waited
			}
			reading[fact.Shard] = true
			w.Logger.Debug("reading shard", "shard", fact.Shard, "position", fact.Position.Number())
			readers.Go(func() error {
				r := &reader{Worker: w, pen: pen, fact: fact}
				if err := r.run(ctx); err != nil {
					return err
				}
				select {
				case ended <- fact.Shard:
				case <-ctx.Done():
				}
				return nil
			})
		}
		select {
		case <-ctx.Done():
			return readers.Wait()
		case shard := <-ended:
			delete(reading, shard) // look at once: its children may start
			halts.ended(shard)
		case <-tick.C:
		}
	}
}

// firstError waits for the readers and returns the first error: that of a reader, if it ended ctx and so caused err; else err.
func firstError(ctx context.Context, readers *errgroup.Group, err error) error {
	readers.Go(func() error { return err })
	return readers.Wait()
}

// look is one lineage pass over the shards that are owned: which may be read, and which have stopped. A shard without a gap that
// has stopped is in both lists. A gap is a durable fact before look returns it.
func (w *Worker) look(ctx context.Context, owned func(string) bool) (ready, stopped []checkpoint.ShardFact, err error) {
	shards, err := fault.Get(ctx, fault.Retrying(w.Logger, "list shards"), func(ctx context.Context) ([]Shard, error) {
		// The facts come first. Read after the list, they could name a shard that is younger than the list, and that would look
		// like a shard that is gone.
		if err := w.Facts.Refresh(ctx); err != nil {
			return nil, err
		}
		return w.Stream.Shards(ctx)
	})
	if err != nil {
		return nil, nil, err
	}
	facts := w.Facts.Shards(w.Generation)
	others := func(f checkpoint.ShardFact) bool { return !owned(f.Shard) }
	ready, stopped = Plan(shards, facts, w.Generation)
	ready, stopped = slices.DeleteFunc(ready, others), slices.DeleteFunc(stopped, others)
	for _, gap := range stopped {
		if facts[gap.Shard].Gap != "" {
			continue // it is a fact already
		}
		gap.Stopped = ""
		if err := w.note(ctx, gap); err != nil {
			return nil, nil, err
		}
	}
	for _, fact := range ready {
		if fact.Stopped != "" {
			stopped = append(stopped, fact)
		}
	}
	return ready, stopped, nil
}

func (w *Worker) write(ctx context.Context, facts ...checkpoint.ShardFact) error {
	if err := w.Watch.Fresh(); err != nil {
		return err
	}
	return w.Facts.WriteShards(ctx, facts...)
}
