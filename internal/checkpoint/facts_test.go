package checkpoint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
)

const grace = 10 * time.Minute

func shardAt(n uint64) checkpoint.ShardFact {
	return checkpoint.ShardFact{Generation: 1, Shard: "s", Position: events.PositionAt(n)}
}

// read is what a worker that starts now knows.
func read(t *testing.T, log checkpoint.Log) *checkpoint.Facts {
	t.Helper()
	f := checkpoint.NewFacts(log, "reader", grace)
	require.NoError(t, f.Refresh(t.Context()))
	return f
}

// left is the keys that stand in the log.
func left(log *checkpointtest.Log) (keys []string) {
	log.Compact()
	for _, e := range log.Entries() {
		if e.Value != nil {
			keys = append(keys, string(e.Key))
		}
	}
	return keys
}

// Invariant 6: a late write of a stale worker changes nothing.
func TestFurthestFactCounts(t *testing.T) {
	log := &checkpointtest.Log{}
	a, b := checkpoint.NewFacts(log, "a", grace), checkpoint.NewFacts(log, "b", grace)
	require.NoError(t, a.WriteShards(t.Context(), shardAt(5)))
	require.NoError(t, b.WriteShards(t.Context(), shardAt(9)))
	require.NoError(t, a.WriteShards(t.Context(), shardAt(7)))
	require.NoError(t, b.WriteShards(t.Context(), shardAt(8)), "a late goroutine of the same worker")
	require.Equal(t, shardAt(9), read(t, log).Shards(1)["s"])
	require.Empty(t, read(t, log).Shards(2), "another generation's")
}

func TestFurtherFacts(t *testing.T) {
	before := checkpoint.ShardFact{Generation: 1, Shard: "s", Before: true}
	done := shardAt(3)
	done.Done = true
	gap := shardAt(7)
	gap.Gap = "lost"
	stopped := shardAt(7)
	stopped.Stopped = "not understood"
	confirmed := shardAt(7)
	confirmed.Confirmed = time.Unix(1_700_000_000, 0).UTC()
	for name, c := range map[string]struct{ less, further checkpoint.ShardFact }{
		"position":                        {shardAt(9), shardAt(10)},
		"done before position":            {shardAt(9), done},
		"open wins over closed before":    {before, checkpoint.ShardFact{Generation: 1, Shard: "s"}},
		"a gap stays":                     {confirmed, gap},
		"but not when more was published": {gap, shardAt(8)},
		"what stopped it stays":           {confirmed, stopped},
		"until somebody gets further":     {stopped, shardAt(8)},
		"a gap before what stopped it":    {stopped, gap},
		"confirmed":                       {shardAt(7), confirmed},
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range [][2]checkpoint.ShardFact{{c.less, c.further}, {c.further, c.less}} {
				log := &checkpointtest.Log{}
				require.NoError(t, checkpoint.NewFacts(log, "a", grace).WriteShards(t.Context(), order[0]))
				require.NoError(t, checkpoint.NewFacts(log, "b", grace).WriteShards(t.Context(), order[1]))
				require.Equal(t, c.further, read(t, log).Shards(1)["s"])
			}
		})
	}
}

func TestSegmentFacts(t *testing.T) {
	log := &checkpointtest.Log{}
	f := checkpoint.NewFacts(log, "a", grace)
	fact := checkpoint.SegmentFact{Generation: 2, Segment: 3, Total: 8, Pages: 4, Items: 40, LastKey: []byte(`{"pk":{"S":"x"}}`)}
	require.NoError(t, f.WriteSegments(t.Context(), fact))
	end := fact
	end.Pages, end.LastKey, end.Done = 4, nil, true
	require.NoError(t, f.WriteSegments(t.Context(), end))
	got, ok := read(t, log).Segment(2, 3, 8)
	require.True(t, ok)
	require.Equal(t, end, got)
	_, ok = f.Segment(2, 3, 16)
	require.False(t, ok, "a last key belongs to one total")
	require.Equal(t, []checkpoint.SegmentFact{end}, f.Segments(2))
	require.Empty(t, f.Segments(1))
}

