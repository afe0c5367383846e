package capture

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
)

// shardFacts are what a worker that starts now knows.
func shardFacts(t *testing.T, log checkpoint.Log) map[string]checkpoint.ShardFact {
	t.Helper()
	facts := checkpoint.NewFacts(log, "reader", time.Minute)
	require.NoError(t, facts.Refresh(t.Context()))
	return facts.Shards(1)
}

// A child may be listed long after its parent has ended: it is looked for again and again, also by a worker that
// comes later.
func TestChildThatAppearsLateIsRead(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			stream, out, log := &fakeStream{shards: []Shard{{ID: "p", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
			start(t, stream, log)
			stream.add("p", "k", 1)
			stream.shards[0].End = at(1)
			appear := func() {
				stream.mu.Lock()
				stream.shards = append(stream.shards, Shard{ID: "c", Parent: "p", Start: at(2)})
				stream.mu.Unlock()
				stream.add("c", "k", 2)
			}
			if restart {
				runFor(t, 20*time.Minute, newWorker(stream, out, log, "a"))
				appear()
				runFor(t, time.Minute, newWorker(stream, out, log, "b"))
			} else {
				late := time.AfterFunc(20*time.Minute, appear)
				defer late.Stop()
				runFor(t, 30*time.Minute, newWorker(stream, out, log, "a"))
			}
			require.Len(t, out.seen, 2)
			require.True(t, shardFacts(t, log)["p"].Done)
			require.Equal(t, at(2), shardFacts(t, log)["c"].Position)
		})
	}
}

// Hundreds of shards that split again and again: two workers come to the end of all that are closed, and follow the
// open ones.
func TestHundredsOfShardsConverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const roots, generations = 150, 3
		stream, out, log := &fakeStream{}, &topic{}, &checkpointtest.Log{}
		for root := range roots {
			stream.shards = append(stream.shards, Shard{ID: fmt.Sprintf("0-%d", root), Start: at(1)})
		}
		start(t, stream, log)
		position := 1
		for generation := range generations {
			for root := range roots {
				id := fmt.Sprintf("%d-%d", generation, root)
				for range 2 {
					position++
					stream.add(id, fmt.Sprint("k", root), position)
				}
				if generation == generations-1 {
					continue // the last ones stay open
				}
				for i := range stream.shards {
					if stream.shards[i].ID == id {
						stream.shards[i].End = at(uint64(position))
					}
				}
				stream.shards = append(stream.shards, Shard{ID: fmt.Sprintf("%d-%d", generation+1, root), Parent: id, Start: at(uint64(position + 1))})
			}
		}
		runFor(t, time.Minute, newWorker(stream, out, log, "a"), newWorker(stream, out, log, "b"))
		require.Len(t, out.seen, position-1, "each once: nobody has failed")
		facts := shardFacts(t, log)
		require.Len(t, facts, roots*generations)
		for id, fact := range facts {
			require.Equal(t, id[0] != '0'+generations-1, fact.Done, id)
			require.EqualValues(t, 2, fact.Records, id)
		}
	})
}

// The stream's times have whole seconds. Two changes in one second have versions in their order all the same.
func TestChangesOfOneSecondHaveAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		for _, position := range []int{9, 10, 11, 100} { // as text, 10 is less than 9
			stream.add("s", "k", position)
		}
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		require.Len(t, out.seen, 4)
		require.IsIncreasing(t, out.seen)
		for _, c := range stream.changes["s"] {
			require.Equal(t, stream.changes["s"][0].Time, c.Time)
		}
	})
}

// How far capture is behind is an age, whatever the number of records.
func TestBehindIsAnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		for i := range 60 {
			stream.add("s", "k", i+1)
		}
		time.Sleep(3 * time.Hour)
		out.fail = func() bool { time.Sleep(10 * time.Second); return false }
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		fact := shardFacts(t, log)["s"]
		require.Less(t, fact.Records, int64(60), "it is under way")
		require.InDelta(t, 3*time.Hour, fact.Behind, float64(2*time.Minute))
		out.fail = nil
		runFor(t, time.Minute, newWorker(stream, out, log, "b"))
		fact = shardFacts(t, log)["s"]
		require.Zero(t, fact.Behind)
		require.WithinDuration(t, time.Now(), fact.Confirmed, time.Minute)
	})
}

// An iterator that is refused whenever it is used is not asked for without a pause, and not for ever: reading goes on
// where it was as soon as one is good.
func TestRefusedIteratorsAreAskedForWithAPause(t *testing.T) {
	for name, refusal := range map[string]error{"expired": ErrExpired, "forgotten while empty": ErrTrimmed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
				start(t, stream, log)
				refused, refusing := 0, false
				w := newWorker(&refuser{fakeStream: stream, with: refusal, when: func() bool {
					if refusing {
						refused++
					}
					return refusing
				}}, out, log, "a")
				time.AfterFunc(10*time.Second, func() { // it was seen empty
					stream.add("s", "k", 1)
					stream.mu.Lock()
					defer stream.mu.Unlock()
					refusing = true
				})
				time.AfterFunc(70*time.Second, func() {
					stream.mu.Lock()
					defer stream.mu.Unlock()
					refusing = false
				})
				runFor(t, 2*time.Minute, w)
				require.Len(t, out.seen, 1)
				require.Positive(t, refused)
				require.LessOrEqual(t, refused, int(time.Minute/w.Poll)+1)
			})
		})
	}
}

// refuser answers readings with an error.
type refuser struct {
	*fakeStream
	with error
	when func() bool
}

func (f *refuser) Records(ctx context.Context, iterator string) (Page, error) {
	f.mu.Lock()
	refuse := f.when()
	f.mu.Unlock()
	if refuse {
		return Page{}, f.with
	}
	return f.fakeStream.Records(ctx, iterator)
}
