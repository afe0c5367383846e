package capture

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
)

// hindered is a worker that began at the start of a shard of twelve changes and has not been able to publish.
func hindered(t *testing.T) (out *topic, log *checkpointtest.Log, ended chan struct{}, free func()) {
	stream := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}
	log = &checkpointtest.Log{}
	start(t, stream, log)
	for n := range 12 {
		stream.add("s", "k", n+1)
	}
	var away atomic.Bool
	away.Store(true)
	out = &topic{fail: away.Load}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		runFor(t, 10*time.Minute, newWorker(stream, out, log, "slow"))
	}()
	time.Sleep(time.Minute)
	out.mu.Lock()
	defer out.mu.Unlock()
	require.NotEmpty(t, out.seen, "it tries")
	out.seen = nil
	return out, log, ended, func() { away.Store(false) }
}

func say(t *testing.T, log checkpoint.Log, position uint64, done bool) {
	t.Helper()
	f := checkpoint.NewFacts(log, "stale", time.Minute)
	fact := checkpoint.ShardFact{Generation: 1, Shard: "s", Start: at(1), Position: at(position), Done: done}
	require.NoError(t, f.WriteShards(t.Context(), fact))
}

// Invariant 5: once a fact is there, nothing at or before its position is published for long, by whomever.
func TestCaptureTakesNoticeOfAFurtherFact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log, ended, free := hindered(t)
		say(t, log, 9, false)
		time.Sleep(time.Minute) // less than the grace
		out.mu.Lock()
		out.seen = nil
		out.mu.Unlock()
		free()
		<-ended
		var want []string
		for n := uint64(10); n <= 12; n++ {
			version := events.Version{Generation: 1, Class: events.Live, Position: at(n)}
			want = append(want, fmt.Sprintf(`{"pk":{"S":"k"}}@%s`, version))
		}
		require.Equal(t, want, out.seen)
	})
}

// A shard that another capture has finished is finished.
func TestCaptureTakesNoticeOfAFinishedShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, log, ended, free := hindered(t)
		say(t, log, 12, true)
		time.Sleep(time.Minute)
		out.mu.Lock()
		out.seen = nil
		out.mu.Unlock()
		free()
		<-ended
		require.Empty(t, out.seen)
	})
}
