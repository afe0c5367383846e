package apply

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Progress is what is committed for one partition: everything below Offset is durable in the new table or
// in the dlq, and Counts says what became of it.
type Progress struct {
	Offset int64
	Counts Counts
	// Gap, when not empty, says why the partition has stopped here. Lost says that it has lost records, so that it must never
	// be fetched further; else whoever begins with it may try again.
	Gap  string
	Lost bool
}

// ErrGap says that a partition has lost records that were to be applied, or were applied already.
var ErrGap = errors.New("the partition has lost records")

// ErrFenced says that the group has moved on: these partitions are another member's now.
var ErrFenced = errors.New("the consumer group has moved on")

// Commit makes progress durable: it returns nil once Kafka has it, as the group's offsets and as facts. A refusal because
// the group has moved on is the error ErrFenced.
type Commit func(ctx context.Context, progress map[events.TopicPartition]Progress) error

// finalCommit bounds the commit after the work has stopped: the group waits for it.
const finalCommit = 5 * time.Second

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
