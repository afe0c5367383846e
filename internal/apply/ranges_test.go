package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

func TestWindow(t *testing.T) {
	now := time.Unix(0, 0)
	w := window{}
	require.Equal(t, 1, w.calls())
	for range 100 {
		w.succeeded()
	}
	require.Equal(t, 14, w.calls(), "one more for each round")
	began := now
	now = now.Add(time.Second)
	for range 5 {
		w.throttled(began, now) // answers of calls that began together
	}
	require.Equal(t, 9, w.calls(), "one cut")
	require.Zero(t, w.rest)
	for range 100 {
		now = now.Add(time.Millisecond)
		w.throttled(now, now)
	}
	require.Equal(t, 1, w.calls(), "never none")
	require.Equal(t, now.Add(restFor), w.rest)
}

func TestUnnamedIsWhatWasNamedLast(t *testing.T) {
	r := reasons{}
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0), "nothing was named: all slow down")
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 1))
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 0))
	require.Equal(t, fault.TableThrottled, r.unnamed(1, 1), "the wider one")
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0))
}

func TestWide(t *testing.T) {
	now := time.Unix(0, 0)
	for name, c := range map[string]struct {
		others, refused, hot, hotRefused int
		wide                             bool
	}{
		"nothing is throttled":                         {1000, 0, 0, 0, false},
		"too few rows to tell":                         {99, 90, 0, 0, false},
		"nearly all at once":                           {100, 90, 0, 0, true},
		"one of twelve ranges, half of it refused":     {1000, 42, 42, 21, false},
		"one of twelve ranges, a little of it refused": {1000, 4, 4, 0, false},
		"one of two ranges, half of it refused":        {1000, 250, 250, 125, true},
		"all ranges alike, a tenth refused":            {1000, 100, 100, 10, true},
		"all ranges alike, a little refused":           {2000, 60, 120, 4, true},
		"one range, not refused again yet":             {5046, 66, 36, 0, false},
	} {
		r := reasons{since: now}
		r.note(false, c.others, c.refused, now)
		r.note(true, c.hot, c.hotRefused, now)
		require.Equal(t, c.wide, r.wide(), name)
	}
	r := reasons{since: now}
	r.note(false, 100_000, 0, now)
	for range 20 {
		now = now.Add(wideTime)
		r.note(false, 200, 100, now)
	}
	require.True(t, r.wide(), "what was long ago does not count")
	r.forget()
	require.False(t, r.wide())
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0))
}
