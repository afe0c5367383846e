package capture

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
)

// A shard that is read to its end long after it closed does not say that its children were read until then: from the
// moment of its last change on they may have had theirs.
func TestDoneShardSaysSinceWhenItsChildrenMayHaveChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		time.Sleep(time.Hour)
		stream.add("s", "k", 1)
		changed := time.Now()
		time.Sleep(time.Hour)
		stream.shards[0].End = at(1)
		time.Sleep(3 * time.Hour)
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		fact := shardFacts(t, log)["s"]
		require.True(t, fact.Done)
		require.WithinDuration(t, changed, fact.Confirmed, 0)
	})
}

// The last page of a closed shard may be empty; that it was is no news of the children.
func TestEmptyEndOfAClosedShardConfirmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		confirmed := shardFacts(t, log)["s"].Confirmed
		require.False(t, confirmed.IsZero())
		stream.shards[0].End = at(1)
		time.Sleep(3 * time.Hour)
		runFor(t, time.Minute, newWorker(stream, out, log, "b"))
		fact := shardFacts(t, log)["s"]
		require.True(t, fact.Done)
		require.Equal(t, confirmed, fact.Confirmed)
	})
}

// A shard that has changes in every page is confirmed by their times: it need not be empty for once.
func TestChangesConfirmABusyShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		for i := range 600 {
			stream.add("s", "k", i+1)
			time.Sleep(time.Minute)
		}
		out.fail = func() bool { time.Sleep(time.Second); return false }
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		fact := shardFacts(t, log)["s"]
		require.Less(t, fact.Records, int64(600), "it is under way")
		require.WithinDuration(t, stream.changes["s"][fact.Records-1].Time, fact.Confirmed, 0)
	})
}
