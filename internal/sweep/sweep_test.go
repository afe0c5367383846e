package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

func version(n uint64) events.Version {
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(n)}
}

// The guards of invariant 5, each alone unmet.
func TestGuards(t *testing.T) {
	closed := checkpoint.State{Created: &checkpoint.Created{Generation: 1}, Closed: &checkpoint.Closed{Ends: map[int]int64{0: 10, 1: 5}}}
	applied := Logs{SnapshotCommitted: map[int]int64{0: 10, 1: 5}, LiveCommitted: map[int]int64{0: 20, 1: 0}}
	now := Window{LiveEnds: map[int]int64{0: 20, 1: 0}, Markers: []Marker{{Shard: "s", Version: version(7)}, {Version: version(90)}}}
	shards := func(position uint64, done bool) Settled {
		return Settled{"s": {Shard: "s", Position: events.PositionAt(position), Done: done}}
	}
	require.Empty(t, now.Unmet(closed, applied, shards(7, false)))
	require.Empty(t, now.Unmet(closed, applied, shards(0, true)), "a finished shard is beyond everything")
	for name, c := range map[string]struct {
		state  checkpoint.State
		logs   Logs
		shards Settled
		want   string
	}{
		"open":                     {checkpoint.State{Created: closed.Created}, applied, shards(7, false), "the snapshot to be read and closed"},
		"not marked":               {checkpoint.State{Created: closed.Created, Restarted: &checkpoint.Restarted{Generation: 2}, Closed: closed.Closed}, applied, shards(7, false), "the rows that vanished"},
		"snapshot not applied":     {closed, Logs{SnapshotCommitted: map[int]int64{0: 10, 1: 4}, LiveCommitted: applied.LiveCommitted}, shards(7, false), "1 records of the snapshot topic"},
		"snapshot never committed": {closed, Logs{LiveCommitted: applied.LiveCommitted}, shards(7, false), "15 records of the snapshot topic"},
		"live not applied":         {closed, Logs{SnapshotCommitted: applied.SnapshotCommitted, LiveCommitted: map[int]int64{0: 19}}, shards(7, false), "1 records of the live topic"},
		"shard behind":             {closed, applied, shards(6, false), `shard s to be published up to 7, and a grace to pass since (then it was at "6")`},
		"shard unknown":            {closed, applied, nil, "shard s"},
	} {
		t.Run(name, func(t *testing.T) { require.Contains(t, now.Unmet(c.state, c.logs, c.shards), c.want) })
	}
	next := closed
	next.Created, next.Marked = &checkpoint.Created{Generation: 2}, &checkpoint.Marked{Generation: 2}
	require.Empty(t, now.Unmet(next, applied, nil), "nothing of an older generation would be applied")
}

// newTable is the new table's markers, in one segment, in pages of three.
type newTable struct {
	mu       sync.Mutex
	markers  []Marker
	replaced map[string]bool // no longer a marker when its turn comes
	updated  map[string]when // by the application
	back     []string        // put back
	again    bool            // the application writes a row again before it can be put back
	began    func() bool     // the control log says that markers go
	removed  []string
	times    []time.Time
	fails    int
}

// when the application updates a marker.
type when uint8

const (
	never when = iota
	beforeScan
	beforeLook
	beforeRemoval
)

func (n *newTable) Scan(_ context.Context, segment, _ int, after []byte) (Page, error) {
	if segment > 0 {
		return Page{}, nil
	}
	from := 0
	if after != nil {
		var err error
		if from, err = strconv.Atoi(string(after)); err != nil {
			return Page{}, err
		}
	}
	to := min(from+3, len(n.markers))
	page := Page{}
	for _, m := range n.markers[from:to] {
		if n.updated[string(m.Key)] == beforeScan {
			page.Updated = append(page.Updated, m.Key)
		} else {
			page.Markers = append(page.Markers, m)
		}
	}
	if to < len(n.markers) {
		page.Last = []byte(strconv.Itoa(to))
	}
	return page, nil
}

func (n *newTable) Look(_ context.Context, m Marker) (State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.replaced[string(m.Key)]:
		return Changed, nil
	case n.updated[string(m.Key)] == beforeLook:
		return Updated, nil
	}
	return Same, nil
}

func (n *newTable) Remove(_ context.Context, m Marker) (State, []byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails > 0 {
		n.fails--
		return Changed, nil, slow("delete")
	}
	if n.replaced[string(m.Key)] {
		return Changed, nil, nil
	}
	if !n.began() {
		return Changed, nil, errors.New("removed before the control log said so")
	}
	n.removed = append(n.removed, string(m.Key))
	n.times = append(n.times, time.Now())
	if n.updated[string(m.Key)] == beforeRemoval {
		return Updated, []byte("all of " + m.Key), nil
	}
	return Same, nil, nil
}

