package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
)

const grace = 10 * time.Minute

func snapshotOf(generation uint32) events.Version { return events.Version{Generation: generation} }

func liveOf(generation uint32, n uint64) events.Version {
	return events.Version{Generation: generation, Class: events.Live, Position: events.PositionAt(n)}
}

func TestSuspectAndVanished(t *testing.T) {
	for name, c := range map[string]struct {
		item    Stored
		suspect bool
	}{
		"read by the generation before": {Stored{Version: snapshotOf(1)}, true},
		"changed in the one before":     {Stored{Version: liveOf(1, 99)}, true},
		"rerun in the one before":       {Stored{Version: events.Version{Generation: 1, Rerun: 7}}, true},
		"of the one before that":        {Stored{Version: snapshotOf(2)}, true},
		"read by this generation":       {Stored{Version: snapshotOf(3)}, false},
		"changed in this generation":    {Stored{Version: liveOf(3, 1)}, false},
		"of one that comes later":       {Stored{Version: snapshotOf(4)}, false},
		"the application's":             {Stored{}, false},
		"a marker of the one before":    {Stored{Version: liveOf(1, 9), Marker: true}, false},
		"the application's marker":      {Stored{Marker: true}, false},
	} {
		require.Equal(t, c.suspect, Suspect(c.item, 3), name)
		require.Equal(t, c.suspect, Vanished(c.item, 3, false), name)
		require.False(t, Vanished(c.item, 3, true), "%s, and at the source", name)
	}
}

func TestUnmet(t *testing.T) {
	closed := checkpoint.State{Closed: &checkpoint.Closed{Ends: map[int]int64{0: 10, 1: 5}}}
	all := map[int]int64{0: 10, 1: 5}
	require.Empty(t, Unmet(closed, all, grace, grace))
	require.Empty(t, Unmet(closed, map[int]int64{0: 11, 1: 5, 2: 1}, 2*grace, grace))
	require.Contains(t, Unmet(checkpoint.State{}, all, grace, grace), "closed")
	require.Contains(t, Unmet(closed, map[int]int64{0: 12, 1: 4}, grace, grace), "1 records", "no partition makes up for another")
	require.Contains(t, Unmet(closed, nil, grace, grace), "15 records")
	require.Contains(t, Unmet(closed, all, grace-1, grace), "the grace")
}

// copied is the new table and the old one. Items of the new table are in pages of two, in one segment.
type copied struct {
	t  *testing.T
	mu sync.Mutex

	stored map[events.Key]Stored
	source map[events.Key]bool
	// between is called after a row was looked up and before its marker is written.
	between func(events.Key)
	// step is asked before each call: an error is returned instead, or, when late, after the call has had its effect.
	step func() (late bool, err error)

	lookups, marks int
}

func (c *copied) Older(_ context.Context, than events.Version, segment, _ int, after []byte) (StoredPage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.asked(); err != nil {
		return StoredPage{}, err
	}
	if segment > 0 {
		return StoredPage{}, nil
	}
	from := 0
	if after != nil {
		from, _ = strconv.Atoi(string(after))
	}
	keys := slices.Sorted(maps.Keys(c.stored))
	to := min(from+2, len(keys))
	var page StoredPage
	for _, key := range keys[from:to] {
		if item := c.stored[key]; item.Version != (events.Version{}) && item.Version.Compare(than) < 0 {
			page.Items = append(page.Items, item)
		}
	}
	if to < len(keys) {
		page.Last = []byte(strconv.Itoa(to))
	}
	return page, nil
}

func (c *copied) asked() (late bool, err error) {
	if c.step == nil {
		return false, nil
	}
	return c.step()
}

func (c *copied) lookup(_ context.Context, key events.Key) (bool, float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.asked(); err != nil {
		return false, 0, err
	}
	c.lookups++
	found := c.source[key]
	if c.between != nil {
		c.between(key)
	}
	return found, 1, nil
}

func (c *copied) Mark(_ context.Context, marker events.Event) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	late, err := c.asked()
	if err != nil && !late {
		return false, err
	}
	require.Equal(c.t, events.Delete, marker.Op)
	require.Equal(c.t, snapshotOf(2), marker.Version)
	require.False(c.t, marker.Time.IsZero())
	require.Empty(c.t, marker.Source, "it comes from no shard")
	c.marks++
	have, ok := c.stored[marker.Key]
	if order := have.Version.Compare(marker.Version); ok && (have.Version == (events.Version{}) || order >= 0) {
		return order == 0, err
	}
	c.stored[marker.Key] = Stored{marker.Key, marker.Version, true}
	return true, err
}

