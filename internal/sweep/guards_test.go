package sweep

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// condition is one state of what a guard looks at, and what the guard says to it; empty if it is met.
type condition[T any] struct {
	name  string
	is    T
	unmet string
}

// ends of the snapshot topic at the close, and of the live topic when the markers had been seen.
var closeEnds, liveEnds = map[int]int64{0: 10, 1: 0, 2: 5}, map[int]int64{0: 20, 3: 7}

// closes are the guard that comes first: the snapshot of the current generation is closed, and what vanished is marked.
var closes = []condition[checkpoint.State]{
	{"not created", checkpoint.State{}, "the snapshot to be read and closed"},
	{"open", checkpoint.State{Created: &checkpoint.Created{Generation: 1}}, "the snapshot to be read and closed"},
	{"closed", checkpoint.State{Created: &checkpoint.Created{Generation: 1}, Closed: &checkpoint.Closed{Generation: 1, Ends: closeEnds}}, ""},
	{"restarted", checkpoint.State{
		Created: &checkpoint.Created{Generation: 1}, Restarted: &checkpoint.Restarted{Generation: 3},
	}, "the snapshot to be read and closed"},
	{"restarted, closed", checkpoint.State{
		Created: &checkpoint.Created{Generation: 1}, Restarted: &checkpoint.Restarted{Generation: 3}, Closed: &checkpoint.Closed{Generation: 3, Ends: closeEnds},
	}, "the rows that vanished before the restart to be marked"},
	{"restarted, closed, marked", checkpoint.State{
		Created: &checkpoint.Created{Generation: 1}, Restarted: &checkpoint.Restarted{Generation: 3}, Closed: &checkpoint.Closed{Generation: 3, Ends: closeEnds},
		Marked: &checkpoint.Marked{Generation: 3},
	}, ""},
	{"above others, closed", checkpoint.State{
		Created: &checkpoint.Created{Generation: 2}, Closed: &checkpoint.Closed{Generation: 2, Ends: closeEnds},
	}, "the rows that vanished before the restart to be marked"},
}

var replays = []condition[bool]{
	{"no replay", false, ""},
	{"a replay is announced", true, "the replay that was announced: crossfade replay"},
}

// snapshots are guard a: the offsets of the snapshot topic, against closeEnds.
var snapshots = []condition[map[int]int64]{
	{"applied", map[int]int64{0: 10, 1: 0, 2: 5}, ""},
	{"applied past the close, with records of a zombie", map[int]int64{0: 12, 2: 5, 9: 1}, ""},
	{"one record is missing", map[int]int64{0: 10, 2: 4}, "1 records of the snapshot topic to be applied and committed (partitions [2])"},
	{"nothing is committed", nil, "15 records of the snapshot topic to be applied and committed (partitions [0 2])"},
	{"more in one partition makes up for none in another", map[int]int64{0: 100}, "5 records of the snapshot topic to be applied and committed (partitions [2])"},
}

// shardMarkers are the first half of guard b: a marker of the current generation, and what has settled of its shard.
type shardMarker struct {
	shard    string
	older    bool // of an older generation
	position uint64
	fact     *checkpoint.ShardFact
}

var shardMarkers = []condition[shardMarker]{
	{"not from a stream", shardMarker{position: 90}, ""},
	{"the shard is exactly there", shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Position: events.PositionAt(7)}}, ""},
	{"the shard is further", shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Position: events.PositionAt(8)}}, ""},
	{"the shard is done", shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Done: true}}, ""},
	{
		"the shard is behind",
		shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Position: events.PositionAt(6)}},
		`shard s to be published up to 7, and a grace to pass since (then it was at "6")`,
	},
	{
		"of 9 and 10 the number counts, not the text",
		shardMarker{shard: "s", position: 10, fact: &checkpoint.ShardFact{Position: events.PositionAt(9)}},
		`shard s to be published up to 10, and a grace to pass since (then it was at "9")`,
	},
	{
		"nothing of the shard is published",
		shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{}},
		`shard s to be published up to 7, and a grace to pass since (then it was at "")`,
	},
	{
		"a gap stops the shard before it",
		shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Position: events.PositionAt(5), Gap: "trimmed"}},
		`shard s to be published up to 7, and a grace to pass since (then it was at "5")`,
	},
	{
		"the shard was closed when the migration began",
		shardMarker{shard: "s", position: 7, fact: &checkpoint.ShardFact{Before: true}},
		`shard s to be published up to 7, and a grace to pass since (then it was at "")`,
	},
	{
		"no fact knows the shard",
		shardMarker{shard: "s", position: 7},
		`shard s to be published up to 7, and a grace to pass since (then it was at "")`,
	},
	{"an older generation, of whose shard no fact knows", shardMarker{shard: "s", older: true, position: 7}, ""},
}

// lives are the second half of guard b: the offsets of the live topic, against liveEnds.
var lives = []condition[map[int]int64]{
	{"applied", map[int]int64{0: 20, 3: 7}, ""},
	{"applied further", map[int]int64{0: 21, 3: 70}, ""},
	{"one record is missing", map[int]int64{0: 19, 3: 7}, "1 records of the live topic to be applied and committed (partitions [0])"},
	{"a partition has no offset", map[int]int64{0: 20}, "7 records of the live topic to be applied and committed (partitions [3])"},
	{"nothing is committed", nil, "27 records of the live topic to be applied and committed (partitions [0 3])"},
}

