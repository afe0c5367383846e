package apply

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
)

// written is how many rows are written in ten seconds from now on.
func (w *world) written() int {
	w.mu.Lock()
	before := len(w.table)
	w.mu.Unlock()
	time.Sleep(10 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.table) - before
}

func (w *world) calling() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.active
}

func (w *world) changes(n int) {
	for i := range n {
		w.append(liveAt(i%4), change(fmt.Sprintf("k%d", i), uint64(i), "v"))
	}
}

// A worker keeps to the units a second that it has now, whether it is told while it runs or before.
func TestUnitsAreChangedWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.changes(9_000)
		c := w.config()
		c.Units = 100
		worker := New(c)
		worker.Limit(Limits{Units: 50})
		r := w.runs(worker)
		require.InDelta(t, 550, w.written(), 20, "told before it ran; a second of it was saved")
		for _, units := range []float64{10, 100, 1, 200} {
			worker.Limit(Limits{Units: units})
			time.Sleep(10 * time.Second) // what was saved and what was spent at the rate before
			require.InDelta(t, 10*units, w.written(), 5, "%v units a second", units)
		}
		worker.Limit(Limits{})
		r.finish()
		require.Equal(t, Counts{Applied: 9_000}, w.counts())
	})
}

// With one call at once it takes the time of all calls, one after the other.
func TestCallsAreChangedWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return 100 * time.Millisecond }
		w.changes(4_000)
		worker := New(w.config())
		r := w.runs(worker)
		time.Sleep(time.Second)
		for _, c := range []struct{ limit, calls int }{{1, 1}, {4, 4}, {2, 2}, {1000, 8}, {0, 8}} {
			worker.Limit(Limits{Calls: c.limit})
			time.Sleep(time.Second) // calls under way end, and it takes some answers until there are more
			w.mu.Lock()
			w.most = w.active
			w.mu.Unlock()
			require.InDelta(t, 100*c.calls, w.written(), 10)
			require.Equal(t, c.calls, w.most)
		}
		r.finish()
		require.Equal(t, Counts{Applied: 4_000}, w.counts())
	})
}

// A pause lets calls end, begins none for as long as it lasts, and loses nothing: what was held is written afterwards.
func TestPauseLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return 100 * time.Millisecond }
		w.changes(5000)
		w.append(liveAt(0), events.Record{Key: []byte("garbage")})
		worker := New(w.config())
		r := w.runs(worker)
		time.Sleep(10*time.Second + 50*time.Millisecond) // in the midst of calls
		require.Equal(t, 8, w.calling())
		worker.Limit(Limits{Paused: true})
		time.Sleep(time.Second)
		require.Zero(t, w.calling(), "the calls under way have ended")
		require.Zero(t, w.written())
		require.Len(t, w.letters, 1, "the dlq is not the table")
		require.Equal(t, int64(len(w.table)), w.counts().Total(), "what is done is committed")

		require.NoError(t, r.stop(), "a worker that is paused can be stopped")
		again := w.runs(worker)
		require.Zero(t, w.written(), "the pause holds for the runs that follow")
		worker.Limit(Limits{})
		again.finish()
		require.Equal(t, Counts{Applied: 5000, Dead: 1}, w.counts())
	})
}

// Whatever goes wrong, and however the limits change meanwhile, the table is what the highest versions say.
func TestLimitsThatChangeLoseNothing(t *testing.T) {
	for seed := range 25 {
		synctest.Test(t, func(t *testing.T) {
			c := &chaos{world: newWorld(t), model: map[string]row{}}
			c.random, c.trouble = rand.New(rand.NewPCG(uint64(seed), 2)), rand.New(rand.NewPCG(uint64(seed), 3))
			for p := range 2 {
				c.logs[snapshotAt(p)], c.logs[liveAt(p)] = nil, nil
			}
			c.breaks(c.random.IntN(60))
			c.fill(100)
			worker := New(c.config())
			r := c.runs(worker)
			for range 20 {
				worker.Limit(Limits{
					Units: float64(c.random.IntN(3) * c.random.IntN(50)), Calls: c.random.IntN(10), Paused: c.random.IntN(3) == 0,
				})
				time.Sleep(time.Duration(c.random.IntN(1000)) * time.Millisecond)
				c.fill(c.random.IntN(20))
			}
			worker.Limit(Limits{})
			r.finish()
			time.Sleep(10 * time.Second) // writes that land late
			table := map[string]row{}
			for name := range c.model {
				if have, ok := c.table[string(keyOf(name))]; ok {
					table[name] = have
				}
			}
			require.Equal(t, c.model, table, "seed %d", seed)
		})
	}
}
