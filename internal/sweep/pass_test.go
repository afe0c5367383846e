package sweep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

// moment is a step of a pass: "look k1", "remove k1", "scan" with the key it begins after, or the entry of the control log
// that is appended. late is when the step has had its effect, and its answer is on its way.
type moment struct {
	step string
	late bool
}

// stepped is a stage whose steps are told to at, before and after; its error takes the step's place.
type stepped struct {
	*stage
	at func(m moment) error
}

func (s *stepped) do(step string, effect func() error) error {
	if err := s.at(moment{step, false}); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return s.at(moment{step, true})
}

// steppedTable is its new table. What is removed stays away.
type steppedTable struct {
	*newTable
	*stepped
}

func (s steppedTable) Scan(ctx context.Context, segment, total int, after []byte) (page Page, err error) {
	err = s.do("scan "+string(after), func() (err error) {
		page, err = s.newTable.Scan(ctx, segment, total, after)
		return err
	})
	return page, err
}

func (s steppedTable) Look(ctx context.Context, m Marker) (state State, err error) {
	err = s.do("look "+string(m.Key), func() (err error) {
		state, err = s.newTable.Look(ctx, m)
		return err
	})
	return state, err
}

func (s steppedTable) Remove(ctx context.Context, m Marker) (state State, taken []byte, err error) {
	err = s.do("remove "+string(m.Key), func() (err error) {
		state, taken, err = s.newTable.Remove(ctx, m)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replaced[string(m.Key)] = true
		return err
	})
	return state, taken, err
}

// steppedLog is its control log.
type steppedLog struct {
	checkpoint.Log
	*stepped
}

func (s steppedLog) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	step := "another entry"
	for _, kind := range []string{"sweeping", "swept"} {
		if bytes.Contains(entries[0].Value, []byte(`"`+kind+`"`)) {
			step = kind
		}
	}
	return s.do(step, func() error { return s.Log.Append(ctx, entries...) })
}

// newStepped has nine markers, three in a page and in a window.
func newStepped(t *testing.T) *stepped {
	var markers []Marker
	for i := range 9 {
		markers = append(markers, marker(i+1, ""))
	}
	s := &stepped{stage: newStage(t, markers...), at: func(moment) error { return nil }}
	s.close(t)
	return s
}

// pass is one of a process of this name.
func (s *stepped) pass(name string) *Sweep {
	return s.sweep(func(c *Config) {
		c.Window, c.Workers, c.Segments = 3, 1, 1
		c.Markers = steppedTable{s.table, s}
		c.Control = checkpoint.NewControl(steppedLog{s.control, s}, name)
	})
}

func (s *stepped) state(t *testing.T) checkpoint.State {
	t.Helper()
	state, err := checkpoint.NewControl(s.control, "reader").Refresh(t.Context())
	require.NoError(t, err)
	return state
}

// keys are those of the first n markers.
func keys(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("k", i+1))
	}
	return all
}

// A pass that is killed leaves what its durable steps say, and the next one does the rest.
func TestASweepIsKilledAtEachStep(t *testing.T) {
	died := errors.New("died")
	for name, c := range map[string]struct {
		at       moment
		removed  int
		sweepers []string // in the history
		swept    bool
	}{
		"before the first page":                       {moment{"scan ", false}, 0, nil, false},
		"before its beginning is in the history":      {moment{"sweeping", false}, 0, nil, false},
		"when its beginning is in the history":        {moment{"sweeping", true}, 0, []string{"a"}, false},
		"before it looks at a marker":                 {moment{"look k2", false}, 1, []string{"a"}, false},
		"between the look and the removal":            {moment{"look k2", true}, 1, []string{"a"}, false},
		"before a removal, in the second window":      {moment{"remove k5", false}, 4, []string{"a"}, false},
		"when a marker is removed, and nobody knows":  {moment{"remove k5", true}, 5, []string{"a"}, false},
		"between two windows":                         {moment{"scan 6", false}, 6, []string{"a"}, false},
		"before its end is in the history":            {moment{"swept", false}, 9, []string{"a"}, false},
		"when its end is in the history, unconfirmed": {moment{"swept", true}, 9, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStepped(t)
				dead := false // and does nothing any more
				s.at = func(m moment) error {
					if dead = dead || m == c.at; dead {
						return died
					}
					return nil
				}
				_, err := s.pass("a").Run(t.Context())
				require.ErrorIs(t, err, died)
				require.Equal(t, keys(c.removed), s.table.removed)
				require.Equal(t, c.sweepers, append([]string(nil), s.state(t).Sweepers...))
				require.Equal(t, c.swept, s.state(t).Removed > 0)

				s.at = func(moment) error { return nil }
				summary, err := s.pass("b").Run(t.Context())
				require.NoError(t, err)
				require.Equal(t, keys(9), s.table.removed, "each once")
				require.EqualValues(t, 9-c.removed, summary.Removed)
				require.Equal(t, c.sweepers, append([]string(nil), s.state(t).Sweepers...), "of the dead one only a replay knows that it is over")
			})
		})
	}
}

