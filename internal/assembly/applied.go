package assembly

import (
	"context"
	"iter"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// applied is how far the partitions are applied in an epoch, as the facts say; a partition that is missing is not begun.
//
// Invariant 11: the group's committed offsets are for those who watch the lag. The brokers forget them when the group has
// had no member for a week, and anybody may set them elsewhere, so no offset is not "nothing was applied".
func applied(facts *checkpoint.Facts, epoch int) map[events.TopicPartition]apply.Progress {
	all := map[events.TopicPartition]apply.Progress{}
	for _, f := range facts.Applied(epoch) {
		at := apply.Progress{Offset: f.Offset, Counts: f.Counts}
		if f.Lost {
			at.Gap, at.Lost = f.Gap, true // what else has stopped it may have passed
		}
		all[events.TopicPartition{Topic: f.Topic, Partition: f.Partition}] = at
	}
	return all
}

// Frontiers reads how far the partitions are applied for certain, again and again. It belongs to one goroutine.
type Frontiers struct {
	*Parts
	control *checkpoint.Control
	facts   *checkpoint.Facts
}

// Frontiers returns one that has read nothing yet.
func (p *Parts) Frontiers() *Frontiers {
	return &Frontiers{Parts: p, control: p.Control(), facts: p.Facts()}
}

// Logs reads them as they are now. Invariant 5: nothing below them is still to be applied. The fact says that for whoever
// wrote it; a member that began when that fact was not to be seen yet goes on from an older one, and has committed that
// before it began (appliers.start). So the lower of the two counts, and nothing where there is no offset.
func (f *Frontiers) Logs(ctx context.Context) (sweep.Logs, error) {
	state, err := f.control.Refresh(ctx)
	if err != nil {
		return sweep.Logs{}, err
	}
	if err := f.facts.Refresh(ctx); err != nil {
		return sweep.Logs{}, err
	}
	committed, err := f.Kafka.Progress(ctx, f.Config.Name, f.Topics.Snapshot, f.Topics.Live)
	return logsOf(applied(f.facts, state.Epoch), committed, f.Topics), err
}

func logsOf(applied, committed map[events.TopicPartition]apply.Progress, topics kafka.Topics) sweep.Logs {
	logs := sweep.Logs{SnapshotCommitted: map[int]int64{}, LiveCommitted: map[int]int64{}}
	for id, at := range applied {
		certain := min(at.Offset, committed[id].Offset)
		switch id.Topic {
		case topics.Snapshot:
			logs.SnapshotCommitted[id.Partition] = certain
		case topics.Live:
			logs.LiveCommitted[id.Partition] = certain
		}
	}
	return logs
}

// appliers is what this process's assignments have in common.
type appliers struct {
	*worker
	facts *checkpoint.Facts
}

// start is where each assigned partition goes on, and how many partitions all members share. Offsets that the brokers have
// forgotten, or somebody has set elsewhere, are set right before anything is applied: the sweep counts on nothing above
// them, and whoever watches the group's lag sees it. An error that the group has moved on is ErrFenced.
func (w *appliers) start(ctx context.Context, a kafka.Assignment) (map[events.TopicPartition]apply.Progress, int, error) {
	w.facts.Renew() // another owner may be about to clear what was written during an earlier assignment
	reading := fault.Retrying(w.Logger, "read what is applied")
	committed, err := fault.Get(ctx, reading, func(ctx context.Context) (map[events.TopicPartition]apply.Progress, error) {
		if err := w.facts.Refresh(ctx); err != nil {
			return nil, err
		}
		return w.Kafka.Progress(ctx, w.Config.Name, w.Topics.Snapshot, w.Topics.Live)
	})
	if err != nil {
		return nil, 0, err
	}
	done, moved := applied(w.facts, w.state.Epoch), map[events.TopicPartition]apply.Progress{}
	for id := range assigned(a) {
		if at, ok := committed[id]; ok && at.Offset != done[id].Offset || !ok && done[id].Offset > 0 {
			moved[id] = done[id]
			w.sayMoved(id, at.Offset, ok, done[id].Offset)
		}
	}
	if len(moved) > 0 {
		commit := w.worker.commit(a)
		err := fault.Do(ctx, fault.Retrying(w.Logger, "set the group's offsets right"), func(ctx context.Context) error { return commit(ctx, moved) })
		if err != nil {
			return nil, 0, err
		}
	}
	// A fact that came late is as good as one that came in time.
	if err := fault.Do(ctx, reading, w.facts.Refresh); err != nil {
		return nil, 0, err
	}
	done = applied(w.facts, w.state.Epoch)
	start := map[events.TopicPartition]apply.Progress{}
	for id := range assigned(a) {
		start[id] = done[id]
	}
	total := w.state.Created.Partitions
	if w.From() != apply.FromNone {
		total *= 2
	}
	return start, total, nil
}

// assigned are the partitions of an assignment.
func assigned(a kafka.Assignment) iter.Seq[events.TopicPartition] {
	return func(yield func(events.TopicPartition) bool) {
		for topic, partitions := range a.Partitions {
			for _, n := range partitions {
				if !yield(events.TopicPartition{Topic: topic, Partition: n}) {
					return
				}
			}
		}
	}
}

// sayMoved says that the group's offset is not what is recorded as applied. A little ahead of it is what a crash between
// the two leaves.
func (w *appliers) sayMoved(id events.TopicPartition, committed int64, known bool, applied int64) {
	what := []any{"partition", id.String(), "committed", committed, "applied", applied}
	switch {
	case !known:
		w.Logger.Warn("the brokers have forgotten the group's committed offset; going on from what is recorded as applied", "partition", id.String(), "applied", applied)
	case committed < applied:
		w.Logger.Warn("the group's committed offset was set back by somebody else; going on from what is recorded as applied", what...)
	default:
		w.Logger.Info("the group's committed offset is ahead of what is recorded as applied; going on from the latter", what...)
	}
}

// commit makes progress durable: first as the group's offsets, which the broker refuses from whoever is no member any
// more, then as facts. So no fact is written by a member that was given up long ago, and a crash in between only costs
// that some records are applied again: the sweep counts on nothing above the facts.
func (w *appliers) commit(a kafka.Assignment) apply.Commit {
	commit := w.worker.commit(a)
	return func(ctx context.Context, progress map[events.TopicPartition]apply.Progress) error {
		if err := commit(ctx, progress); err != nil {
			return err
		}
		if err := w.watch.Fresh(); err != nil {
			return err
		}
		facts := make([]checkpoint.AppliedFact, 0, len(progress))
		for id, at := range progress {
			facts = append(facts, w.fact(id, at))
		}
		return w.facts.WriteApplied(ctx, facts...)
	}
}

func (w *appliers) fact(id events.TopicPartition, at apply.Progress) checkpoint.AppliedFact {
	return checkpoint.AppliedFact{
		Epoch: w.state.Epoch, Topic: id.Topic, Partition: id.Partition, Offset: at.Offset, Counts: at.Counts, Gap: at.Gap, Lost: at.Lost,
	}
}

// gap makes it a fact, for the status, that a partition has stopped, and why.
func (w *appliers) gap(ctx context.Context, id events.TopicPartition, at apply.Progress) error {
	fact := w.fact(id, at)
	return fault.Do(ctx, fault.Retrying(w.Logger, "write why "+id.String()+" has stopped"), func(ctx context.Context) error {
		if err := w.watch.Fresh(); err != nil {
			return err
		}
		return w.facts.WriteApplied(ctx, fact)
	})
}
