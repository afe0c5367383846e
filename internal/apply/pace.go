package apply

import "time"

// pace says when the next call may begin: it finds how many write units a second the table takes.
//
// It begins without a bound. The first throttled call sets one, just below what the table has taken lately. Then the
// rate is held, and raised by steps that double, until a write is throttled: that cuts it to just below what it is. If
// writes are still throttled then, it is cut to just below what was achieved since. So it stays close to a quota, and
// finds one that has changed within seconds; few writes are throttled, for only they tell where the quota is.
//
// How many calls are under way follows from the rate and from how long a call takes. The units are a bucket that
// may go into debt by one call. It is pure: the lanes hold it under their lock.
type pace struct {
	most  float64 // the configured units a second; 0 is unlimited
	rate  float64 // units a second; 0 is no bound
	units float64
	at    time.Time // of units

	cutAt   time.Time
	step    float64 // of the next raise
	raiseAt time.Time
	bound   bool // work has waited for the rate since the last raise

	// Of the calls that began after the last cut:
	rows, refused int
	written       float64   // units
	since         time.Time // the units are of the last second or two, while there is no bound
}

// How the rate moves.
const (
	justBelow  = 0.97
	firstStep  = 0.005 // of the rate before it was cut
	raiseEvery = time.Second
	// A rate is held for holdLeast, and until so many rows are answered, for it takes throttled ones to find the quota
	// again; but no longer than holdMost.
	holdLeast = 2 * time.Second
	holdRows  = 400
	holdMost  = 10 * time.Second
	// How soon after a cut another one may follow: a few rows tell little.
	cutEvery = 50 * time.Millisecond
	cutRows  = 20
	// The first bound is a guess, for the table may have saved units, or the load may have been light. So it is not less
	// than leastGuess, and is left soon.
	leastGuess = 100
	guessStep  = 0.25
	least      = 1
)

func newPace(unitsPerSecond float64, now time.Time) pace {
	return pace{most: unitsPerSecond, rate: unitsPerSecond, units: unitsPerSecond, at: now, since: now}
}

// wait is how long until a call may begin, for work that is there.
func (p *pace) wait(now time.Time) time.Duration {
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

// room reports whether one more row may go with those that a call has already: a call owes no more than a tenth
// of a second, so that a live change does not wait for long behind rows of the snapshot.
func (p *pace) room() bool { return p.rate <= 0 || p.units > -p.rate/10 }

// spend takes units from the bucket; a negative n gives back.
func (p *pace) spend(n float64) {
	if p.rate > 0 {
		p.units -= n
	}
}

// answered notes the answer of a call that began then: so many rows, how many of them were throttled, the units written.
func (p *pace) answered(began time.Time, rows, refused int, written float64, now time.Time) {
	if began.Before(p.cutAt) {
		return // it tells nothing about the rate
	}
	p.rows += rows
	p.refused += refused
	p.written += written
	if p.rate <= 0 {
		if elapsed := now.Sub(p.since); elapsed > 2*time.Second {
			p.written /= elapsed.Seconds()
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
		p.rate += min(p.step, p.rate)
		p.step *= 2
	}
	if p.most > 0 {
		p.rate = min(p.rate, p.most)
	}
}

// careful lets the next raise be a small one again: rows are throttled by range, which may be the whole table.
func (p *pace) careful() { p.step = min(p.step, firstStep*p.rate) }

// held reports whether the last cut is so short ago that the rate stays where it is.
func (p *pace) held(now time.Time) bool {
	since := now.Sub(p.cutAt)
	return since < holdLeast || p.rows < holdRows && since < holdMost
}

// throttled notes that a call that began then was refused because of the rate.
func (p *pace) throttled(began, now time.Time) {
	again := p.held(now)
	if again && (began.Before(p.cutAt) || now.Sub(p.cutAt) < cutEvery || p.rows < cutRows) {
		return
	}
	switch {
	case p.rate <= 0:
		p.rate = max(leastGuess, justBelow*p.written/max(now.Sub(p.since), time.Second).Seconds())
		p.step = guessStep * p.rate
	case !again:
		p.step = firstStep * p.rate
		p.rate *= justBelow
	default:
		p.rate *= justBelow * max(0.5, 1-float64(p.refused)/float64(p.rows))
	}
	p.rate = max(p.rate, least)
	p.units, p.at = min(p.units, 0), now
	p.cutAt, p.since, p.raiseAt = now, now, now
	p.rows, p.refused, p.written, p.bound = 0, 0, 0, false
}

// unitsOf is what writing n bytes costs, in write units of 1 KB.
func unitsOf(n int) float64 { return float64(max(1, (n+1023)/1024)) }