// What others write to the control log while a pass is under way ends it: at once while it removes, and else when what has
// begun is over and the guards hold again.
func TestTheHistoryGoesOnDuringAPass(t *testing.T) {
	for event, entries := range map[string][]checkpoint.ControlEntry{
		"a replay": {{Replay: &checkpoint.Replay{}}, {Replay: &checkpoint.Replay{Reset: true}}},
		"a new generation": {
			{Restarted: &checkpoint.Restarted{Generation: 2}},
			{Closed: &checkpoint.Closed{Generation: 2, Ends: map[int]int64{}}},
			{Marked: &checkpoint.Marked{Generation: 2}},
		},
	} {
		for name, c := range map[string]struct {
			at      moment
			removed int
			begun   bool
		}{
			"when a page was seen":              {moment{"scan ", true}, 0, false},
			"as it begins":                      {moment{"sweeping", false}, 0, false},
			"when it has begun":                 {moment{"sweeping", true}, 0, true},
			"before a removal":                  {moment{"remove k2", false}, 2, true}, // the look at the history is not a quarter of the grace old
			"before the first of a next window": {moment{"scan 6", false}, 6, true},
			"as it ends":                        {moment{"swept", false}, 9, true},
		} {
			t.Run(event+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStepped(t)
					s.at = func(m moment) error {
						if m == c.at {
							s.append(t, entries[0])
							time.AfterFunc(time.Hour, func() {
								for _, entry := range entries[1:] {
									s.append(t, entry)
								}
							})
							time.Sleep(time.Minute / 4)
						}
						return nil
					}
					_, err := s.pass("a").Run(t.Context())
					require.ErrorContains(t, err, event+" began during the sweep")
					require.Equal(t, keys(c.removed), s.table.removed)
					require.Equal(t, c.begun, s.state(t).Sweeps == 1)
					require.Zero(t, s.state(t).Removed, "it does not say that it came to its end")
				})
			})
		}
	}
}

// A replay that is announced before a pass begins holds it until the offsets are set back and everything is applied again.
func TestAnAnnouncedReplayHoldsAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStepped(t)
		s.append(t, checkpoint.ControlEntry{Replay: &checkpoint.Replay{}})
		ended := make(chan error, 1)
		go func() {
			_, err := s.pass("a").Run(t.Context())
			ended <- err
		}()
		time.Sleep(time.Hour)
		require.Empty(t, ended)
		require.Empty(t, s.table.removed)
		s.append(t, checkpoint.ControlEntry{Replay: &checkpoint.Replay{Reset: true}})
		require.NoError(t, <-ended)
		require.Equal(t, keys(9), s.table.removed)
	})
}

// The application updates a marker between the look and the removal, and the pass is told to end in that moment: the row
// is there afterwards.
func TestAnUpdateIsPutBackThoughThePassIsToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStepped(t)
		s.table.updated["k2"] = beforeRemoval
		ctx, cancel := context.WithCancel(t.Context())
		s.at = func(m moment) error {
			if m == (moment{"remove k2", true}) {
				cancel()
			}
			return nil
		}
		summary, err := s.pass("a").Run(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []string{"k2"}, s.table.back)
		require.EqualValues(t, 1, summary.PutBack)
		require.Equal(t, []string{"a"}, s.state(t).Sweepers)
	})
}
