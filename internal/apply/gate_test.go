package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// crossing lets a call of one row through the gate, which must be open, and answers it a moment later.
func crossing(t *testing.T, g *gate, now *time.Time, throttle fault.Throttle) {
	t.Helper()
	open, _ := g.opens(*now)
	require.True(t, open)
	p := g.begin(false, *now)
	g.spend(1)
	*now = now.Add(time.Millisecond)
	a := answer{rows: 1}
	if throttle == fault.NotThrottled {
		a.written = 1
	} else {
		a.throttled[throttle] = 1
	}
	g.ended(p, a, *now)
}

func requireShut(t *testing.T, g *gate, now time.Time, at time.Time) {
	t.Helper()
	open, when := g.opens(now)
	require.False(t, open)
	require.Equal(t, at, when)
}

func TestGateCountsCalls(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 2}, now)
	first := g.begin(false, now)
	g.begin(true, now)
	requireShut(t, &g, now, time.Time{})
	open, at := g.opensThrottled(now)
	require.False(t, open, "one call at first, for keys whose range is throttled")
	require.Zero(t, at)
	require.Equal(t, fault.NotThrottled, g.ended(first, answer{}, now), "the call was not made")
	open, _ = g.opens(now)
	require.True(t, open)
	require.Equal(t, 1, g.active)
	require.Equal(t, 1, g.throttled)
}

func TestGateKeepsUnitsASecond(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 8, Units: 10}, now)
	p := g.begin(false, now)
	g.spend(10)
	require.True(t, g.room())
	g.spend(2)
	require.False(t, g.room(), "it owes more than a tenth of a second")
	requireShut(t, &g, now, now.Add(300*time.Millisecond))
	g.ended(p, answer{rows: 1, written: 22, extra: 10}, now)
	requireShut(t, &g, now, now.Add(1300*time.Millisecond))
}

func TestGateRestsForAThrottledRangeOnly(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 8}, now)
	p := g.begin(true, now)
	a := answer{rows: 1}
	a.throttled[fault.RangeThrottled] = 1
	require.Equal(t, fault.RangeThrottled, g.ended(p, a, now))
	open, at := g.opensThrottled(now)
	require.False(t, open)
	require.Equal(t, now.Add(restFor), at)
	open, _ = g.opens(now)
	require.True(t, open, "the others do not wait")
	open, _ = g.opensThrottled(at)
	require.True(t, open)
}

// What the limits are changed to holds from the next call on.
func TestGateLimitIsChanged(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 8}, now)
	for range 1000 {
		crossing(t, &g, &now, fault.NotThrottled)
	}
	open, _ := g.opens(now)
	require.True(t, open, "without a limit")

	g.limit(Limits{Calls: 8, Units: 10})
	for range 11 { // what a second gives, and one more
		crossing(t, &g, &now, fault.NotThrottled)
	}
	open, at := g.opens(now)
	require.False(t, open)
	require.Greater(t, at.Sub(now), 100*time.Millisecond)

	g.limit(Limits{Calls: 8, Units: 1000})
	open, at = g.opens(now)
	require.False(t, open)
	require.Less(t, at.Sub(now), 2*time.Millisecond, "it waits at the new rate")
	now = at
	for range 500 {
		crossing(t, &g, &now, fault.NotThrottled)
	}

	g.limit(Limits{Calls: 8})
	for range 5000 {
		crossing(t, &g, &now, fault.NotThrottled)
	}
}

func TestGateCallsAreChanged(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 8}, now)
	for range 10 {
		crossing(t, &g, &now, fault.NotThrottled)
	}
	require.Equal(t, 8, g.calls.calls())
	passes := make([]pass, 8)
	for i := range passes {
		passes[i] = g.begin(false, now)
	}
	g.limit(Limits{Calls: 2})
	for _, p := range passes[:7] {
		requireShut(t, &g, now, time.Time{})
		g.ended(p, answer{rows: 1, written: 1}, now)
	}
	open, _ := g.opens(now)
	require.True(t, open, "one of two is under way")
	g.ended(passes[7], answer{rows: 1, written: 1}, now)

	g.limit(Limits{Calls: 8})
	require.Equal(t, 2, g.calls.calls(), "it rises with the answers")
	for range 6 {
		crossing(t, &g, &now, fault.NotThrottled)
	}
	require.Equal(t, 8, g.calls.calls())
}

// A pause forgets nothing of what the table has taught.
func TestGatePauses(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGate(Limits{Calls: 8}, now)
	for range 1000 {
		crossing(t, &g, &now, fault.NotThrottled)
	}
	crossing(t, &g, &now, fault.TableThrottled)
	learnt := g.calls
	p := g.begin(false, now)
	g.limit(Limits{Calls: 8, Paused: true})
	requireShut(t, &g, now, time.Time{})
	g.ended(p, answer{}, now)
	now = now.Add(time.Hour)
	requireShut(t, &g, now, time.Time{})
	g.limit(Limits{Calls: 8})
	require.Equal(t, learnt, g.calls)
	saved := 0
	for open, _ := g.opens(now); open; open, _ = g.opens(now) {
		g.ended(g.begin(false, now), answer{}, now)
		g.spend(1)
		saved++
	}
	require.InDelta(t, 970, saved, 2, "one second at the rate of the table")
}