func (c *copied) put(key events.Key, v events.Version, marker, atSource bool) {
	c.stored[key] = Stored{key, v, marker}
	c.source[key] = atSource
}

func newCopied(t *testing.T) *copied {
	c := &copied{t: t, stored: map[events.Key]Stored{}, source: map[events.Key]bool{}}
	for i := range 5 {
		c.put(events.Key(fmt.Sprintf("vanished %d", i)), liveOf(1, 7), false, false)
		c.put(events.Key(fmt.Sprintf("read %d", i)), snapshotOf(2), false, true)
	}
	c.put("changed", liveOf(2, 3), false, true)
	c.put("changed and gone since", liveOf(2, 3), false, false)
	c.put("in the dlq", snapshotOf(1), false, true)
	c.put("dead", liveOf(1, 5), true, false)
	c.put("dead since", liveOf(2, 5), true, false)
	c.put("the application's", events.Version{}, false, false)
	return c
}

// history is a control log of a migration whose second generation is closed.
func history(t *testing.T) *checkpointtest.Log {
	t.Helper()
	log := &checkpointtest.Log{}
	control := checkpoint.NewControl(log, "operator")
	for _, e := range []checkpoint.ControlEntry{
		{Created: &checkpoint.Created{Generation: 1}},
		{Restarted: &checkpoint.Restarted{Generation: 2}},
		{Closed: &checkpoint.Closed{Generation: 2, Ends: map[int]int64{0: 9}}},
	} {
		_, err := control.Append(t.Context(), e)
		require.NoError(t, err)
	}
	return log
}

type fresh struct{}

func (fresh) Fresh() error { return nil }

func searchOf(c *copied, log checkpoint.Log, name string) *Search {
	return &Search{
		Table: c, Source: c.lookup, Control: checkpoint.NewControl(log, name), Watch: fresh{}, Generation: 2,
		Committed: func(context.Context) (map[int]int64, error) { return map[int]int64{0: 9}, nil },
		Known:     time.Now(), Grace: grace, Segments: 2, AtOnce: 1,
	}
}

func stateOf(t *testing.T, log checkpoint.Log) checkpoint.State {
	t.Helper()
	state, err := checkpoint.NewControl(log, "reader").Refresh(t.Context())
	require.NoError(t, err)
	return state
}

// marked is what newCopied must become.
func (c *copied) requireMarked() {
	c.t.Helper()
	want := newCopied(c.t)
	for i := range 5 {
		key := events.Key(fmt.Sprintf("vanished %d", i))
		want.stored[key] = Stored{key, snapshotOf(2), true}
	}
	require.Equal(c.t, want.stored, c.stored)
}

func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		began := time.Now()
		require.NoError(t, searchOf(c, log, "a").Run(t.Context()))
		require.GreaterOrEqual(t, time.Since(began), grace, "a writer of the generation before may be under way until then")
		c.requireMarked()
		require.Equal(t, 6, c.lookups, "only what is older is looked up")
		state := stateOf(t, log)
		require.Equal(t, checkpoint.Streaming, state.Phase())
		require.Equal(t, &checkpoint.Marked{Generation: 2, Marked: 5, Kept: 1}, state.Marked)

		require.NoError(t, searchOf(c, log, "b").Run(t.Context()))
		require.Equal(t, 6, c.lookups, "what is recorded is not done again")
	})
}

// A row that is created anew after it was looked up: the live change stands, whichever of the two is written first.
func TestSearchLosesToLiveChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		c.between = func(key events.Key) {
			if key == "vanished 3" {
				c.put(key, liveOf(2, 1), false, true)
			}
		}
		require.NoError(t, searchOf(c, log, "a").Run(t.Context()))
		require.Equal(t, Stored{"vanished 3", liveOf(2, 1), false}, c.stored["vanished 3"])
		require.EqualValues(t, 4, stateOf(t, log).Marked.Marked)
		require.Negative(t, snapshotOf(2).Compare(liveOf(2, 0)), "and beats a marker that is there")
	})
}

