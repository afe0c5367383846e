package walk

import (
	"context"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/pace"
)

// Reads holds one process's reads of a table to the units that the table gives; package pace finds how many. A table
// that is read beyond its quota refuses the application's reads too. Safe for concurrent use.
type Reads struct {
	mu   sync.Mutex
	pace pace.Pace
	page float64 // units of the last page; the next one is expected to take as many
}

const (
	fullPage   = 256 // units of 1 MB, strongly consistent
	lookupCost = 1   // units of a small item
	// A page is one large call, where writes are many small ones. So it counts as several answers; and the rate is raised by
	// small steps, for the table's saved units hide its quota for a while. The figures are from a simulated table
	// (internal/lab/scale).
	pageAnswers = 4
	readRaise   = 0.05
	// lookAgain is when a waiting call looks again: one that cost less than expected may have given units back.
	lookAgain = 100 * time.Millisecond
)

// NewReads returns Reads of at most unitsPerSecond, for this process; 0 is no limit.
func NewReads(unitsPerSecond float64) *Reads {
	return &Reads{pace: pace.New(unitsPerSecond, readRaise, time.Now()), page: fullPage}
}

// SetMost changes the limit; 0 is none.
func (r *Reads) SetMost(unitsPerSecond float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.SetMost(unitsPerSecond)
}

// scan reads a page when its turn comes.
func scan[P Page](ctx context.Context, r *Reads, read func() (P, error)) (page P, err error) {
	r.mu.Lock()
	expected := r.page
	r.mu.Unlock()
	began, err := r.turn(ctx, expected)
	if err != nil {
		return page, err
	}
	page, err = read()
	units := 0.0
	if err == nil {
		units = page.Extent().Units
	}
	r.took(began, expected, units, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.page = units
	}
	return page, err
}

// Lookup reads a row when its turn comes.
func (r *Reads) Lookup(ctx context.Context, read func() (found bool, units float64, err error)) (bool, error) {
	began, err := r.turn(ctx, lookupCost)
	if err != nil {
		return false, err
	}
	found, units, err := read()
	r.took(began, lookupCost, units, err)
	return found, err
}

// turn waits until a call may begin, takes the units that it is expected to need, and returns when that was.
func (r *Reads) turn(ctx context.Context, units float64) (began time.Time, err error) {
	for {
		now := time.Now()
		r.mu.Lock()
		wait := r.pace.Wait(now)
		if wait == 0 {
			r.pace.Spend(units)
		}
		r.mu.Unlock()
		if wait == 0 {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, context.Cause(ctx)
		case <-time.After(min(wait, lookAgain)):
		}
	}
}

// took notes what came of a call, and corrects the expected units to the real ones. A throttled key range cuts nothing: only
// its own segment waits, by its retries.
func (r *Reads) took(began time.Time, expected, units float64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if err != nil {
		units = 0
	}
	r.pace.Spend(units - expected)
	switch throttle := fault.ThrottleOf(err); {
	case err == nil:
		r.pace.Answered(began, pageAnswers, 0, units, now)
	case throttle == fault.TableThrottled || throttle == fault.UnnamedThrottled:
		r.pace.Answered(began, pageAnswers, pageAnswers, 0, now)
		r.pace.Throttled(began, now)
	}
}