func (n *newTable) PutBack(_ context.Context, m Marker, taken []byte) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails > 0 {
		n.fails--
		return false, slow("put")
	}
	if string(taken) != "all of "+string(m.Key) {
		return false, fmt.Errorf("put back as %q", taken)
	}
	if n.again {
		return false, nil
	}
	n.back = append(n.back, string(m.Key))
	return true, nil
}

func slow(what string) error {
	return &fault.Error{Class: fault.Retry, Reason: "throttled", What: what, Err: errors.New("slow down")}
}

// stage is a migration whose guards a test opens.
type stage struct {
	table     *newTable
	control   *checkpointtest.Log
	facts     *checkpointtest.Log
	mu        sync.Mutex
	ends      map[int]int64
	committed map[int]int64
	said      []string
}

func newStage(t *testing.T, markers ...Marker) *stage {
	s := &stage{
		table: &newTable{markers: markers, replaced: map[string]bool{}, updated: map[string]when{}}, control: &checkpointtest.Log{}, facts: &checkpointtest.Log{},
		ends: map[int]int64{0: 5}, committed: map[int]int64{0: 5},
	}
	s.append(t, checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1}})
	s.table.began = func() bool {
		state, err := checkpoint.NewControl(s.control, "table").Refresh(t.Context())
		return err == nil && len(state.Sweepers) > 0
	}
	return s
}

func (s *stage) append(t *testing.T, e checkpoint.ControlEntry) {
	t.Helper()
	c := checkpoint.NewControl(s.control, "test")
	_, err := c.Refresh(t.Context())
	require.NoError(t, err)
	_, err = c.Append(t.Context(), e)
	require.NoError(t, err)
}

func (s *stage) close(t *testing.T) {
	s.append(t, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{}}})
}

func (s *stage) publish(t *testing.T, shard string, position uint64) {
	t.Helper()
	f := checkpoint.NewFacts(s.facts, "capture", time.Hour)
	require.NoError(t, f.WriteShards(t.Context(), checkpoint.ShardFact{Generation: 1, Shard: shard, Position: events.PositionAt(position)}))
}

func (s *stage) sweep(change ...func(*Config)) *Sweep {
	c := Config{
		Markers: s.table, Control: checkpoint.NewControl(s.control, "sweep"), Facts: checkpoint.NewFacts(s.facts, "sweep", time.Hour),
		LiveEnds: func(context.Context) (map[int]int64, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			ends := map[int]int64{}
			maps.Copy(ends, s.ends)
			return ends, nil
		},
		Committed: func(context.Context) (Logs, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			committed := map[int]int64{}
			maps.Copy(committed, s.committed)
			return Logs{LiveCommitted: committed}, nil
		},
		Grace: time.Minute, Segments: 2, Say: func(text string) { s.said = append(s.said, text) },
	}
	for _, f := range change {
		f(&c)
	}
	return New(c)
}

func marker(n int, shard string) Marker {
	return Marker{Key: events.Key(fmt.Sprint("k", n)), Version: version(uint64(n)), Shard: shard}
}

// A replay sets the committed offsets back: what is older than the markers is then on its way once more, so they wait
// until it has been applied again, and for another grace.
func TestReplayDuringTheGraceHoldsTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""))
		s.close(t)
		ended := make(chan error, 1)
		go func() {
			_, err := s.sweep().Run(t.Context())
			ended <- err
		}()
		set := func(offset int64) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.committed[0] = offset
		}
		time.Sleep(30 * time.Second)
		set(0)
		time.Sleep(5 * time.Minute)
		require.Empty(t, s.table.removed)
		set(5)
		again := time.Now()
		require.NoError(t, <-ended)
		require.Len(t, s.table.removed, 1)
		require.GreaterOrEqual(t, s.table.times[0].Sub(again), time.Minute)
	})
}

