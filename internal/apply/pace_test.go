package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/fault"
)

func TestPaceSavesOneSecond(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPace(10, now)
	p.spend(25)
	require.Equal(t, 1600*time.Millisecond, p.wait(now))
	require.Zero(t, p.wait(now.Add(time.Hour)))
	p.spend(10)
	require.Positive(t, p.wait(now.Add(time.Hour)), "an idle hour is worth one second of writes")
}

// Whatever is spent and given back, no window of time spends more than its share and one burst and one call.
func TestPaceRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 1000).Draw(t, "rate")
		now := time.Unix(0, 0)
		p := newPace(rate, now)
		spent, largest := 0.0, 0.0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			if wait := p.wait(now); wait > 0 {
				require.Less(t, wait, time.Hour)
				now = now.Add(wait)
				require.Zero(t, p.wait(now), "the wait that it names is long enough")
			}
			n := rapid.Float64Range(1, 400).Draw(t, "units")
			p.spend(n)
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
func (c *clock) call(p *pace, throttled bool) {
	began := c.Time
	c.pass(time.Millisecond)
	if throttled {
		p.answered(began, 1, 1, 0, c.Time)
		p.throttled(began, c.Time)
	} else {
		p.answered(began, 1, 0, 1, c.Time)
	}
}

func (c *clock) calls(n int, p *pace) {
	for range n {
		c.call(p, false)
	}
}

// found is a pace that has met a quota of 1,000 units a second.
func (c *clock) found() *pace {
	p := newPace(0, c.Time)
	c.calls(1000, &p)
	c.call(&p, true)
	return &p
}

func TestPaceBeginsWithoutBound(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := newPace(0, c.Time)
	c.calls(10_000, &p)
	p.spend(1e9)
	require.Zero(t, p.wait(c.Time))
	require.True(t, p.room())
}

func TestPaceFirstBound(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	require.InDelta(t, 970, c.found().rate, 2, "just below what was achieved")

	p := newPace(0, c.Time)
	c.calls(3, &p)
	c.call(&p, true)
	require.InDelta(t, leastGuess, p.rate, 0, "a light load says little")

	p = newPace(0, c.Time)
	c.pass(time.Hour)
	c.calls(8000, &p)
	c.call(&p, true)
	require.InDelta(t, 970, p.rate, 30, "of the last seconds, and not of the hour before")
}

func TestPaceIsCutAgainOnlyByNewAnswers(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	before := c.Add(-time.Millisecond)
	c.pass(time.Second)
	for range 100 {
		p.answered(before, 1, 1, 0, c.Time)
		p.throttled(before, c.Time)
	}
	require.InDelta(t, cut, p.rate, 0, "calls that began before the cut tell nothing")
	for range cutRows - 1 {
		c.call(p, true)
	}
	require.InDelta(t, cut, p.rate, 0, "a few rows tell little")
	for range 400 {
		c.call(p, false)
		c.call(p, true)
	}
	require.Less(t, p.rate, 0.5*cut)
}

