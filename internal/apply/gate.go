package apply

import (
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/pace"
)

// gate is the flow control in front of the table: it says whether a call may begin now, or when, and learns from every
// answer. A call may begin if
//
//   - the gate is not paused, and fewer calls are under way than concurrency allows,
//   - the pace has units left, and
//   - for a key whose range is throttled: fewer such calls are under way than the window allows, and it does not rest.
//
// An answer teaches
//
//   - concurrency: that the database answers in time, or does not,
//   - the pace: what the table takes, and that the table is throttled,
//   - the window: that a throttled range takes writes again, or does not,
//   - the causes: whether it is a range that is throttled, or the whole table.
//
// It is pure: no lock, no timer, no goroutine, and the time is an argument. The lanes hold it under their lock.
type gate struct {
	paused bool
	calls  concurrency
	pace   pace.Pace
	window window
	causes causes

	active    int // calls under way
	throttled int // of these, for a key whose range is throttled
}

// newGate returns a gate with these limits.
func newGate(l Limits, now time.Time) gate {
	return gate{paused: l.Paused, calls: newConcurrency(l.Calls), pace: pace.New(l.Units, 1, now), causes: causes{since: now}}
}

// limit changes the limits. What has been learnt about the table stays, but for a rate above a lower limit, and so does what
// has been spent.
func (g *gate) limit(l Limits) {
	g.paused = l.Paused
	g.calls.setMost(l.Calls)
	g.pace.SetMost(l.Units)
}

// full reports whether no call may begin before one ends or the limits change.
func (g *gate) full() bool { return g.paused || g.active >= g.calls.calls() }

// opens reports whether a call may begin now, for work that is there. If not, at is when to ask again; it is zero if
// that is not a matter of time but of an answer or of other limits.
func (g *gate) opens(now time.Time) (open bool, at time.Time) {
	if g.full() {
		return false, time.Time{}
	}
	if wait := g.pace.Wait(now); wait > 0 {
		return false, now.Add(wait)
	}
	return true, time.Time{}
}

// opensThrottled is what opens is, for a key whose range is throttled. It is asked after opens.
func (g *gate) opensThrottled(now time.Time) (open bool, at time.Time) {
	switch {
	case g.throttled >= g.window.calls():
		return false, time.Time{}
	case now.Before(g.window.rest):
		return false, g.window.rest
	}
	return true, time.Time{}
}

// pass is what the gate knows of a call that it has let through.
type pass struct {
	began     time.Time
	throttled bool // it is for a key whose range was throttled then
}

// begin lets a call through. Whoever makes it says what it spends, and that it has ended.
func (g *gate) begin(throttled bool, now time.Time) pass {
	g.active++
	if throttled {
		g.throttled++
	}
	return pass{now, throttled}
}

// spend takes the units of a row that goes with a call.
func (g *gate) spend(units float64) { g.pace.Spend(units) }

// room reports whether another row may go with the call that begins.
func (g *gate) room() bool { return g.pace.Room() }

// answer is what a call was answered, as far as it is about the flow.
type answer struct {
	rows       int                             // none: the call was not made
	unanswered bool                            // no answer came, or it was that the database is in trouble
	throttled  [fault.UnnamedThrottled + 1]int // rows
	written    float64                         // units
	extra      float64                         // units that it cost beyond what its items' sizes said
}

// ended takes in the answer to a call. It returns what is throttled where the answer does not name it.
func (g *gate) ended(p pass, a answer, now time.Time) (unnamed fault.Throttle) {
	g.active--
	if p.throttled {
		g.throttled--
	}
	if a.rows == 0 {
		return fault.NotThrottled
	}
	byTable, byRange, unnamed := g.causes.split(a.throttled)

	if a.unanswered {
		g.calls.unanswered(p.began, now)
	} else {
		g.calls.answered(byTable+byRange > 0)
	}

	g.causes.note(p.throttled, a.rows, byRange, now)
	if byRange > 0 && !p.throttled {
		g.pace.Careful()
	}
	if byRange > 0 && g.causes.wide() {
		byTable += byRange
		g.causes.forget()
	}

	g.pace.Spend(a.extra)
	g.pace.Answered(p.began, a.rows, byTable, a.written, now)
	if byTable > 0 {
		g.pace.Throttled(p.began, now)
	}

	switch {
	case !p.throttled:
	case byRange > 0:
		g.window.throttled(p.began, now)
	case a.written > 0:
		g.window.succeeded()
	}
	return unnamed
}