// A fact that cannot be read stops the worker: without it a scan could begin too late.
func TestUnreadableFacts(t *testing.T) {
	for _, e := range []checkpoint.Entry{
		{Key: []byte("shard/1/s"), Value: []byte(`{}`)},
		{Key: []byte("hard/1/s@a"), Value: []byte(`{}`)},
		{Key: []byte("shard/1/s@a"), Value: []byte(`{"generation":`)},
		{Key: []byte("shard/1/s@a"), Value: []byte(`{"generatoin":1}`)},
		{Key: []byte("shard/1/s@a"), Value: []byte(`null`)},
		{Key: []byte("shard/1/s@a"), Value: []byte(`{"generation":1,"shard":"t","records":0}`)},
		{Key: []byte("shard/1/s@a"), Value: []byte(`{"generation":1,"shard":"s","records":0} {}`)},
		{Key: []byte("segment/1/8/3@a"), Value: []byte(`{"generation":1,"segment":4,"total":8,"pages":1,"items":1}`)},
	} {
		log := &checkpointtest.Log{}
		require.NoError(t, log.Append(t.Context(), e))
		require.ErrorContains(t, checkpoint.NewFacts(log, "a", grace).Refresh(t.Context()), "offset 0", "%s %s", e.Key, e.Value)
	}
}

// What failed may arrive later than what is written next; it must not replace it.
func TestWriteThatArrivesLate(t *testing.T) {
	log := &checkpointtest.Log{}
	f := checkpoint.NewFacts(log, "a", grace)
	log.LoseAcks(1)
	require.ErrorIs(t, f.WriteShards(t.Context(), shardAt(5)), checkpointtest.ErrLost)
	require.NoError(t, f.WriteShards(t.Context(), shardAt(6)))
	late := log.Entries()[0]
	require.NoError(t, log.Append(t.Context(), late)) // the first one's second arrival
	log.Compact()
	require.Equal(t, shardAt(6), read(t, log).Shards(1)["s"])
}

func TestSupersededFactsAreErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		old, further, mine := checkpoint.NewFacts(log, "old", grace), checkpoint.NewFacts(log, "further", grace), checkpoint.NewFacts(log, "mine", grace)
		require.NoError(t, old.WriteShards(t.Context(), shardAt(5)))
		require.NoError(t, further.WriteShards(t.Context(), shardAt(100)))
		require.NoError(t, mine.Refresh(t.Context()))
		require.NoError(t, mine.WriteShards(t.Context(), shardAt(6)))
		require.ElementsMatch(t, []string{"shard/1/s@old.0", "shard/1/s@further.0", "shard/1/s@mine.0"}, left(log), "too young to be erased")

		time.Sleep(grace + time.Second)
		require.NoError(t, mine.WriteShards(t.Context(), shardAt(7)))
		require.ElementsMatch(t, []string{"shard/1/s@further.0", "shard/1/s@mine.0"}, left(log))
		require.Equal(t, shardAt(100), mine.Shards(1)["s"])
	})
}

// A page can take longer than the grace: of a segment, silence says nothing about whether its worker has stopped. So what
// another one has said of it is erased only by the end of the segment, which nothing is further than.
func TestOnlyTheEndOfASegmentErases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		slow, other := checkpoint.NewFacts(log, "slow", grace), checkpoint.NewFacts(log, "other", grace)
		at := func(pages int64) checkpoint.SegmentFact {
			return checkpoint.SegmentFact{Generation: 1, Total: 1, Pages: pages, Items: 3 * pages, Done: pages == 3}
		}
		require.NoError(t, slow.WriteSegments(t.Context(), at(1)))
		require.NoError(t, other.Refresh(t.Context()))
		time.Sleep(grace + time.Second)
		require.NoError(t, other.WriteSegments(t.Context(), at(1)))
		require.ElementsMatch(t, []string{"segment/1/1/0@slow.0", "segment/1/1/0@other.0"}, left(log), "the slow one may go on at any moment")

		require.NoError(t, slow.WriteSegments(t.Context(), at(2)))
		require.NoError(t, other.Refresh(t.Context()))
		time.Sleep(grace + time.Second)
		require.NoError(t, other.WriteSegments(t.Context(), at(3)))
		require.Equal(t, []string{"segment/1/1/0@other.0"}, left(log))
	})
}