func TestPaceIsCutToWhatWasAchieved(t *testing.T) {
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
func TestPaceIsCutByRowsNotBySize(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	for range 99 {
		p.answered(c.Time, 1, 0, 0.1, c.Time)
	}
	c.pass(time.Second)
	c.call(p, true)
	require.InDelta(t, justBelow*99/100*cut, p.rate, 1)
}

func TestPaceIsNeverCutByMoreThanHalf(t *testing.T) {
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

func TestPaceIsHeldThenRaisedFasterAndFaster(t *testing.T) {
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

func TestPaceIsHeldUntilThereAreAnswers(t *testing.T) {
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

func TestPaceIsNotRaisedUnused(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := c.found()
	cut := p.rate
	c.calls(60_000, p)
	require.InDelta(t, cut, p.rate, 0, "no work has waited for it")
}

func TestPaceStaysBelowTheConfiguredRate(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	p := newPace(500, c.Time)
	c.call(&p, true)
	require.InDelta(t, justBelow*500, p.rate, 0)
	for range 60_000 {
		p.bound = true
		c.call(&p, false)
	}
	require.InDelta(t, 500, p.rate, 0)
}

func TestRoomIsATenthOfASecond(t *testing.T) {
	p := newPace(100, time.Unix(0, 0))
	p.spend(100)
	rows := 0
	for ; p.room(); rows++ {
		p.spend(1)
	}
	require.Equal(t, 10, rows)
}

func TestConcurrencyBeginsSmall(t *testing.T) {
	now := time.Unix(0, 0)
	c := newConcurrency(64)
	require.Equal(t, 4, c.calls())
	for range 60 {
		c.answered(false)
	}
	require.Equal(t, 64, c.calls(), "twice as many with each round of answers")
	few := newConcurrency(2)
	few.answered(false)
	require.Equal(t, 2, few.calls(), "never more than configured")

	for name, refuse := range map[string]func(c *concurrency){
		"throttled":  func(c *concurrency) { c.answered(true) },
		"unanswered": func(c *concurrency) { c.unanswered(now, now) },
	} {
		c := newConcurrency(64)
		for range 10 {
			c.answered(false)
		}
		refuse(&c)
		limit := c.limit
		for range int(limit) {
			c.answered(false)
		}
		require.InDelta(t, limit+1, c.limit, 0.1, "%s: from then on by one for each round", name)
	}
}

func TestWindow(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	w := window{}
	require.Equal(t, 1, w.calls())
	for range 100 {
		w.succeeded()
	}
	require.Equal(t, 14, w.calls(), "one more for each round")
	began := c.Time
	c.pass(time.Second)
	for range 5 {
		w.throttled(began, c.Time) // answers of calls that began together
	}
	require.Equal(t, 9, w.calls(), "one cut")
	require.Zero(t, w.rest)
	for range 100 {
		c.pass(time.Millisecond)
		w.throttled(c.Time, c.Time)
	}
	require.Equal(t, 1, w.calls(), "never none")
	require.Equal(t, c.Add(restFor), w.rest)
}

func TestUnnamedIsWhatWasNamedLast(t *testing.T) {
	r := reasons{}
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0), "nothing was named: all slow down")
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 1))
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 0))
	require.Equal(t, fault.TableThrottled, r.unnamed(1, 1), "the wider one")
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0))
}

func TestWide(t *testing.T) {
	now := time.Unix(0, 0)
	for name, c := range map[string]struct {
		others, refused, hot, hotRefused int
		wide                             bool
	}{
		"nothing is throttled":                         {1000, 0, 0, 0, false},
		"too few rows to tell":                         {99, 90, 0, 0, false},
		"nearly all at once":                           {100, 90, 0, 0, true},
		"one of twelve ranges, half of it refused":     {1000, 42, 42, 21, false},
		"one of twelve ranges, a little of it refused": {1000, 4, 4, 0, false},
		"one of two ranges, half of it refused":        {1000, 250, 250, 125, true},
		"all ranges alike, a tenth refused":            {1000, 100, 100, 10, true},
		"all ranges alike, a little refused":           {2000, 60, 60, 2, true},
	} {
		r := reasons{since: now}
		r.note(false, c.others, c.refused, now)
		r.note(true, c.hot, c.hotRefused, now)
		require.Equal(t, c.wide, r.wide(), name)
	}
	r := reasons{since: now}
	r.note(false, 100_000, 0, now)
	for range 20 {
		now = now.Add(wideTime)
		r.note(false, 200, 100, now)
	}
	require.True(t, r.wide(), "what was long ago does not count")
	r.forget()
	require.False(t, r.wide())
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0))
}

func TestCarefulRaisesAreSmall(t *testing.T) {
	p := newPace(0, time.Unix(0, 0))
	p.rate, p.step = 1000, 400
	p.careful()
	require.InDelta(t, firstStep*1000, p.step, 0)
	p.step = 1
	p.careful()
	require.InDelta(t, 1, p.step, 0, "and never larger for that")
}
