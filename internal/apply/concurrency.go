package apply

import "time"

// concurrency is how many calls may be under way. A call that the database does not answer in its time has most likely
// waited in a queue there, and the next calls would wait behind it: calls whose callers have given up, done for nothing,
// and ever more of them as they are tried again. So it falls by half when calls are not answered, at most once for those
// under way together, and rises by one for each round of answers.
//
// It begins with a few calls, and with one more for each answer, until one is refused: a table that takes little would have
// to refuse most of what all calls at once bring. It is pure: the lanes hold it under their lock.
type concurrency struct {
	most    float64 // the configured one
	limit   float64
	refused bool // once; the beginning is over
	cutAt   time.Time
}

const firstCalls = 4

func newConcurrency(most int) concurrency {
	return concurrency{most: float64(most), limit: float64(min(most, firstCalls))}
}

// setMost changes the configured number. When it rises, the calls rise with the answers.
func (c *concurrency) setMost(most int) {
	c.most = float64(most)
	c.limit = min(c.limit, c.most)
}

// calls is how many calls may be under way.
func (c *concurrency) calls() int { return int(c.limit) }

// answered notes that a call was answered, be it that it is throttled.
func (c *concurrency) answered(throttled bool) {
	c.refused = c.refused || throttled
	if c.refused {
		c.limit = min(c.most, c.limit+1/c.limit)
	} else {
		c.limit = min(c.most, c.limit+1)
	}
}

// unanswered notes that a call that began then was not answered, or the answer was that the database is in trouble.
func (c *concurrency) unanswered(began, now time.Time) {
	if began.Before(c.cutAt) {
		return // it was under way beside those that have told already
	}
	c.cutAt, c.refused = now, true
	c.limit = max(1, c.limit/2)
}
