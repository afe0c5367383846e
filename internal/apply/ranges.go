package apply

import (
	"cmp"
	"math"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

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

// reasons tells the throttling of the table from that of a range of keys.
type reasons struct {
	named fault.Throttle // by the last answer that named one

	// Rows of late: of lanes that nothing was known about, and of hot ones.
	since                 time.Time
	others, othersRefused float64
	hot, hotRefused       float64
}

// How many rows it takes to tell, and for how long they count at the least; and the share of the rows from which on
// throttled ranges are the table's affair.
const (
	wideRows  = 100
	wideTime  = 500 * time.Millisecond
	wideShare = 0.25
)

// unnamed is what is throttled where an answer does not say it, as for the statements of a batch: what was named last. Rows
// that were throttled are tried alone, so a name comes soon. The arguments are how many rows of this answer name what.
func (r *reasons) unnamed(table, narrow int) fault.Throttle {
	switch {
	case table > 0:
		r.named = fault.TableThrottled
	case narrow > 0:
		r.named = fault.RangeThrottled
	}
	return cmp.Or(r.named, fault.TableThrottled)
}

// note counts the rows of an answer, and how many of them were throttled by range.
func (r *reasons) note(hot bool, rows, narrow int, now time.Time) {
	if r.others >= 2*wideRows && now.Sub(r.since) >= wideTime {
		r.since = now
		for _, n := range []*float64{&r.others, &r.othersRefused, &r.hot, &r.hotRefused} {
			*n /= 2
		}
	}
	if hot {
		r.hot += float64(rows)
		r.hotRefused += float64(narrow)
	} else {
		r.others += float64(rows)
		r.othersRefused += float64(narrow)
	}
}

// forget lets only rows count that are yet to come: those before were written at another rate.
func (r *reasons) forget() { *r = reasons{named: r.named} }

// wide reports whether throttled ranges have so many of the rows that all have to slow down. A table on demand names
// ranges even when all of them are at their limit.
//
// Which ranges there are nobody tells. But of all rows, those that are refused are the rows in throttled ranges times the
// chance of a refusal there, and that chance is how often hot lanes are refused, a moment later. If rows are refused no
// more often in hot lanes than elsewhere, then all ranges are alike.
func (r *reasons) wide() bool {
	// At most so high is the chance, as far as so few of them can tell. It is asked again with every refusal, so the bound
	// is a wide one.
	chance := min(1, (r.hotRefused+2*math.Sqrt(r.hotRefused)+4)/(r.hot+2))
	return r.others >= wideRows && r.othersRefused/r.others > wideShare*chance
}
