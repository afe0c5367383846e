package apply

import (
	"cmp"
	"math"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// causes tells a throttled table from a throttled range of keys.
type causes struct {
	named fault.Throttle // by the last answer that named one

	// Rows of late, and how many of them were refused because their range is throttled: those of throttled lanes, whose
	// range was known to be throttled when the call began, and those of all others.
	since                       time.Time
	others, othersRefused       float64
	throttled, throttledRefused float64
}

const (
	// Fewer rows than these do not show that the whole table is throttled.
	wideRows = 100
	// Rows count in full for at least this long; then by half, and so on.
	wideTime = 500 * time.Millisecond
	// The share of all rows in throttled ranges from which on the whole table counts as throttled.
	wideShare = 0.25
)

// split counts the rows of an answer that were refused because of the table, and because of a range.
func (c *causes) split(throttled [fault.UnnamedThrottled + 1]int) (byTable, byRange int, unnamed fault.Throttle) {
	byTable, byRange = throttled[fault.TableThrottled], throttled[fault.RangeThrottled]
	unnamed = c.unnamed(byTable, byRange)
	if unnamed == fault.TableThrottled {
		byTable += throttled[fault.UnnamedThrottled]
	} else {
		byRange += throttled[fault.UnnamedThrottled]
	}
	return byTable, byRange, unnamed
}

// unnamed is what is throttled where an answer does not name it, as for the statements of a batch: what was named last, or
// else the table. A row that was refused is tried again alone, so an answer that names it comes soon. The arguments are how
// many rows of this answer name what.
func (c *causes) unnamed(byTable, byRange int) fault.Throttle {
	switch {
	case byTable > 0:
		c.named = fault.TableThrottled
	case byRange > 0:
		c.named = fault.RangeThrottled
	}
	return cmp.Or(c.named, fault.TableThrottled)
}

// note counts the rows of an answer, and how many of them were refused because of their range.
func (c *causes) note(throttled bool, rows, byRange int, now time.Time) {
	if c.others >= 2*wideRows && now.Sub(c.since) >= wideTime {
		c.since = now
		for _, n := range []*float64{&c.others, &c.othersRefused, &c.throttled, &c.throttledRefused} {
			*n /= 2
		}
	}
	if throttled {
		c.throttled += float64(rows)
		c.throttledRefused += float64(byRange)
	} else {
		c.others += float64(rows)
		c.othersRefused += float64(byRange)
	}
}

// forget drops the rows so far: they were written at another rate.
func (c *causes) forget() { *c = causes{named: c.named} }

// wide reports whether the whole table has to slow down, although the answers name ranges: a table on demand names
// ranges even when all of them are at their limit.
//
// DynamoDB does not report its key ranges. So their share of the table is estimated:
//
//   - The share of rows refused in other lanes is (share of rows in throttled ranges) × (chance of a refusal there).
//   - Throttled lanes show that chance, a moment later. Few rows tell it, so the upper end of its error is taken; with
//     every refusal the question is asked again.
//   - If others are refused as often as throttled ones, all ranges are alike: it is the table.
func (c *causes) wide() bool {
	chance := min(1, (c.throttledRefused+2*math.Sqrt(c.throttledRefused)+4)/(c.throttled+2))
	return c.others >= wideRows && c.othersRefused/c.others > wideShare*chance
}
