package pace

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSavesOneSecond(t *testing.T) {
	now := time.Unix(0, 0)
	p := New(10, 1, now)
	p.Spend(25)
	require.Equal(t, 1600*time.Millisecond, p.Wait(now))
	require.Zero(t, p.Wait(now.Add(time.Hour)))
	p.Spend(10)
	require.Positive(t, p.Wait(now.Add(time.Hour)), "an idle hour is worth one second of writes")
}

// Whatever is spent and given back, no window of time spends more than its share and one burst and one call.
func TestRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 1000).Draw(t, "rate")
		now := time.Unix(0, 0)
		p := New(rate, 1, now)
		spent, largest := 0.0, 0.0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			if wait := p.Wait(now); wait > 0 {
				require.Less(t, wait, time.Hour)
				now = now.Add(wait)
				require.Zero(t, p.Wait(now), "the wait that it names is long enough")
			}
			n := rapid.Float64Range(1, 400).Draw(t, "units")
			p.Spend(n)
			spent, largest = spent+n, max(largest, n)
			now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
		}
		require.LessOrEqual(t, spent, rate*(now.Sub(time.Unix(0, 0)).Seconds()+1)+largest+1)
	})
}

// clock is a time that a test moves.
type clock struct{ time.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

// call lets the pace see a call of one row that took a moment.
func (c *clock) call(p *Pace, throttled bool) {
	began := c.Time
	c.pass(time.Millisecond)
	if throttled {
		p.Answered(began, 1, 1, 0, c.Time)
		p.Throttled(began, c.Time)
	} else {
		p.Answered(began, 1, 0, 1, c.Time)
	}
}

func (c *clock) calls(n int, p *Pace) {
	for range n {
		c.call(p, false)
	}
}

// found is a pace that has met a quota of 1,000 units a second.
func (c *clock) found() *Pace {
	p := New(0, 1, c.Time)
	c.calls(1000, &p)
	c.call(&p, true)
	return &p
}

func TestBeginsWithoutBound(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := New(0, 1, c.Time)
	c.calls(10_000, &p)
	p.Spend(1e9)
	require.Zero(t, p.Wait(c.Time))
	require.True(t, p.Room())
}

func TestFirstBound(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	require.InDelta(t, 970, c.found().rate, 2, "just below what was achieved")

	p := New(0, 1, c.Time)
	c.calls(3, &p)
	c.call(&p, true)
	require.InDelta(t, leastGuess, p.rate, 0, "a light load says little")

	p = New(0, 1, c.Time)
	c.pass(time.Hour)
	c.calls(8000, &p)
	c.call(&p, true)
	require.InDelta(t, 970, p.rate, 30, "of the last seconds, and not of the hour before")
}

func TestIsCutAgainOnlyByNewAnswers(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	before := c.Add(-time.Millisecond)
	c.pass(time.Second)
	for range 100 {
		p.Answered(before, 1, 1, 0, c.Time)
		p.Throttled(before, c.Time)
	}
	require.InDelta(t, cut, p.rate, 0, "calls that began before the cut tell nothing")
	for range cutAnswers - 1 {
		c.call(p, true)
	}
	require.InDelta(t, cut, p.rate, 0, "a few rows tell little")
	for range 400 {
		c.call(p, false)
		c.call(p, true)
	}
	require.Less(t, p.rate, 0.5*cut)
}

func TestIsCutToWhatWasAchieved(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	c.calls(80, p)
	for range 20 {
		c.call(p, true)
		if p.rate < cut {
			break
		}
	}
	require.InDelta(t, justBelow*80/81*cut, p.rate, 1, "one of 81 was throttled")
}

// What a row costs is known before for its size as JSON only. That says nothing about how many were throttled.
func TestIsCutByRowsNotBySize(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	for range 99 {
		p.Answered(c.Time, 1, 0, 0.1, c.Time)
	}
	c.pass(time.Second)
	c.call(p, true)
	require.InDelta(t, justBelow*99/100*cut, p.rate, 1)
}

func TestIsNeverCutByMoreThanHalf(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	for last := p.rate; p.rate > least; last = p.rate {
		c.call(p, true)
		require.GreaterOrEqual(t, p.rate, min(last, max(least, justBelow*last/2)))
	}
	for range 1000 {
		c.call(p, true)
	}
	require.InDelta(t, least, p.rate, 0, "and never to nothing")
}

func TestIsHeldThenRaisedFasterAndFaster(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	c.calls(5000, p)
	c.call(p, true) // the guess is over
	cut, at := p.rate, c.Time
	var steps []float64
	for last := p.rate; len(steps) < 6; last = p.rate {
		p.bound = true
		c.call(p, false)
		if p.rate > last {
			steps = append(steps, (p.rate-last)/(cut/justBelow))
		}
		if len(steps) == 0 {
			require.Less(t, c.Sub(at), holdLeast+2*time.Millisecond)
		}
	}
	require.InDeltaSlice(t, []float64{0.005, 0.01, 0.02, 0.04, 0.08, 0.16}, steps, 1e-9)
	require.InDelta(t, holdLeast+5*raiseEvery, c.Sub(at), float64(20*time.Millisecond))
}

func TestIsHeldUntilThereAreAnswers(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	for range 19 {
		p.bound = true
		c.pass(500 * time.Millisecond)
		c.call(p, false)
	}
	require.InDelta(t, cut, p.rate, 0, "nineteen rows in ten seconds")
	c.pass(500 * time.Millisecond)
	c.call(p, false)
	require.Greater(t, p.rate, cut, "but no longer than that")
}

func TestIsNotRaisedUnused(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	c.calls(60_000, p)
	require.InDelta(t, cut, p.rate, 0, "no work has waited for it")
}

func TestStaysBelowTheConfiguredRate(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := New(500, 1, c.Time)
	c.call(&p, true)
	require.InDelta(t, justBelow*500, p.rate, 0)
	for range 60_000 {
		p.bound = true
		c.call(&p, false)
	}
	require.InDelta(t, 500, p.rate, 0)
}

func TestRoomIsATenthOfASecond(t *testing.T) {
	p := New(100, 1, time.Unix(0, 0))
	p.Spend(100)
	rows := 0
	for ; p.Room(); rows++ {
		p.Spend(1)
	}
	require.Equal(t, 10, rows)
}

func TestCarefulRaisesAreSmall(t *testing.T) {
	p := New(0, 1, time.Unix(0, 0))
	p.rate, p.step = 1000, 400
	p.Careful()
	require.InDelta(t, firstStep*1000, p.step, 0)
	p.step = 1
	p.Careful()
	require.InDelta(t, 1, p.step, 0, "and never larger for that")
}

func TestRaisesMayBeSmall(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := New(0, 0.05, c.Time)
	c.calls(1000, &p)
	c.call(&p, true)
	cut := p.rate
	c.pass(holdMost)
	for n := range 10 {
		p.bound = true
		c.call(&p, false)
		require.InDelta(t, cut*math.Pow(1.05, float64(n+1)), p.rate, 1e-6)
		c.pass(raiseEvery)
	}
}

func TestSetMost(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := New(0, 1, c.Time)
	p.SetMost(500)
	require.InDelta(t, 500, p.rate, 0)
	p.SetMost(1000)
	require.InDelta(t, 1000, p.rate, 0, "more of a rate that the table has never refused")
	c.call(&p, true)
	p.SetMost(2000)
	require.InDelta(t, justBelow*1000, p.rate, 0, "the table has refused more")
	p.SetMost(300)
	require.InDelta(t, 300, p.rate, 0)
	p.SetMost(0)
	require.Zero(t, p.rate)
}
