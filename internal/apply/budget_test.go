package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
)

// measure subtracts what is written from what is fetched; every key of the world must be written once.
func (w *world) measure(sizes map[events.Key]int64) {
	w.fault = func(c call) (bool, error) {
		w.unsettled -= sizes[c.event.Key]
		return true, nil
	}
}

func TestBacklogIsReadWithinTheBudget(t *testing.T) {
	const maxBytes = 1 << 20
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sizes := map[events.Key]int64{}
		total := int64(0)
		for p := range 4 {
			for n := range 2000 {
				name := fmt.Sprintf("p%d-%d", p, n)
				r := read(name, strings.Repeat("v", n%3000))
				sizes[keyOf(name)] = int64(r.Memory())
				total += int64(r.Memory())
				w.append(snapshotAt(p), r)
			}
		}
		require.Greater(t, total, int64(9*maxBytes))
		w.measure(sizes)
		w.logs[liveAt(0)] = nil
		r := w.run(func(c *Config) { c.MaxBytes = maxBytes })
		time.Sleep(100 * time.Millisecond)
		w.append(liveAt(0), change("live", 1, "v"))
		r.finish()
		require.LessOrEqual(t, w.mostUnsett, int64(maxBytes/2+1000), "one half for the snapshot, and the one change")
		require.Greater(t, w.mostUnsett, int64(maxBytes/8), "and it is used")
		require.Equal(t, Counts{Applied: 8000 + 1}, w.counts())
	})
}

// The snapshot's backlog takes the snapshot's half only.
func TestLiveHasABudgetOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fault = func(c call) (bool, error) {
			if c.event.Version.Class == events.Snapshot {
				return false, errRange
			}
			return true, nil
		}
		for n := range 2000 {
			w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), strings.Repeat("v", 1000)))
		}
		w.logs[liveAt(0)] = nil
		r := w.run(func(c *Config) { c.MaxBytes = 1 << 20 })
		time.Sleep(5 * time.Second) // the snapshot's half is full
		for n := range uint64(100) {
			w.append(liveAt(0), change(fmt.Sprintf("l%d", n), n, strings.Repeat("v", 1000)))
		}
		time.Sleep(30 * time.Second)
		w.mu.Lock()
		require.Len(t, w.table, 100)
		require.Less(t, w.mostUnsett, int64(1<<20), "and the rows that wait do not grow")
		w.mu.Unlock()
		require.NoError(t, r.stop())
	})
}

func TestRecordLargerThanTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 10 {
			w.append(snapshotAt(0), read(fmt.Sprintf("small%d", n), "v"))
			w.append(snapshotAt(0), read(fmt.Sprintf("large%d", n), strings.Repeat("v", 400_000)))
		}
		w.run(func(c *Config) { c.MaxBytes = 1000 }).finish()
		require.Equal(t, Counts{Applied: 20}, w.counts())
	})
}

func TestManyPartitionsOfOneSmallBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for p := range 100 {
			for n := range 20 {
				w.append(snapshotAt(p), read(fmt.Sprintf("p%d-%d", p, n), strings.Repeat("v", 2000)))
			}
		}
		w.run(func(c *Config) { c.MaxBytes = 256 << 10 }).finish()
		require.Equal(t, Counts{Applied: 2000}, w.counts())
	})
}

// One record that does not get done leaves room for the fetches of its topic, however small the budget is.
func TestStuckRecordLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("stuck") {
				return false, errRange
			}
			return true, nil
		}
		w.append(liveAt(0), change("stuck", 1, "v"))
		for n := range uint64(2000) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, strings.Repeat("v", 1000)))
		}
		r := w.run(func(c *Config) { c.MaxBytes = 1 << 20 })
		time.Sleep(time.Minute)
		w.mu.Lock()
		require.Len(t, w.table, 2000)
		w.mu.Unlock()
		require.NoError(t, r.stop())
	})
}

// A record that does not get done holds back the fetching of its partition at some point, and of no other.
func TestPendingRecordsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stuck := true
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("stuck") && stuck {
				return false, errRange
			}
			return true, nil
		}
		w.append(liveAt(0), change("stuck", 1, "v"))
		for n := range uint64(2 * maxPending) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		w.append(liveAt(1), change("other", 1, "v"))
		w.latency = func() time.Duration { return time.Millisecond }
		r := w.run(func(c *Config) { c.MaxBytes = 1 << 20 })
		time.Sleep(time.Minute)
		w.mu.Lock()
		require.Greater(t, len(w.table), maxPending/2)
		require.Less(t, len(w.table), 2*maxPending)
		require.Contains(t, w.table, string(keyOf("other")))
		stuck = false
		w.mu.Unlock()
		r.finish()
		require.Len(t, w.table, 2*maxPending+2)
	})
}

func TestReserveEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		require.NoError(t, b.reserve(t.Context(), 1000), "the first passes, however large")
		cause := errors.New("rebalance")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		require.ErrorIs(t, b.reserve(ctx, 1), cause)
		require.ErrorIs(t, b.reserve(ctx, 1), cause)
		require.Equal(t, int64(1000), b.used, "who is sent away holds nothing")
		b.adjust(-1000)
		require.ErrorIs(t, b.reserve(ctx, 1), cause)
		require.Zero(t, b.used)
	})
}
