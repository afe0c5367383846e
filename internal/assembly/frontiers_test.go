package assembly

import (
	"testing"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/stretchr/testify/require"
)

// A member that began before another one's last fact was to be seen goes on from an older one, and has committed that first.
func TestTheSweepCountsOnTheLowerOfFactAndOffset(t *testing.T) {
	topics := kafka.TopicsOf("orders")
	at := func(topic string, n int) events.TopicPartition {
		return events.TopicPartition{Topic: topic, Partition: n}
	}
	applied := map[events.TopicPartition]apply.Progress{
		at(topics.Snapshot, 0): {Offset: 90}, at(topics.Snapshot, 1): {Offset: 7}, at(topics.Live, 0): {Offset: 5}, at(topics.Live, 1): {Offset: 3},
	}
	committed := map[events.TopicPartition]apply.Progress{
		at(topics.Snapshot, 0): {Offset: 40}, at(topics.Snapshot, 1): {Offset: 8}, at(topics.Live, 0): {Offset: 5},
		at(topics.Live, 2): {Offset: 9}, at("orders.work", 0): {Offset: 1},
	}
	logs := logsOf(applied, committed, topics)
	require.Equal(t, map[int]int64{0: 40, 1: 7}, logs.SnapshotCommitted)
	require.Equal(t, map[int]int64{0: 5, 1: 0}, logs.LiveCommitted, "what has no offset is not begun")
}

// What a partition has lost stays lost in its epoch, and what else has stopped it is tried again.
func TestALossStays(t *testing.T) {
	fact := checkpoint.AppliedFact{Topic: "orders.live", Partition: 3, Offset: 9, Gap: "gone", Lost: true}
	log := &checkpointtest.Log{}
	facts := checkpoint.NewFacts(log, "w", time.Minute)
	require.NoError(t, facts.WriteApplied(t.Context(), fact, checkpoint.AppliedFact{Topic: "orders.live", Partition: 4, Offset: 9, Gap: "the dlq refuses it"}))
	require.Equal(t, map[events.TopicPartition]apply.Progress{
		{Topic: "orders.live", Partition: 3}: {Offset: 9, Gap: "gone", Lost: true}, {Topic: "orders.live", Partition: 4}: {Offset: 9},
	}, applied(facts, 0))
	require.Empty(t, applied(facts, 1), "a replay tries everything again")
}
