package scale

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// created is the state of a migration that is under way.
type created struct{}

func (created) State() checkpoint.State {
	return checkpoint.State{Created: &checkpoint.Created{Generation: 1}}
}
func (created) Fresh() error { return nil }

// start lets so many workers run, each with partitions of its own of every topic, until the returned function is called.
func start(t *testing.T, workers, partitions int, to apply.Target, topics map[string]topic) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	log := &records{topics: topics, began: time.Now()}
	rules := apply.Rules{From: apply.FromStream, SnapshotTopic: snapshotTopic, LiveTopic: liveTopic, LivePartitions: workers * partitions}
	for w := range workers {
		assigned := map[events.TopicPartition]apply.Progress{}
		for name := range topics {
			for p := range partitions {
				assigned[events.TopicPartition{Topic: name, Partition: w*partitions + p}] = apply.Progress{}
			}
		}
		worker := apply.New(apply.Config{
			Fetcher: log, Target: to, Rules: rules, Schema: events.KeySchema{{Name: "pk", Type: "S"}}, Watch: created{},
			DeadLetter: func(_ context.Context, r events.Record, why *events.Invalid) error {
				assert.Fail(t, "a dead letter", "%s: %v", r.TopicPartition, why)
				return nil
			},
		})
		group.Go(func() error {
			return worker.Run(ctx, assigned, func(context.Context, map[events.TopicPartition]apply.Progress) error { return nil })
		})
	}
	stop = func() {
		cancel()
		assert.NoError(t, group.Wait())
	}
	return stop
}
