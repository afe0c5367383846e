package assembly

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/stretchr/testify/require"
)

// staleError is what a watch says that could not be kept fresh.
func staleError(t *testing.T) error {
	t.Helper()
	log := &checkpointtest.Log{}
	watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "w"), time.Minute)
	require.NoError(t, err)
	time.Sleep(time.Minute)
	return watch.Fresh()
}

func TestAWorkerJoinsAgainOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stale := staleError(t)
		require.Error(t, stale)
		r := rejoins{apart: staleApart * time.Minute}
		require.False(t, r.after(nil))
		require.False(t, r.after(errors.New("something else")))
		require.False(t, r.after(&fault.Error{Class: fault.Fatal, Reason: "AccessDeniedException"}))
		require.True(t, r.after(fmt.Errorf("apply: %w", stale)))
		time.Sleep(staleApart*time.Minute - time.Nanosecond)
		require.False(t, r.after(stale), "again too soon: the worker ends with the error")
		time.Sleep(time.Nanosecond)
		require.True(t, r.after(stale), "it had been well for a while")
		require.False(t, r.after(stale))
	})
}
