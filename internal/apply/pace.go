package apply

import (
	"time"
)

// pace says how many calls may be under way, and when the next one may begin. The concurrency rises by one for
// each round of successes and falls by a third when the table is throttled; the units are a bucket that may go into
// debt by one call. It is pure: the lanes hold it under their lock.
type pace struct {
	most  int // the configured concurrency
	limit float64

	lastCut time.Time

	rate  float64 // units a second; 0 is unlimited
	units float64
	at    time.Time
}

// cutEvery is how long one cut counts: answers of calls that began before it tell nothing new.
const cutEvery = 100 * time.Millisecond

func newPace(most int, unitsPerSecond float64, now time.Time) pace {
	return pace{most: most, limit: float64(most), rate: unitsPerSecond, units: unitsPerSecond, at: now}
}

// calls is how many calls may be under way.
func (p *pace) calls() int { return max(1, int(p.limit)) }

func (p *pace) succeeded() { p.limit = min(float64(p.most), p.limit+1/p.limit) }

// throttled notes that the table refused to keep pace.
func (p *pace) throttled(now time.Time) {
	if now.Sub(p.lastCut) < cutEvery {
		return
	}
	p.lastCut = now
	p.limit = max(1, p.limit*2/3)
}

// wait is how long until a call may begin.
func (p *pace) wait(now time.Time) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	p.units = min(p.rate, p.units+p.rate*now.Sub(p.at).Seconds())
	p.at = now
	if p.units > 0 {
		return 0
	}
	return time.Duration((1 - p.units) / p.rate * float64(time.Second))
}

// spend takes units from the bucket; a negative n gives back.
func (p *pace) spend(n float64) {
	if p.rate > 0 {
		p.units -= n
	}
}

// unitsOf is what writing n bytes costs, in write units of 1 KB.
func unitsOf(n int) float64 { return float64(max(1, (n+1023)/1024)) }
