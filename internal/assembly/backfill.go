package assembly

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/snapshot"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// SearchPartition is the partition of .work whose owner looks for the rows that vanished: one at a time is enough.
const SearchPartition = 0

// snapshot reads segments as the group hands them out, and returns once the snapshot is closed and, in a generation above
// others, the rows that vanished are marked.
func (w *worker) snapshot(ctx context.Context) error {
	if w.state.Phase() == checkpoint.Streaming {
		w.Logger.Info("the snapshot is closed already; nothing to do")
		return nil
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	group, groupCtx := errgroup.WithContext(ctx)
	reads := walk.NewReads(w.Config.Snapshot.MaxReadUnits)
	reader := w.reader(reads)
	group.Go(func() error {
		defer done() // by whichever worker: there is nothing left to do
		if err := w.closer().Run(groupCtx); err != nil {
			return err
		}
		return w.marked(groupCtx)
	})
	group.Go(func() error {
		return w.Kafka.Group(groupCtx, w.Config.Name+".snapshot", []string{w.Topics.Work}, func(ctx context.Context, a kafka.Assignment) error {
			mine := a.Partitions[w.Topics.Work]
			reads.SetMost(w.Config.Snapshot.MaxReadUnits * float64(len(mine)) / float64(w.state.Created.WorkPartitions))
			parts, ctx := errgroup.WithContext(ctx)
			parts.Go(func() error { return reader.Run(ctx, mine, w.state.Created.WorkPartitions) })
			if w.state.Searches() && slices.Contains(mine, SearchPartition) {
				parts.Go(func() error { return w.search(reads).Run(ctx) })
			}
			return parts.Wait()
		})
	})
	return fault.IgnoreEnd(ctx, group.Wait())
}

func (w *worker) reader(reads *walk.Reads) *snapshot.Worker {
	return snapshot.New(snapshot.Config{
		Source: dynamodb.NewSource(w.Old, w.state.Created.KeySchema), Publish: w.publish(w.Topics.Snapshot), DeadLetter: w.deadItem,
		Facts: w.confirmedFacts(), Watch: w.watch, Generation: w.state.Generation(), Segments: w.state.Created.Segments,
		AtOnce: w.Config.Snapshot.AtOnce, PagesInFlight: w.Config.Snapshot.PagesInFlight, Reads: reads, Logger: w.Logger,
	})
}

func (w *worker) closer() *snapshot.Closer {
	return &snapshot.Closer{
		Facts: w.confirmedFacts(), Control: w.confirmedControl(), Generation: w.state.Generation(), Segments: w.state.Created.Segments, Logger: w.Logger,
		Ends: func(ctx context.Context) (map[int]int64, error) { return w.Kafka.EndOffsets(ctx, w.Topics.Snapshot) },
	}
}

// search is a new one for each assignment: it starts from the beginning.
func (w *worker) search(reads *walk.Reads) *snapshot.Search {
	schema := w.state.Created.KeySchema
	frontiers := w.Frontiers()
	return &snapshot.Search{
		Table:  dynamodb.NewRows(w.New, schema, Attributes(w.Config), w.target()),
		Source: dynamodb.NewSource(w.Old, schema).Lookup, Control: w.confirmedControl(), Watch: w.watch,
		Committed: func(ctx context.Context) (map[int]int64, error) {
			logs, err := frontiers.Logs(ctx)
			return logs.SnapshotCommitted, err
		},
		Generation: w.state.Generation(), Known: w.joined, Grace: w.Config.Grace,
		Segments: w.state.Created.Segments, AtOnce: w.Config.Snapshot.AtOnce, Reads: reads, Logger: w.Logger,
	}
}

// marked waits until the watch knows that the rows that vanished are marked, in a generation above others.
func (w *worker) marked(ctx context.Context) error {
	if !w.state.Searches() {
		return nil
	}
	tick := time.NewTicker(min(time.Second, w.Config.Grace/20))
	defer tick.Stop()
	for w.watch.State().Phase() != checkpoint.Streaming {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}
