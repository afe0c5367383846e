package apply

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events"
)

func jobOf(name string, v events.Version) *job {
	return &job{event: events.Event{Key: keyOf(name), Version: v}}
}

func TestLaneOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &lane{}
		last := map[events.Version]*job{}
		for range rapid.IntRange(1, 20).Draw(t, "jobs") {
			j := jobOf("a", liveVersion(rapid.Uint64Range(0, 5).Draw(t, "position")))
			last[j.event.Version] = j
			l.add(j)
		}
		for i := 1; i < len(l.waiting); i++ {
			require.LessOrEqual(t, l.waiting[i-1].event.Version.Compare(l.waiting[i].event.Version), 0)
		}
		require.Same(t, last[l.top().event.Version], l.top(), "of equal ones the later arrival")
	})
}

// Rows that were overtaken by a change leave nothing behind, however long the snapshot is kept waiting.
func TestOvertakenRowsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls := newLanes(Limits{Calls: 1}, time.Now())
		for n := range 10_000 {
			name := fmt.Sprintf("k%d", n)
			ls.add([]*job{jobOf(name, events.Version{Generation: 1})})
			ls.add([]*job{jobOf(name, liveVersion(1))})
			held := ls.take(t.Context())
			require.Len(t, held, 1)
			require.Len(t, ls.finish(held[0], true), 1)
			ls.returned(held[0], answer{rows: 1, written: 1})
		}
		require.Empty(t, ls.byKey)
		require.Less(t, len(ls.ready.snapshot.lanes), 1000)
	})
}

func TestUnreadableKeysDoNotShareALane(t *testing.T) {
	a := &job{record: in(liveAt(0), 1, events.Record{})}
	b := &job{record: in(liveAt(0), 2, events.Record{})}
	c := &job{record: in(liveAt(1), 1, events.Record{})}
	require.Len(t, map[string]bool{a.laneKey(): true, b.laneKey(): true, c.laneKey(): true}, 3)
}
