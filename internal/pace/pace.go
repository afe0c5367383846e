// Package pace finds how many units a second a table takes.
package pace

import "time"

// Pace says when the next call may begin. It finds how many units a second the table takes:
//
//   - There is no bound until a call is throttled. That one sets the rate, just below what the table has taken lately.
//   - The rate is held for a moment, then raised each second, by steps that double.
//   - A throttled call cuts the rate to just below what it is. If calls are still throttled after that, the next cut is to just
//     below what was achieved since.
//
// So the rate stays close to the quota, finds a changed quota within seconds, and few calls are throttled. Some must be: only a
// throttled call shows where the quota is.
//
// The units are a token bucket that may go into debt by one call. How many calls are under way follows from the rate and from
// how long a call takes. Pace is pure; its owner holds it under a lock.
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

	// What is known of the calls that began after the last cut:
	answers, refused int       // counted by row, where a call has several
	taken            float64   // units, since the time below
	since            time.Time // of the last cut; while there is no bound, at most two seconds ago
}

// How the rate moves.
const (
	justBelow  = 0.97
	firstStep  = 0.005 // of the rate before it was cut
	raiseEvery = time.Second
	// After a cut the rate is held for at least holdLeast, then until there are holdAnswers answers, and no longer than
	// holdMost: raising it costs throttled calls.
	holdLeast   = 2 * time.Second
	holdAnswers = 400
	holdMost    = 10 * time.Second
	// Another cut follows a cut after cutEvery and cutAnswers answers at the earliest: a few answers tell little.
	cutEvery   = 50 * time.Millisecond
	cutAnswers = 20
	// The first bound is a guess: the table may have had saved units, or the load may have been light. It is at least
	// leastGuess, and the first raise is large.
	leastGuess = 100
	guessStep  = 0.25
	least      = 1
)

// New returns a pace of at most unitsPerSecond; 0 is no limit. A raise is at most the share raise of the rate.
func New(unitsPerSecond, raise float64, now time.Time) Pace {
	return Pace{most: unitsPerSecond, raise: raise, rate: unitsPerSecond, units: unitsPerSecond, at: now, since: now}
}

// SetMost changes the configured units a second; 0 is no limit.
func (p *Pace) SetMost(unitsPerSecond float64) {
	if p.rate == p.most || unitsPerSecond > 0 && p.rate > unitsPerSecond {
		p.rate = unitsPerSecond // the rate was the old limit, or is above the new one
	}
	p.most = unitsPerSecond
}

// Wait is how long it is until a call may begin; 0 is now. It is asked only when there is work.
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

// Room reports whether a call may take one more row. The debt stays below a tenth of a second's units, so that a live change
// does not wait for long behind rows of the snapshot.
func (p *Pace) Room() bool { return p.rate <= 0 || p.units > -p.rate/10 }

// Spend takes units from the bucket; a negative n gives back.
func (p *Pace) Spend(n float64) {
	if p.rate > 0 {
		p.units -= n
	}
}

// Answered notes what came of a call:
//
//	began    when it began: one that began before the last cut tells nothing about the rate
//	answers  one for each row that it wrote, or for the page that it read
//	refused  how many of these were throttled
//	taken    units
func (p *Pace) Answered(began time.Time, answers, refused int, taken float64, now time.Time) {
	if began.Before(p.cutAt) {
		return // it was made at another rate
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

// Careful makes the next raise a small one again. It is for rows that are throttled by key range: that may be the whole table.
func (p *Pace) Careful() { p.step = min(p.step, firstStep*p.rate) }

// held reports whether the last cut is so recent that the rate must stay where it is.
func (p *Pace) held(now time.Time) bool {
	since := now.Sub(p.cutAt)
	return since < holdLeast || p.answers < holdAnswers && since < holdMost
}

// Throttled notes that a call which began at began was throttled. It cuts the rate, unless the last cut was just now.
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
