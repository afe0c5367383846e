package sweep

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Whenever the application updates a marker, what it wrote is in the table after the sweep; and the sweep names it.
func TestSweepLeavesAnItemWithAttributesOfTheApplication(t *testing.T) {
	for name, c := range map[string]struct {
		at      when
		removed []string
		back    []string
	}{
		"before it is scanned":          {beforeScan, []string{"k2"}, nil},
		"before it is looked at again":  {beforeLook, []string{"k2"}, nil},
		"between look and its removal":  {beforeRemoval, []string{"k1", "k2"}, []string{"k1"}},
		"never: then there are markers": {never, []string{"k1", "k2"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, marker(1, ""), marker(2, ""))
				s.table.updated["k1"] = c.at
				s.close(t)
				var log bytes.Buffer
				summary, err := s.sweep(func(o *Config) { o.Logger, o.Workers = slog.New(slog.NewTextHandler(&log, nil)), 1 }).Run(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.removed, s.table.removed)
				require.Equal(t, c.back, s.table.back)
				require.EqualValues(t, len(c.removed)-len(c.back), summary.Removed)
				require.EqualValues(t, len(c.back), summary.PutBack)
				if c.at == never {
					require.Zero(t, summary.Left())
					return
				}
				require.EqualValues(t, 1, summary.Updated)
				require.EqualValues(t, 1, summary.Left())
				require.Equal(t, []events.Key{"k1"}, summary.UpdatedKeys)
				require.Contains(t, log.String(), "the application has updated a marker")
				require.Contains(t, log.String(), "key=k1")
			})
		})
	}
}

func TestTheHistoryTellsWhatTheApplicationHasUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""), marker(2, ""))
		s.table.updated["k1"] = beforeScan
		s.close(t)
		_, err := s.sweep().Run(t.Context())
		require.NoError(t, err)
		var swept *checkpoint.Swept
		_, err = s.control.Read(t.Context(), 0, func(e checkpoint.Entry) error {
			if bytes.Contains(e.Value, []byte(`"swept"`)) {
				require.Contains(t, string(e.Value), `"left":1,"updated":1`)
				swept = &checkpoint.Swept{}
			}
			return nil
		})
		require.NoError(t, err)
		require.NotNil(t, swept)
	})
}

// A few are named, and all are counted.
func TestUpdatedMarkersAreNamedUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var markers []Marker
		for i := range 20 {
			markers = append(markers, marker(i+1, ""))
		}
		s := newStage(t, markers...)
		for _, m := range markers {
			s.table.updated[string(m.Key)] = beforeScan
		}
		s.close(t)
		var log bytes.Buffer
		summary, err := s.sweep(func(o *Config) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 20, summary.Updated)
		require.Len(t, summary.UpdatedKeys, maxUpdatedKeys)
		require.Equal(t, maxUpdatedKeys, bytes.Count(log.Bytes(), []byte("\n")))
	})
}

// What was taken is put back although the sweep is interrupted, and although it does not succeed at once.
func TestWhatWasTakenIsPutBackThoughTheSweepEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""))
		s.table.updated["k1"] = beforeRemoval
		ctx, cancel := context.WithCancel(t.Context())
		r := &removal{Sweep: s.sweep()}
		s.append(t, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{}}})
		s.append(t, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}})
		came, err := r.attempt(ctx, s.table.markers[0])
		require.NoError(t, err)
		require.Equal(t, Updated, came.was)
		cancel()
		s.table.fails = 3
		require.NoError(t, r.putBack(ctx, s.table.markers[0], came.taken))
		require.Equal(t, []string{"k1"}, s.table.back)
	})
}

// An update that cannot be put back is not passed over in silence.
func TestSweepEndsWhenAnUpdateCannotBePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, marker(1, ""))
		s.table.updated["k1"], s.table.again = beforeRemoval, true
		s.close(t)
		summary, err := s.sweep().Run(t.Context())
		require.ErrorContains(t, err, "an update that the application made to the marker of k1 was removed with it, and could not be put back")
		require.ErrorContains(t, err, "let the application write this row again")
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.Zero(t, summary.Removed)
	})
}

func TestAGraceSaysWhichItIsAndWhenItEnds(t *testing.T) {
	now := time.Date(2030, 1, 2, 15, 4, 5, 0, time.UTC)
	g := graces{of: 2}
	require.Equal(t, "grace 1 of 2 (10m0s each), ends at about 15:14:05, the last one at about 15:24:05 at the earliest", g.next().ends(now, 10*time.Minute))
	require.Equal(t, "grace 2 of 2 (10m0s each), ends at about 15:14:05", g.next().ends(now, 10*time.Minute))
	require.Equal(t, "grace 3 of 3 (10m0s each), ends at about 15:14:05", g.next().ends(now, 10*time.Minute), "something was on its way once more")
}
