package walk

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// quota is a table that gives so many units a second, and saves those of one second.
type quota struct {
	mu             sync.Mutex
	perSecond      float64
	units          float64
	at             time.Time
	page           float64 // units of each
	calls, refused int
	taken          float64
}

func (q *quota) read() (page, error) {
	time.Sleep(60 * time.Millisecond)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.units = min(q.perSecond, q.units+q.perSecond*now.Sub(q.at).Seconds())
	q.at = now
	q.calls++
	if q.units <= 0 {
		q.refused++
		return page{}, &fault.Error{Class: fault.Retry, Throttle: fault.TableThrottled, What: "scan"}
	}
	q.units -= q.page
	q.taken += q.page
	return page{units: q.page}, nil
}

// readFor reads with eight callers, each of whom tries again what fails.
func (r *Reads) readFor(d time.Duration, read func() (page, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				_ = fault.Do(ctx, nil, func(ctx context.Context) error {
					_, err := scan(ctx, r, read)
					return err
				}) // it is the end of ctx
			}
		})
	}
	callers.Wait()
}

func TestReadsFindWhatTheTableGives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &quota{perSecond: 5600, page: fullPage}
		const seconds = 300
		var processes sync.WaitGroup
		for range 2 {
			processes.Go(func() { NewReads(0).readFor(seconds*time.Second, q.read) })
		}
		processes.Wait()
		require.Less(t, float64(q.refused)/float64(q.calls), 0.05)
		require.Greater(t, q.taken/seconds, 0.6*q.perSecond)
	})
}

func TestReadsStayBelowTheLimit(t *testing.T) {
	for name, page := range map[string]float64{"full pages": fullPage, "small pages": 7.5} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &quota{perSecond: 1e9, page: page}
				r := NewReads(1)
				r.SetMost(100)
				const seconds = 100
				r.readFor(seconds*time.Second, q.read)
				require.Zero(t, q.refused)
				require.LessOrEqual(t, q.taken, 100.0*(seconds+1)+fullPage)
				require.GreaterOrEqual(t, q.taken, 95.0*seconds)
			})
		})
	}
}

func TestLookupsAndScansShareTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReads(100)
		began := time.Now()
		for range 1000 {
			found, err := r.Lookup(t.Context(), func() (bool, float64, error) { return true, 1, nil })
			require.NoError(t, err)
			require.True(t, found)
		}
		require.InDelta(t, 9, time.Since(began).Seconds(), 0.2, "a second's units are saved")
		_, err := scan(t.Context(), r, func() (page, error) { return page{units: 500}, nil })
		require.NoError(t, err)
		_, err = r.Lookup(t.Context(), func() (bool, float64, error) { return true, 1, nil })
		require.NoError(t, err)
		require.InDelta(t, 14, time.Since(began).Seconds(), 0.3)
	})
}

func TestThrottledRangeAndFailuresSlowNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReads(0)
		for _, failure := range []error{
			&fault.Error{Class: fault.Retry, Throttle: fault.RangeThrottled, What: "scan"},
			&fault.Error{Class: fault.Retry, Reason: "no-answer", What: "scan"},
		} {
			for range 100 {
				_, err := scan(t.Context(), r, func() (page, error) { return page{}, failure })
				require.ErrorIs(t, err, failure)
			}
		}
		began := time.Now()
		q := &quota{perSecond: 1e9, page: fullPage}
		for range 100 {
			_, err := scan(t.Context(), r, q.read)
			require.NoError(t, err)
		}
		require.Equal(t, 6*time.Second, time.Since(began), "no call has waited")
	})
}

func TestWaitingForReadsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReads(1)
		_, err := scan(t.Context(), r, func() (page, error) { return page{units: 1e6}, nil })
		require.NoError(t, err)
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopped) })
		_, err = r.Lookup(ctx, func() (bool, float64, error) { panic("it is not its turn") })
		require.ErrorIs(t, err, stopped)
	})
}