// Every combination of the states that the guards look at: the markers may go if all guards are met, and else the first one
// that is not says why.
func TestEveryCombinationOfTheGuards(t *testing.T) {
	met, combinations := 0, 0
	for _, c := range closes {
		for _, r := range replays {
			for _, s := range snapshots {
				for _, m := range shardMarkers {
					for _, l := range lives {
						state := c.is
						state.Replaying = r.is
						version := events.Version{Generation: state.Generation(), Class: events.Live, Position: events.PositionAt(m.is.position)}
						if m.is.older {
							version.Generation = 0
						}
						settled := Settled{}
						if m.is.fact != nil {
							settled[m.is.shard] = *m.is.fact
						}
						window := Window{Markers: []Marker{{Version: version}, {Shard: m.is.shard, Version: version}}, LiveEnds: liveEnds}
						want := ""
						for _, unmet := range []string{l.unmet, m.unmet, s.unmet, r.unmet, c.unmet} { // the last one that is there comes first
							if unmet != "" {
								want = unmet
							}
						}
						if m.is.older && state.Generation() == 0 {
							continue // nothing is older than a migration that was not created
						}
						got := window.Unmet(state, Logs{SnapshotCommitted: s.is, LiveCommitted: l.is}, settled)
						if got != want {
							t.Fatalf("%s; %s; snapshot: %s; marker: %s; live: %s:\n got %q\nwant %q", c.name, r.name, s.name, m.name, l.name, got, want)
						}
						combinations++
						if got == "" {
							met++
						}
					}
				}
			}
		}
	}
	// 2 states of the close, 1 of the replay, 2 of the snapshot, 5 of the marker and 2 of the live topic let a marker go.
	require.Equal(t, 2*1*2*5*2, met)
	require.Greater(t, combinations, 3000)
}

// One marker that may not go keeps the whole window, wherever it stands in it.
func TestOneMarkerKeepsTheWindow(t *testing.T) {
	state := closes[2].is
	logs := Logs{SnapshotCommitted: closeEnds, LiveCommitted: liveEnds}
	settled := Settled{"near": {Position: events.PositionAt(10)}, "far": {Done: true}}
	may := []Marker{{Shard: "far", Version: version(99)}, {Version: version(99)}, {Shard: "near", Version: version(10)}}
	require.Empty(t, Window{Markers: may, LiveEnds: liveEnds}.Unmet(state, logs, settled))
	for at := range len(may) + 1 {
		window := append(append(append([]Marker{}, may[:at]...), Marker{Shard: "near", Version: version(11)}), may[at:]...)
		require.Contains(t, Window{Markers: window, LiveEnds: liveEnds}.Unmet(state, logs, settled), "shard near to be published up to 11", "at %d", at)
	}
	require.Empty(t, Window{}.Unmet(state, Logs{SnapshotCommitted: closeEnds}, nil), "no markers, and no ends to wait for")
}

// Which markers wait until nothing reads the old table any more.
func TestMarkersThatStay(t *testing.T) {
	for _, c := range []struct {
		name   string
		marker Marker
		stays  bool
	}{
		{"a delete", Marker{Version: version(1), Shard: "s"}, false},
		{"a delete of the application's events", Marker{Version: version(1)}, false},
		{"a tombstone", Marker{Version: version(1), Tombstone: true}, true},
		{"one that the application wrote itself", Marker{Deleted: "1700000000"}, true},
		{"of the search after a restart", Marker{Version: events.Version{Generation: 2, Class: events.Snapshot}}, false},
	} {
		require.Equal(t, c.stays, c.marker.stays(), c.name)
		for _, off := range []bool{false, true} {
			s := New(Config{FallbackReadsOff: off})
			window := s.collect(nil, []Marker{c.marker})
			if c.stays && !off {
				require.Empty(t, window, c.name)
				require.EqualValues(t, 1, s.summary.Tombstones, c.name)
			} else {
				require.Equal(t, []Marker{c.marker}, window, c.name)
				require.Zero(t, s.summary.Tombstones, c.name)
			}
		}
	}
}

func TestGracesInWords(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	g := graces{of: 2}
	require.Equal(t, "grace 1 of 2 (10m0s each), ends at about 12:10:00, the last one at about 12:20:00 at the earliest", g.next().ends(noon, 10*time.Minute))
	require.Equal(t, "grace 2 of 2 (10m0s each), ends at about 12:10:00", g.next().ends(noon, 10*time.Minute))
	require.Equal(t, "grace 3 of 3 (10m0s each), ends at about 12:10:00", g.next().ends(noon, 10*time.Minute), "something was on its way once more")
}

func TestWhatIsLeft(t *testing.T) {
	require.EqualValues(t, 6, Summary{Removed: 100, Changed: 10, Tombstones: 1, OldShards: 2, Updated: 3, PutBack: 3}.Left())
	require.Zero(t, Summary{Removed: 100, Changed: 10}.Left())
	require.Equal(t, "", behind(nil, nil, "live"))
	require.Equal(t, fmt.Sprintf("%d records of the live topic to be applied and committed (partitions [0 1 2])", 3<<40),
		behind(nil, map[int]int64{2: 1 << 40, 0: 1 << 40, 1: 1 << 40}, "live"))
}
