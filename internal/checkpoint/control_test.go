package checkpoint_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/fault"
)

var (
	created = checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1, Segments: 4, Partitions: 2}}
	closed  = checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{0: 10, 1: 0}}}
	swept   = checkpoint.ControlEntry{Swept: &checkpoint.Swept{Removed: 3}}
)

func TestPhases(t *testing.T) {
	log := &checkpointtest.Log{}
	c := checkpoint.NewControl(log, "me")
	state, err := c.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, checkpoint.NotCreated, state.Phase())
	require.Zero(t, state.Generation())
	for _, early := range []checkpoint.ControlEntry{closed, swept, {}} {
		_, err = c.Append(t.Context(), early)
		require.ErrorContains(t, err, "does not fit the phase")
	}
	state, err = c.Append(t.Context(), created)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Copying, state.Phase())
	require.False(t, state.PastClose(0, 1<<40), "nothing is past a close that was not made")
	require.Nil(t, state.Ends())
	wrong := checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 2}}
	for _, bad := range []checkpoint.ControlEntry{created, swept, wrong} {
		_, err = c.Append(t.Context(), bad)
		require.ErrorContains(t, err, "does not fit the phase")
	}
	state, err = c.Append(t.Context(), closed)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Streaming, state.Phase())
	require.Equal(t, map[int]int64{0: 10, 1: 0}, state.Ends())
	require.False(t, state.PastClose(0, 9))
	require.True(t, state.PastClose(0, 10))
	require.True(t, state.PastClose(1, 0))
	require.True(t, state.PastClose(2, 0), "a partition that the close does not know")
	require.False(t, state.Sweeping)
	state, err = c.Append(t.Context(), checkpoint.ControlEntry{Swept: &checkpoint.Swept{Begun: true}})
	require.NoError(t, err)
	require.True(t, state.Sweeping)
	_, err = c.Append(t.Context(), swept)
	require.NoError(t, err)
	state, err = c.Append(t.Context(), swept)
	require.NoError(t, err)
	require.EqualValues(t, 6, state.Removed)
	require.Equal(t, 2, state.Sweeps)
	require.Len(t, log.Entries(), 5, "what was refused was not written")

	again, err := checkpoint.NewControl(log, "other").Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, state, again, "every reader folds the same state")
}

// The log's order decides which of two that wrote on top of the same state has changed the migration.
func TestOneOfTwoCloses(t *testing.T) {
	log := &checkpointtest.Log{}
	a, b := checkpoint.NewControl(log, "a"), checkpoint.NewControl(log, "b")
	_, err := a.Append(t.Context(), created)
	require.NoError(t, err)
	_, err = b.Refresh(t.Context())
	require.NoError(t, err)
	_, err = a.Append(t.Context(), closed)
	require.NoError(t, err)
	other := checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{0: 99}}}
	state, err := b.Append(t.Context(), other)
	require.ErrorIs(t, err, checkpoint.ErrLost)
	require.Equal(t, map[int]int64{0: 10, 1: 0}, state.Ends())
	_, err = b.Append(t.Context(), other)
	require.ErrorContains(t, err, "does not fit the phase")
	state, err = checkpoint.NewControl(log, "c").Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, state.Accepted)
}

// After a lost acknowledgement the next reading says what happened.
func TestControlEntryWhoseAckWasLost(t *testing.T) {
	log := &checkpointtest.Log{}
	c := checkpoint.NewControl(log, "a")
	log.LoseAcks(1)
	_, err := c.Append(t.Context(), created)
	require.ErrorIs(t, err, checkpointtest.ErrLost)
	state, err := c.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, checkpoint.Copying, state.Phase())
}

func TestUnreadableControlEntry(t *testing.T) {
	for _, value := range []string{``, `{`, `{"after":0,"reopened":{}}`, `{"after":0}`} {
		log := &checkpointtest.Log{}
		require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Key: []byte("control"), Value: []byte(value)}))
		_, err := checkpoint.NewControl(log, "a").Refresh(t.Context())
		require.ErrorContains(t, err, "control entry", "%q", value)
	}
}

var away = &fault.Error{Class: fault.Retry, Reason: "away", What: "read", Err: errors.New("no broker")}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- watch.Run(ctx) }()

		_, err = checkpoint.NewControl(log, "b").Append(t.Context(), created)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		require.Equal(t, checkpoint.Copying, watch.State().Phase())

		log.Fail(away)
		time.Sleep(grace/2 - 5*time.Second)
		require.NoError(t, watch.Fresh())
		log.Fail(nil) // just in time
		time.Sleep(2 * time.Second)
		log.Fail(away)
		time.Sleep(grace/2 - 5*time.Second)
		require.NoError(t, watch.Fresh())
		cancel()
		require.NoError(t, <-ended)
	})
}

// Guard c of the sweep counts on this: who cannot read the control log for half of the grace stops.
func TestWatchThatIsCutOffStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		log.Fail(away)
		began := time.Now()
		err = watch.Run(t.Context())
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, "more than half of the grace")
		require.Less(t, time.Since(began), grace/2+10*time.Second)
		require.Error(t, watch.Fresh())
	})
}

// A process that was frozen for longer than that must not become fresh again by the first thing that it does.
func TestWatchThatWasFrozenStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(&checkpointtest.Log{}, "a"), grace)
		require.NoError(t, err)
		time.Sleep(grace/2 + time.Second) // nothing of it runs
		err = watch.Run(t.Context())
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, "more than half of the grace")
		require.Error(t, watch.Fresh())
	})
}

func TestWatchOfABrokenLogStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Value: []byte("{")}))
		require.ErrorContains(t, watch.Run(t.Context()), "control entry at offset 0")
	})
}
