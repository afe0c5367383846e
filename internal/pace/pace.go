// Package pace finds how many units a second a table takes.
package pace

import "time"

// Pace says when the next call may begin: it finds how many units a second the table takes.
//
// It begins without a bound. The first throttled call sets one, just below what the table has taken lately. Then the
// rate is held, and raised by steps that double, until a call is throttled: that cuts it to just below what it is. If
// calls are still throttled then, it is cut to just below what was achieved since. So it stays close to a quota, and
// finds one that has changed within seconds; few calls are throttled, for only they tell where the quota is.
//
// How many calls are under way follows from the rate and from how long a call takes. The units are a bucket that
// may go into debt by one call. It is pure: whoever has one holds it under a lock.
type Pace struct {
	most  float64 // the configured units a second; 0 is unlimited
	raise float64 // the most that a step may be, as a share of the rate
	rate  float64 // units a second; 0 is no bound
	units float64
	at    time.Time // of units

	cutAt   time.Time
	step    float64 // of the next raise
	raiseAt time.Time
	bound   bool // work has waited for the rate since the last raise

	// Of the calls that began after the last cut:
	answers, refused int       // of rows, where a call has several
	taken            float64   // units
	since            time.Time // the units are of the last second or two, while there is no bound
}

// How the rate moves.
const (
	justBelow  = 0.97
	firstStep  = 0.005 // of the rate before it was cut
	raiseEvery = time.Second
	// A rate is held for holdLeast, and until there are so many answers, for it takes throttled ones to find the quota
	// again; but no longer than holdMost.
	holdLeast   = 2 * time.Second
	holdAnswers = 400
	holdMost    = 10 * time.Second
	// How soon after a cut another one may follow: a few answers tell little.
	cutEvery   = 50 * time.Millisecond
	cutAnswers = 20
	// The first bound is a guess, for the table may have saved units, or the load may have been light. So it is not less
	// than leastGuess, and is left soon.
	leastGuess = 100
	guessStep  = 0.25
	least      = 1
)

// New returns a pace of at most so many units a second; 0 is no limit. A raise is at most the given share of the rate.
func New(unitsPerSecond, raise float64, now time.Time) Pace {
	return Pace{most: unitsPerSecond, raise: raise, rate: unitsPerSecond, units: unitsPerSecond, at: now, since: now}
}

// SetMost changes the configured units a second; 0 is no limit.
func (p *Pace) SetMost(unitsPerSecond float64) {
	if p.rate == p.most || unitsPerSecond > 0 && p.rate > unitsPerSecond {
		p.rate = unitsPerSecond // it was not the table that set it, or it is too much now
	}
	p.most = unitsPerSecond
}

// Wait is how long until a call may begin, for work that is there.
func (p *Pace) Wait(now time.Time) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	p.units = min(p.rate, p.units+p.rate*now.Sub(p.at).Seconds())
	p.at = now
	if p.units > 0 {
		return 0
	}
	p.bound = true
	return time.Duration((1 - p.units) / p.rate * float64(time.Second))
}

// Room reports whether one more row may go with those that a call has already: it owes no more than a tenth of a
// second, so that a live change does not wait for long behind rows of the snapshot.
func (p *Pace) Room() bool { return p.rate <= 0 || p.units > -p.rate/10 }

// Spend takes units from the bucket; a negative n gives back.
func (p *Pace) Spend(n float64) {
	if p.rate > 0 {
		p.units -= n
	}
}

// Answered notes what came of a call that began then: so many answers, one for each row that it wrote or for the page
// that it read; how many of them were that the table is throttled; the units that it took.
func (p *Pace) Answered(began time.Time, answers, refused int, taken float64, now time.Time) {
	if began.Before(p.cutAt) {
		return // it tells nothing about the rate
	}
	p.answers += answers
	p.refused += refused
	p.taken += taken
	if p.rate <= 0 {
		if elapsed := now.Sub(p.since); elapsed > 2*time.Second {
			p.taken /= elapsed.Seconds()
			p.since = now.Add(-time.Second)
		}
		return
	}
	if p.held(now) || now.Before(p.raiseAt) {
		return
	}
	p.raiseAt = now.Add(raiseEvery)
	if p.bound {
		p.bound = false
		p.rate += min(p.step, p.raise*p.rate)
		p.step *= 2
	}
	if p.most > 0 {
		p.rate = min(p.rate, p.most)
	}
}

// Careful lets the next raise be a small one again: rows are throttled by range, which may be the whole table.
func (p *Pace) Careful() { p.step = min(p.step, firstStep*p.rate) }

// held reports whether the last cut is so short ago that the rate stays where it is.
func (p *Pace) held(now time.Time) bool {
	since := now.Sub(p.cutAt)
	return since < holdLeast || p.answers < holdAnswers && since < holdMost
}

// Throttled notes that a call that began then was refused because of the rate.
func (p *Pace) Throttled(began, now time.Time) {
	again := p.held(now)
	if again && (began.Before(p.cutAt) || now.Sub(p.cutAt) < cutEvery || p.answers < cutAnswers) {
		return
	}
	switch {
	case p.rate <= 0:
		p.rate = max(leastGuess, justBelow*p.taken/max(now.Sub(p.since), time.Second).Seconds())
		p.step = guessStep * p.rate
	case !again:
		p.step = firstStep * p.rate
		p.rate *= justBelow
	default:
		p.rate *= justBelow * max(0.5, 1-float64(p.refused)/float64(p.answers))
	}
	p.rate = max(p.rate, least)
	p.units, p.at = min(p.units, 0), now
	p.cutAt, p.since, p.raiseAt = now, now, now
	p.answers, p.refused, p.taken, p.bound = 0, 0, 0, false
}
