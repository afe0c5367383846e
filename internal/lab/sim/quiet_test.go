package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// patience is how long a world may take to come to rest once nothing goes wrong any more. Time is free here.
const patience = 10 * time.Minute

// settle waits until everything that happened has been applied. The application has stopped and the weather is fine.
func (w *world) settle() {
	since := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	waiting := ""
	for {
		what, err := w.unsettled(ctx, since)
		if err == nil && what == "" {
			w.story.tell("world", "is quiet")
			return
		}
		if ctx.Err() != nil {
			w.fail("not quiet after %s: %s", time.Since(since), waiting)
			return
		}
		if err != nil {
			what = err.Error()
		}
		if what != waiting {
			waiting = what
			w.story.tell("world", "waits for %s", what)
		}
		time.Sleep(time.Second)
	}
}

// unsettled is what has still to be done, in words; "" when nothing has.
func (w *world) unsettled(ctx context.Context, since time.Time) (string, error) {
	state, err := w.witness.state(ctx)
	if err != nil {
		return "", err
	}
	if phase := state.Phase(); phase != checkpoint.Streaming {
		return "the end of " + string(phase), nil
	}
	if w.plan.from == apply.FromStream {
		what, err := w.uncaptured(ctx, state.Generation(), since)
		if what != "" || err != nil {
			return what, err
		}
	}
	committed := w.witness.committed()
	topics := []string{w.topics.Snapshot, w.topics.Live}
	if w.plan.from == apply.FromNone {
		topics = topics[:1]
	}
	for _, topic := range topics {
		for _, p := range w.cluster.PartitionInfos(topic) {
			at := committed[events.TopicPartition{Topic: topic, Partition: int(p.Partition)}]
			if p.HighWatermark > at {
				return fmt.Sprintf("%s/%d to be applied from %d to %d", topic, p.Partition, at, p.HighWatermark), nil
			}
		}
	}
	return "", nil
}

// uncaptured asks the stream itself which shards there are: a fact can only speak of those that capture knows.
func (w *world) uncaptured(ctx context.Context, generation uint32, since time.Time) (string, error) {
	facts, err := w.witness.facts(ctx)
	if err != nil {
		return "", err
	}
	shards, err := w.witness.old.stream.Shards(ctx)
	if err != nil {
		return "", err
	}
	known := facts.Shards(generation)
	for _, s := range shards {
		f, ok := known[s.ID]
		switch {
		case ok && (f.Before || f.Done):
		case s.End == "" && ok && f.Confirmed.After(since):
		default:
			return fmt.Sprintf("shard %s (%+v)", s.ID, f), nil
		}
	}
	return "", nil
}

// verify compares everything with the model. Nothing moves meanwhile.
func (w *world) verify(swept bool) {
	w.witness.audit()
	if got, want := tableOf(w.items(oldTable)), w.model.source(); !equal(got.items, want) {
		w.fail("the simulation is wrong about the old table: %s", difference(got.items, want))
	}
	got, want := tableOf(w.items(newTable)), w.model.expected()
	if !equal(got.items, want) {
		w.fail("the new table is not what it must be: %s", difference(got.items, want))
	}
	for key := range got.markers {
		if _, alive := want[key]; alive {
			w.fail("there is a marker in the place of %s", key)
		}
	}
	if swept && len(got.markers) > 0 {
		w.fail("markers are left after a sweep of everything: %v", got.markers)
	}
	w.verifyDead()
}

// verifyDead: the dlq holds exactly the records that can never be applied; some twice, for a worker may die between
// the dlq and the commit.
func (w *world) verifyDead() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state, err := w.witness.state(ctx)
	if err != nil {
		w.fail("read control: %v", err)
		return
	}
	dead, want, may := w.witness.dead(), map[string]bool{}, map[string]bool{}
	for id, records := range w.witness.records {
		if id.Topic == w.topics.DLQ {
			continue // they are where they belong
		}
		for _, r := range records {
			_, poison := r.Header(headerPoison)
			tooBig := string(r.Key) == w.model.big && w.plan.from != apply.FromNone
			if poison || tooBig {
				at := place(r.Topic, r.Partition, r.Offset)
				may[at] = true
				want[at] = !w.witness.droppable(r, state)
			}
		}
	}
	for at, must := range want {
		if must && !dead[at] {
			w.fail("invariant 9: the poisoned record %s is not in the dlq", at)
		}
	}
	for at := range dead {
		if !may[at] {
			w.fail("the record %s is in the dlq, and nothing is wrong with it", at)
		}
	}
}