// An owner of a partition may be silent for long, with nothing to apply. Its last fact may arrive while the next owner
// begins, so that one erases nothing before it has had the partition for a grace.
func TestAppliedFactsAreErasedAGraceAfterTheirOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		idle, next := checkpoint.NewFacts(log, "idle", grace), checkpoint.NewFacts(log, "next", grace)
		at := func(offset int64) checkpoint.AppliedFact {
			return checkpoint.AppliedFact{Topic: "orders.live", Partition: 3, Offset: offset}
		}
		require.NoError(t, idle.WriteApplied(t.Context(), at(7)))
		require.NoError(t, next.Refresh(t.Context()))
		time.Sleep(10 * grace)
		next.Renew() // it is given the partition
		require.NoError(t, next.WriteApplied(t.Context(), at(8)))
		require.ElementsMatch(t, []string{"applied/0/orders.live/3@idle.0", "applied/0/orders.live/3@next.1"}, left(log))

		require.NoError(t, idle.WriteApplied(t.Context(), at(9)), "it was committed before, and is late")
		time.Sleep(grace + time.Second)
		require.NoError(t, next.Refresh(t.Context()))
		require.NoError(t, next.WriteApplied(t.Context(), at(10)))
		require.Len(t, left(log), 2, "it has been heard of lately")
		time.Sleep(grace + time.Second)
		require.NoError(t, next.WriteApplied(t.Context(), at(11)))
		require.Equal(t, []string{"applied/0/orders.live/3@next.1"}, left(log))
		require.Equal(t, []checkpoint.AppliedFact{at(11)}, next.Applied(0))
	})
}

// Invariant 6, for any history: shards move between workers, a worker that has lost one goes on writing about it for
// less than half of the grace, acknowledgements get lost and the log is compacted at any time. No fact that was
// acknowledged is ever unknown to a worker that starts.
func TestNoAcknowledgedFactIsLost(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			log := &checkpointtest.Log{}
			const workers = 3
			var (
				facts [workers]*checkpoint.Facts
				holds [workers]map[string]uint64    // what it knows to be published
				lost  [workers]map[string]time.Time // when it lost a shard
				owner = map[string]int{}
				known = map[string]uint64{} // acknowledged
			)
			begin := func(w int) { // a new assignment, perhaps of a new process
				if facts[w] == nil || rng.IntN(3) == 0 {
					facts[w] = checkpoint.NewFacts(log, fmt.Sprintf("w%d-%d", w, rng.Uint64()), grace)
				}
				facts[w].Renew()
				holds[w], lost[w] = map[string]uint64{}, map[string]time.Time{}
				require.NoError(t, facts[w].Refresh(t.Context()))
			}
			for w := range workers {
				begin(w)
			}
			for range 200 {
				shard := fmt.Sprintf("s%d", rng.IntN(2))
				switch rng.IntN(10) {
				case 0: // it moves
					before, w := owner[shard], rng.IntN(workers)
					if before == w {
						continue
					}
					lost[before][shard] = time.Now()
					begin(w)
					owner[shard] = w
				case 1:
					log.Compact()
				case 2:
					time.Sleep(time.Duration(rng.Int64N(int64(grace))))
				case 3:
					log.LoseAcks(1)
				default:
					w := rng.IntN(workers)
					since, zombie := lost[w][shard]
					if owner[shard] != w && (!zombie || time.Since(since) > grace/2) {
						continue
					}
					at, ok := holds[w][shard]
					if !ok && zombie {
						continue
					}
					if !ok {
						if fact, ok := facts[w].Shards(1)[shard]; ok {
							_, err := fmt.Sscanf(fact.Position.Number(), "%d", &at)
							require.NoError(t, err)
						}
					}
					at += 1 + rng.Uint64N(5)
					holds[w][shard] = at
					fact := checkpoint.ShardFact{Generation: 1, Shard: shard, Position: events.PositionAt(at)}
					if facts[w].WriteShards(t.Context(), fact) == nil {
						known[shard] = max(known[shard], at)
					}
				}
				fresh := read(t, log).Shards(1)
				for s, at := range known {
					require.GreaterOrEqual(t, fresh[s].Position, events.PositionAt(at), "seed %d shard %s", seed, s)
				}
			}
			require.NotEmpty(t, known)
		})
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := checkpoint.NewFacts(&checkpointtest.Log{}, "a", grace)
	require.ErrorIs(t, f.WriteShards(ctx, shardAt(1)), context.Canceled)
	require.ErrorIs(t, f.Refresh(ctx), context.Canceled)
}

