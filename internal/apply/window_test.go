package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
