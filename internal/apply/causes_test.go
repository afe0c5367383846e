package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

func TestUnnamedIsWhatWasNamedLast(t *testing.T) {
	r := causes{}
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0), "nothing was named: all slow down")
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 1))
	require.Equal(t, fault.RangeThrottled, r.unnamed(0, 0))
	require.Equal(t, fault.TableThrottled, r.unnamed(1, 1), "the wider one")
	require.Equal(t, fault.TableThrottled, r.unnamed(0, 0))
}

func TestWide(t *testing.T) {
	now := time.Unix(0, 0)
	for name, c := range map[string]struct {
		others, refused, throttled, throttledRefused int
		wide                                         bool
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
		r := causes{since: now}
		r.note(false, c.others, c.refused, now)
		r.note(true, c.throttled, c.throttledRefused, now)
		require.Equal(t, c.wide, r.wide(), name)
	}
	r := causes{since: now}
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
