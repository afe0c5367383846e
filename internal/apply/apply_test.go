package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// puts lists the versions that were asked for, for one key, in order.
func (w *world) puts(name string) (positions []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, calls := range w.calls {
		for _, c := range calls {
			if c.event.Key == keyOf(name) {
				positions = append(positions, c.event.Version.Position.Number())
			}
		}
	}
	return positions
}

func one(c *Config) { c.InFlight = 1 }

func TestCoalesceKeepsTheHighest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, n := range []uint64{3, 1, 9, 4, 7} { // in whatever order they come
			w.append(liveAt(0), change("a", n, "v"))
		}
		w.append(snapshotAt(0), read("a", "old"))
		// The lane is full before the first call begins: a call for another key is under way.
		w.append(liveAt(1), change("z", 1, "v"))
		w.run(one).finish()
		require.Equal(t, liveVersion(9).String(), w.table[string(keyOf("a"))].version)
		require.LessOrEqual(t, len(w.puts("a")), 2)
		require.Contains(t, w.puts("a"), "9")
		require.GreaterOrEqual(t, w.counts().Superseded, int64(4))
		require.Equal(t, int64(7), w.counts().Total())
	})
}

func TestCoalesceWhileACallIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return time.Second }
		w.append(liveAt(0), change("a", 10, "v"))
		r := w.run()
		time.Sleep(500 * time.Millisecond)
		for n := range uint64(20) {
			w.append(liveAt(0), change("a", 5+n, "v"))
		}
		r.finish()
		require.Equal(t, []string{"10", "24"}, w.puts("a"), "the first, then only the last of those that waited")
		require.Equal(t, Counts{Applied: 2, Superseded: 19}, w.counts())
	})
}

func TestTooLargeFallsBackToTheNextLower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(1), change("z", 1, "v"))
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("a", 2, "good"))
		dead := w.append(liveAt(0), change("a", 3, "large"))
		w.fault = func(c call) (bool, error) {
			if strings.Contains(string(c.event.Item.Raw), "large") {
				return false, errTooLarge
			}
			return true, nil
		}
		w.run(one).finish()
		require.Equal(t, liveVersion(2).String(), w.table[string(keyOf("a"))].version)
		require.Equal(t, map[string]events.Reason{fmt.Sprintf("%s@%d", liveAt(0), dead): events.TooLarge}, w.letters)
		require.Equal(t, int64(1), w.counts().Dead)
	})
}

func TestRefusedWithoutReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(snapshotAt(0), read("a", "v"))
		w.fault = func(call) (bool, error) {
			return false, &fault.Error{Class: fault.Record, What: "the item is not valid"}
		}
		w.run().finish()
		require.Equal(t, map[string]events.Reason{"orders.snapshot/0@0": events.Refused}, w.letters)
	})
}

func TestHotKeyDoesNotSlowOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("hot") && time.Since(began) < time.Minute {
				return false, errRange
			}
			return true, nil
		}
		for n := range uint64(50) {
			w.append(liveAt(0), change("hot", n, "v"))
		}
		for n := range 500 {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), 1, "v"))
			w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), "v"))
		}
		r := w.run()
		time.Sleep(2 * time.Second)
		w.mu.Lock()
		require.Len(t, w.table, 1000, "all but the hot key")
		require.Zero(t, w.progress[liveAt(0)].Offset, "and nothing of its partition is committed")
		require.Equal(t, int64(500), w.progress[snapshotAt(0)].Offset)
		require.Less(t, len(w.calls), 700, "nor do its attempts use up the table")
		w.mu.Unlock()
		r.finish()
		require.Equal(t, int64(1050), w.counts().Total()-w.counts().Superseded+49)
	})
}

func TestLiveGoesBeforeSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 200 {
			w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), "v"))
		}
		w.logs[liveAt(0)] = nil
		w.latency = func() time.Duration { return time.Second }
		r := w.run(one)
		time.Sleep(1500 * time.Millisecond) // the second batch is under way
		for n := range uint64(20) {
			w.append(liveAt(0), change(fmt.Sprintf("l%d", n), n, "v"))
		}
		w.append(liveAt(0), change("s199", 100, "v")) // waits as a snapshot row until now
		r.finish()
		var order strings.Builder
		for _, calls := range w.calls {
			if calls[0].insert {
				order.WriteString("s")
			} else {
				order.WriteString("l")
			}
		}
		require.Equal(t, "ss"+strings.Repeat("l", 21)+"ssssss", order.String())
		require.Equal(t, 1, w.most)
		require.Equal(t, int64(1), w.counts().Superseded, "the read of a row that has changed meanwhile is not written")
	})
}

func TestFullBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range 1000 {
			w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), "v"))
		}
		w.run().finish()
		require.Len(t, w.calls, 40)
		for _, calls := range w.calls {
			require.Len(t, calls, MaxInsert)
		}
	})
}

// A row of a later generation, or of a replay, must replace its earlier self: an insert would leave the old one.
func TestSnapshotRowsThatReplaceArePut(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"rerun": func(w *world) { w.rules.Rerun = 3 },
		"generation": func(w *world) {
			w.state.Created.Generation = 2
			for i, r := range w.logs[snapshotAt(0)] {
				r.Headers = slices.Clone(r.Headers)
				r.Headers[1].Value = []byte(events.Version{Generation: 2}.String())
				w.logs[snapshotAt(0)][i] = r
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				for n := range 30 {
					key := fmt.Sprintf("s%d", n)
					w.append(snapshotAt(0), read(key, "new"))
					w.table[string(keyOf(key))] = row{events.Version{Generation: 1}.String(), events.Write, "old"}
				}
				prepare(w)
				w.run().finish()
				for key, have := range w.table {
					require.Contains(t, have.raw, "new", key)
				}
				require.Equal(t, Counts{Applied: 30}, w.counts())
			})
		})
	}
}

// A database that takes 25 calls a second, one after the other, and does those too whose callers have given up. With all
// calls that are allowed, each would wait for longer than its second, for ever.
func TestOverloadedDatabaseIsNotMadeWorse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const service, deadline = 40 * time.Millisecond, time.Second
		var free time.Time // when the database has done what it was asked for
		given, gaveUp := 0, 0
		w.overload = func() (time.Duration, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			given++
			free = latest(free, time.Now()).Add(service)
			if took := time.Until(free); took <= deadline {
				return took, nil
			}
			gaveUp++
			return deadline, &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "put", Err: context.DeadlineExceeded}
		}
		const rows = 1000
		for n := range uint64(rows) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		began := time.Now()
		w.run(func(c *Config) { c.InFlight = 64 }).finish()
		require.Less(t, time.Since(began), rows*service*3/2, "little is done twice")
		require.Less(t, gaveUp, given/5)
		require.Len(t, w.table, rows)
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A batch that was not answered is tried again as a batch; rows of one that was throttled are tried one by one, since only
// then an answer says why.
func TestFailedBatch(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		together bool
	}{
		"not answered": {&fault.Error{Class: fault.Retry, Reason: "no-answer", What: "insert", Err: context.DeadlineExceeded}, true},
		"throttled":    {errThrottled, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				failing := true
				w.fault = func(call) (bool, error) {
					if failing {
						return false, c.err
					}
					return true, nil
				}
				for n := range MaxInsert {
					w.append(snapshotAt(0), read(fmt.Sprintf("k%d", n), "v"))
				}
				r := w.run(one)
				time.Sleep(6 * time.Millisecond) // one call has failed
				w.mu.Lock()
				failing = false
				w.mu.Unlock()
				r.finish()
				if c.together {
					require.Less(t, len(w.calls), MaxInsert, "each row waits for a time of its own, and meets others")
				} else {
					require.Len(t, w.calls, 1+MaxInsert)
				}
			})
		})
	}
}

func TestThrottledTableLowersConcurrencyAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return 20 * time.Millisecond }
		var throttled atomic.Bool
		w.fault = func(call) (bool, error) {
			if throttled.Load() && w.active > 1 {
				return false, errThrottled
			}
			return true, nil
		}
		for n := range uint64(40_000) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		r := w.run(func(c *Config) { c.InFlight = 16 })
		most := func(wait, window time.Duration) int {
			time.Sleep(wait)
			w.mu.Lock()
			w.most = 0
			w.mu.Unlock()
			time.Sleep(window)
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.most
		}
		require.Equal(t, 16, most(100*time.Millisecond, 200*time.Millisecond))
		throttled.Store(true)
		require.LessOrEqual(t, most(2*time.Second, time.Second), 8, "it settles near what the table takes")
		throttled.Store(false)
		require.Equal(t, 16, most(20*time.Second, time.Second))
		r.finish()
	})
}

func TestUnitsBoundTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range uint64(600) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		began := time.Now()
		w.run(func(c *Config) { c.Units = 10 }).finish()
		require.InDelta(t, 59, time.Since(began).Seconds(), 2, "600 writes of one unit at 10 a second, the first 10 at once")
	})
}

func TestFailingDLQStopsItsPartitionOnly(t *testing.T) {
	for name, letter := range map[string]func(context.Context, events.Record) error{
		"refuses": func(context.Context, events.Record) error {
			return &fault.Error{Class: fault.Retry, What: "write to the dlq"}
		},
		"hangs": func(ctx context.Context, _ events.Record) error {
			<-ctx.Done()
			return &fault.Error{Class: fault.Retry, What: "write to the dlq", Err: ctx.Err()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.letterFault = letter
				for range 50 {
					w.append(liveAt(0), events.Record{Key: []byte("garbage")})
				}
				for n := range uint64(100) {
					w.append(liveAt(0), change(fmt.Sprintf("a%d", n), 1, "v"))
					w.append(liveAt(1), change(fmt.Sprintf("b%d", n), 1, "v"))
					w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), "v"))
				}
				r := w.run(one)
				time.Sleep(2 * time.Second)
				w.mu.Lock()
				require.Len(t, w.table, 300, "what can be applied is applied")
				require.Zero(t, w.progress[liveAt(0)].Offset, "and nothing is committed past the record that is nowhere")
				require.Equal(t, int64(100), w.progress[liveAt(1)].Offset)
				require.Equal(t, int64(100), w.progress[snapshotAt(0)].Offset)
				w.letterFault = func(context.Context, events.Record) error { return nil }
				w.mu.Unlock()
				r.finish()
				require.Len(t, w.letters, 50)
				require.Equal(t, Counts{Applied: 300, Dead: 50}, w.counts())
			})
		})
	}
}

func TestHolesAdvanceTheFrontier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.logs[liveAt(0)] = nil
		w.hole(liveAt(0), 5)
		w.append(liveAt(0), change("a", 1, "v"))
		w.hole(liveAt(0), 3)
		w.append(liveAt(0), change("b", 1, "v"))
		w.hole(liveAt(0), 7)
		w.run().finish()
		require.Equal(t, Progress{Offset: 17, Counts: Counts{Applied: 2}}, w.progress[liveAt(0)])
	})
}

func TestRedeliveryIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("own", 1, "v"))
		w.table[string(keyOf("own"))] = row{}
		w.run().finish()
		require.Equal(t, Counts{Applied: 1, AppOwned: 1}, w.counts())
		require.Equal(t, row{}, w.table[string(keyOf("own"))], "what the application wrote stays")

		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(1), remove("b", 5, events.Delete))
		w.run().finish()
		w.append(liveAt(1), change("b", 4, "v"))
		w.append(liveAt(1), remove("b", 6, events.Tombstone))
		w.run(one).finish()
		require.Equal(t, row{liveVersion(6).String(), events.Tombstone, ""}, w.table[string(keyOf("b"))])
		require.Equal(t, int64(6), w.counts().Total())
		require.Equal(t, int64(1), w.counts().Duplicate)
	})
}

func TestLostAnswerIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := true
		w.fault = func(call) (bool, error) {
			if first {
				first = false
				return true, errTimeout
			}
			return true, nil
		}
		w.append(liveAt(0), change("a", 1, "v"))
		w.run().finish()
		require.Equal(t, Counts{Applied: 1}, w.counts())
	})
}

// The attempts of one job say nothing about another that took its place.
func TestDuplicateAfterAnothersAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.table[string(keyOf("a"))] = row{liveVersion(2).String(), events.Write, ""}
		began := time.Now()
		w.fault = func(c call) (bool, error) {
			return time.Since(began) > 10*time.Second, errOrNil(time.Since(began) <= 10*time.Second)
		}
		w.append(liveAt(0), change("a", 1, "v"))
		r := w.run()
		time.Sleep(9 * time.Second)
		w.mu.Lock()
		w.fault = func(call) (bool, error) { return true, nil }
		w.mu.Unlock()
		w.append(liveAt(0), change("a", 2, "v"))
		r.finish()
		require.Equal(t, Counts{Duplicate: 1, Superseded: 1}, w.counts())
	})
}

func errOrNil(failed bool) error {
	if failed {
		return errTimeout
	}
	return nil
}

func TestNothingAssigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWorld(t).run()
		time.Sleep(time.Minute)
		require.NoError(t, r.stop())
	})
}