// One guard after the other opens, and nothing goes before the grace has passed since the last of them.
func TestSweepWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var markers []Marker
		for i := range 10 {
			markers = append(markers, marker(i+1, "s"))
		}
		s := newStage(t, markers...)
		s.publish(t, "s", 4)
		s.mu.Lock()
		s.committed[0] = 3
		s.mu.Unlock()
		s.table.fails = 2
		s.table.replaced["k3"] = true
		type outcome struct {
			summary Summary
			err     error
		}
		ended := make(chan outcome, 1)
		go func() {
			summary, err := s.sweep().Run(t.Context())
			ended <- outcome{summary, err}
		}()
		time.Sleep(5 * time.Minute)
		s.close(t)
		time.Sleep(5 * time.Minute)
		s.publish(t, "s", 10)
		time.Sleep(5 * time.Minute)
		require.Empty(t, s.table.removed)
		opened := time.Now()
		s.mu.Lock()
		s.committed[0] = 5
		s.mu.Unlock()
		got := <-ended
		require.NoError(t, got.err)
		require.Equal(t, Summary{Removed: 9, Changed: 1}, got.summary)
		require.NotContains(t, s.table.removed, "k3")
		for _, at := range s.table.times {
			require.GreaterOrEqual(t, at.Sub(opened), time.Minute)
		}
		text := strings.Join(s.said, "\n")
		for _, want := range []string{"snapshot to be read and closed", "2 records of the live topic", "shard s to be published up to", "waiting: grace 1 of 2 (1m0s each), ends at about ", "waiting: grace 2 of 2 (1m0s each), ends at about ", "for 10 markers", "removing 10 markers"} {
			require.Contains(t, text, want)
		}
		state, err := checkpoint.NewControl(s.control, "reader").Refresh(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 9, state.Removed)
	})
}

// Windows: memory does not grow with the markers, and each waits for its own grace.
func TestSweepInWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var markers []Marker
		for i := range 10 {
			markers = append(markers, marker(i+1, ""))
		}
		s := newStage(t, markers...)
		s.close(t)
		began := time.Now()
		summary, err := s.sweep(func(c *Config) { c.Window = 4 }).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 10, summary.Removed)
		require.Equal(t, 2*time.Minute, time.Since(began).Round(time.Minute), "6 and 4: a window ends with its page")
	})
}

// Guard b: the ends are younger than what has settled. A capture that began from an older fact publishes older records
// again until it has read the further one.
func TestSweepTakesTheEndsAfterTheFactsHaveSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(7, "s"))
		s.publish(t, "s", 3)
		s.close(t)
		type outcome struct {
			summary Summary
			err     error
		}
		ended := make(chan outcome, 1)
		go func() {
			summary, err := s.sweep().Run(t.Context())
			ended <- outcome{summary, err}
		}()
		time.Sleep(5 * time.Minute)
		s.publish(t, "s", 7)
		time.Sleep(30 * time.Second)
		s.mu.Lock()
		s.ends[0] = 8 // published again, and not applied yet
		s.mu.Unlock()
		time.Sleep(time.Hour)
		require.Empty(t, s.table.removed)
		applied := time.Now()
		s.mu.Lock()
		s.committed[0] = 8
		s.mu.Unlock()
		got := <-ended
		require.NoError(t, got.err)
		require.EqualValues(t, 1, got.summary.Removed)
		require.GreaterOrEqual(t, s.table.times[0].Sub(applied), time.Minute)
	})
}

func TestWhatASweepLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tombstone := marker(2, "")
		tombstone.Tombstone = true
		own := Marker{Key: "k4", Deleted: "1"} // no fact says what the old table's stream still holds of it
		s := newStage(t, marker(1, "unknown"), tombstone, marker(3, ""), own)
		s.close(t)
		summary, err := s.sweep().Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, Summary{Removed: 1, Tombstones: 2, OldShards: 1}, summary)
		require.EqualValues(t, 3, summary.Left())
		require.Equal(t, []string{"k3"}, s.table.removed)

		_, err = s.sweep(func(c *Config) { c.AppWrites = true }).Run(t.Context())
		require.ErrorIs(t, err, ErrFallbackReads)
		summary, err = s.sweep(func(c *Config) { c.AppWrites, c.FallbackReadsOff = true, true }).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, summary.Removed, "both tombstones go, and the fake still lists the other")
	})
}

func TestSweepIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""))
		s.close(t)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := s.sweep().Run(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, s.table.removed)
	})
}

// What the guards were asked about may change while the grace passes, and while markers are removed.
func TestSweepGivesUpWhenTheHistoryGoesOn(t *testing.T) {
	for name, entry := range map[string]checkpoint.ControlEntry{
		"replay":     {Replay: &checkpoint.Replay{}},
		"generation": {Restarted: &checkpoint.Restarted{Generation: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, removing := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, marker(1, ""), marker(2, ""), marker(3, ""))
					s.close(t)
					if removing {
						s.table.fails = 20 // longer than a quarter of the grace
						go func() {
							time.Sleep(61 * time.Second)
							s.append(t, entry)
						}()
					} else {
						go func() {
							time.Sleep(30 * time.Second)
							s.append(t, entry)
						}()
					}
					_, err := s.sweep(func(c *Config) { c.Workers = 1 }).Run(t.Context())
					require.ErrorContains(t, err, "began during the sweep")
					require.Empty(t, s.table.removed)
				})
			}
		})
	}
}