func worker(process string, started, heard time.Time) checkpoint.WorkerFact {
	return checkpoint.WorkerFact{Process: process, Roles: []string{"apply"}, Build: "devel", Started: started, Confirmed: heard}
}

// What a process says last counts, under whichever name it said it; its end comes after everything else.
func TestLastWordOfAWorkerCounts(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	log := &checkpointtest.Log{}
	a, b := checkpoint.NewFacts(log, "a", grace), checkpoint.NewFacts(log, "b", grace)
	began, later := worker("host@1", at, at), worker("host@1", at, at.Add(time.Minute))
	ended := began
	ended.Ended, ended.Error = at.Add(30*time.Second), &checkpoint.WorkerError{Text: "gone", Class: "fatal", Reason: "gap"}
	require.NoError(t, a.WriteWorker(t.Context(), ended))
	require.NoError(t, b.WriteWorker(t.Context(), later), "it arrives late")
	require.NoError(t, b.WriteWorker(t.Context(), began), "and what was said before it does nothing")
	require.NoError(t, b.WriteWorker(t.Context(), worker("other", at, at)))
	require.Equal(t, map[string]checkpoint.WorkerFact{"host@1": ended, "other": worker("other", at, at)}, read(t, log).Workers())
	require.Empty(t, read(t, log).Shards(1))
}

// Workers that are gone are not remembered for ever, nor without number; those at work are.
func TestForgettableWorkers(t *testing.T) {
	now := time.Unix(1_700_000_000, 0).UTC()
	workers := map[string]checkpoint.WorkerFact{}
	add := func(process string, silent time.Duration, ended bool, failed bool) {
		f := worker(process, now.Add(-48*time.Hour), now.Add(-silent))
		if ended {
			f.Ended = f.Confirmed
		}
		if failed {
			f.Error = &checkpoint.WorkerError{Text: "gone", Class: "fatal"}
		}
		workers[process] = f
	}
	add("at work", 30*time.Second, false, false)
	add("ended well", time.Second, true, false)
	add("failed", time.Hour, true, true)
	add("silent", time.Hour, false, false)
	add("failed long ago", 25*time.Hour, true, true)
	add("silent for long", 25*time.Hour, false, false)
	require.ElementsMatch(t, []string{"ended well", "failed long ago", "silent for long"}, checkpoint.Forgettable(workers, now))

	for n := range 300 {
		add(fmt.Sprintf("crash %d", n), 2*time.Hour+time.Duration(n)*time.Second, true, true)
	}
	forgotten := checkpoint.Forgettable(workers, now)
	require.Len(t, forgotten, 3+202)
	require.NotContains(t, forgotten, "failed")
	require.NotContains(t, forgotten, "crash 97")
	require.Contains(t, forgotten, "crash 98")

	log := &checkpointtest.Log{}
	f := checkpoint.NewFacts(log, "a", grace)
	for _, w := range workers {
		require.NoError(t, f.WriteWorker(t.Context(), w))
	}
	require.NoError(t, f.ForgetWorkers(t.Context(), forgotten...))
	require.Len(t, f.Workers(), len(workers)-len(forgotten))
	require.Equal(t, f.Workers(), read(t, log).Workers())
	require.Len(t, left(log), len(workers)-len(forgotten))
	require.NoError(t, f.WriteWorker(t.Context(), workers["ended well"]), "whoever is there after all says so again")
	require.Contains(t, read(t, log).Workers(), "ended well")
}
