package apply

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Limits may change in every moment in which runs begin and end: none is missed, and no run is left paused.
func TestLimitsChangeWhileRunsBeginAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return 7 * time.Millisecond }
		w.changes(3_000)
		worker := New(w.config())
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(i%5) * time.Millisecond):
				}
				worker.Limit(Limits{Units: float64(i % 3 * 100), Calls: i % 9, Paused: i%4 == 0})
			}
		}()
		for i := range 50 {
			r := w.runs(worker)
			time.Sleep(time.Duration(i%7) * time.Millisecond)
			require.NoError(t, r.stop())
		}
		close(stop)
		<-stopped
		worker.Limit(Limits{Paused: true})
		r := w.runs(worker)
		time.Sleep(time.Second)
		synctest.Wait()
		before := w.counts().Total()
		time.Sleep(time.Minute)
		require.Equal(t, before, w.counts().Total(), "paused")
		worker.Limit(Limits{})
		r.finish()
		require.Equal(t, int64(3_000), w.counts().Total())
		require.Empty(t, worker.running, "what has ended is forgotten")
	})
}

// A rate that is low has a writer wait for long; a higher one, or none, is taken notice of at once, and not when that wait is over.
func TestAHigherRateEndsTheWait(t *testing.T) {
	for _, higher := range []Limits{{}, {Units: 1000}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.changes(100)
			worker := New(w.config())
			worker.Limit(Limits{Units: 0.001})
			r := w.runs(worker)
			time.Sleep(time.Minute)
			require.Less(t, w.counts().Total(), int64(100))
			worker.Limit(higher)
			time.Sleep(3 * time.Second)
			require.Equal(t, Counts{Applied: 100}, w.counts())
			r.finish()
		})
	}
}
