package apply

import "time"

// window says how many calls may be under way for keys whose range is throttled: one more after a round of successes, a
// third fewer when one is throttled. A single call that is throttled is followed by a rest.
type window struct {
	limit float64
	cutAt time.Time
	rest  time.Time // the end of it
}

// restFor is long enough for a range to take some writes again.
const restFor = 50 * time.Millisecond

func (w *window) calls() int { return max(1, int(w.limit)) }

func (w *window) succeeded() { w.limit += 1 / max(1, w.limit) }

func (w *window) throttled(began, now time.Time) {
	if began.Before(w.cutAt) {
		return
	}
	if w.limit < 2 {
		w.rest = now.Add(restFor)
	}
	w.cutAt, w.limit = now, max(1, w.limit*2/3)
}