// A search that dies before, at or after any of its steps is done again from the start, by another, with the same end.
func TestSearchDiesAtEveryStep(t *testing.T) {
	died := errors.New("died")
	for _, late := range []bool{false, true} {
		for at := 0; ; at++ {
			finished := false
			synctest.Test(t, func(t *testing.T) {
				c, log := newCopied(t), history(t)
				n := 0
				c.step = func() (bool, error) {
					if n++; n > at {
						return late, died
					}
					return false, nil
				}
				err := searchOf(c, log, "a").Run(t.Context())
				if finished = err == nil; finished {
					return
				}
				require.ErrorIs(t, err, died)
				require.Equal(t, checkpoint.Marking, stateOf(t, log).Phase(), "what is not done is not recorded")
				c.step = nil
				require.NoError(t, searchOf(c, log, "b").Run(t.Context()))
				c.requireMarked()
				require.Equal(t, checkpoint.Streaming, stateOf(t, log).Phase())
			})
			if finished {
				require.Greater(t, at, 15)
				break
			}
		}
	}
}

func TestSearchRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		n := 0
		c.step = func() (bool, error) {
			if n++; n%3 != 0 {
				return n%3 == 1, moment // done, and the answer was lost; or not done
			}
			return false, nil
		}
		s := searchOf(c, log, "a")
		committed := s.Committed
		s.Committed = func(ctx context.Context) (map[int]int64, error) {
			log.LoseAcks(1) // the record is there, and its answer is lost
			return committed(ctx)
		}
		require.NoError(t, s.Run(t.Context()))
		c.requireMarked()
		require.EqualValues(t, 5, stateOf(t, log).Marked.Marked, "a lost answer counts once")
	})
}

func TestTwoSearches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		var all sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			all.Go(func() { require.NoError(t, searchOf(c, log, name).Run(t.Context())) })
		}
		all.Wait()
		c.requireMarked()
		require.Equal(t, 4, stateOf(t, log).Accepted)
	})
}

func TestSearchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), &checkpointtest.Log{}
		operator := checkpoint.NewControl(log, "operator")
		append := func(e checkpoint.ControlEntry) {
			_, err := operator.Append(t.Context(), e)
			require.NoError(t, err)
		}
		append(checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1}})
		append(checkpoint.ControlEntry{Restarted: &checkpoint.Restarted{Generation: 2}})
		s := searchOf(c, log, "a")
		var mu sync.Mutex
		applied := int64(8)
		s.Committed = func(context.Context) (map[int]int64, error) {
			mu.Lock()
			defer mu.Unlock()
			return map[int]int64{0: applied}, nil
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		still := func(why string) {
			time.Sleep(2 * grace)
			require.Empty(t, ended, why)
			require.Zero(t, c.lookups+c.marks, why)
		}
		still("not closed")
		append(checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 2, Ends: map[int]int64{0: 9}}})
		still("not applied")
		mu.Lock()
		applied = 9
		mu.Unlock()
		require.NoError(t, <-ended)
		c.requireMarked()
	})
}

// A search of an older generation ends, and records nothing.
func TestSearchOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		c.between = func(events.Key) {
			if operator := checkpoint.NewControl(log, "operator"); c.lookups == 1 {
				_, err := operator.Refresh(t.Context())
				require.NoError(t, err)
				_, err = operator.Append(t.Context(), checkpoint.ControlEntry{Restarted: &checkpoint.Restarted{Generation: 3}})
				require.NoError(t, err)
			}
		}
		require.ErrorIs(t, searchOf(c, log, "a").Run(t.Context()), checkpoint.ErrNewGeneration)
		require.Nil(t, stateOf(t, log).Marked)
		require.ErrorIs(t, searchOf(c, log, "b").Run(t.Context()), checkpoint.ErrNewGeneration, "before it begins")
	})
}

func TestSearchOfAFrozenProcessMarksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newCopied(t), history(t)
		s := searchOf(c, log, "a")
		s.Watch = stale{}
		require.ErrorContains(t, s.Run(t.Context()), "control log could not be read")
		require.Zero(t, c.marks)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, searchOf(c, log, "b").Run(ctx), "the end of the context is none of a failure")
	})
}
