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
	require.Nil(t, state.Closed)
	wrong := checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 2}}
	for _, bad := range []checkpoint.ControlEntry{created, swept, wrong} {
		_, err = c.Append(t.Context(), bad)
		require.ErrorContains(t, err, "does not fit the phase")
	}
	state, err = c.Append(t.Context(), closed)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Streaming, state.Phase())
	require.Equal(t, map[int]int64{0: 10, 1: 0}, state.Closed.Ends)
	require.False(t, state.PastClose(0, 9))
	require.True(t, state.PastClose(0, 10))
	require.True(t, state.PastClose(1, 0))
	require.True(t, state.PastClose(2, 0), "a partition that the close does not know")
	_, err = c.Append(t.Context(), swept)
	require.NoError(t, err)
	state, err = c.Append(t.Context(), swept)
	require.NoError(t, err)
	require.EqualValues(t, 6, state.Removed)
	require.Len(t, log.Entries(), 4, "what was refused was not written")

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
	require.Equal(t, map[int]int64{0: 10, 1: 0}, state.Closed.Ends)
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

func restarted(generation uint32) checkpoint.ControlEntry {
	return checkpoint.ControlEntry{Restarted: &checkpoint.Restarted{Generation: generation, Stream: "again", EstimatedItems: 7}}
}

func closedOf(generation uint32) checkpoint.ControlEntry {
	return checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: generation, Ends: map[int]int64{0: 20}}}
}

func markedOf(generation uint32) checkpoint.ControlEntry {
	return checkpoint.ControlEntry{Marked: &checkpoint.Marked{Generation: generation, Marked: 2, Kept: 1}}
}

func TestGenerations(t *testing.T) {
	log := &checkpointtest.Log{}
	c := checkpoint.NewControl(log, "me")
	_, err := c.Append(t.Context(), restarted(2))
	require.ErrorContains(t, err, "does not fit the phase", "nothing was created that could be restarted")
	append := func(e checkpoint.ControlEntry) checkpoint.State {
		t.Helper()
		state, err := c.Append(t.Context(), e)
		require.NoError(t, err)
		return state
	}
	refused := func(all ...checkpoint.ControlEntry) {
		t.Helper()
		for _, e := range all {
			_, err := c.Append(t.Context(), e)
			require.ErrorContains(t, err, "does not fit the phase", "%+v", e)
		}
	}
	first := created
	first.Created = &checkpoint.Created{Generation: 1, Stream: "once", EstimatedItems: 5}
	state := append(first)
	require.Equal(t, "once", state.Stream())
	require.EqualValues(t, 5, state.EstimatedItems())
	append(closed)
	append(swept)
	refused(markedOf(1), restarted(1))

	state = append(restarted(2))
	require.Equal(t, checkpoint.Copying, state.Phase())
	require.EqualValues(t, 2, state.Generation())
	require.Equal(t, "again", state.Stream())
	require.EqualValues(t, 7, state.EstimatedItems())
	require.False(t, state.PastClose(0, 10), "the close was of the generation before")
	require.Nil(t, state.Closed)
	require.False(t, state.Began.IsZero())
	require.EqualValues(t, 3, state.Removed, "what was swept stays swept")
	refused(closedOf(1), markedOf(2), swept, created, restarted(2))

	state = append(closedOf(2))
	require.Equal(t, checkpoint.Marking, state.Phase())
	require.True(t, state.PastClose(0, 20))
	refused(markedOf(1), swept, closedOf(2))

	state = append(markedOf(2))
	require.Equal(t, checkpoint.Streaming, state.Phase())
	append(swept)
	refused(markedOf(2))

	state = append(restarted(9)) // a restart may leave numbers out
	require.Equal(t, checkpoint.Copying, state.Phase())
	require.Nil(t, state.Marked)
	state = append(restarted(10)) // of a snapshot that was never closed
	require.EqualValues(t, 10, state.Generation())

	again, err := checkpoint.NewControl(log, "other").Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, state, again)
}

// What is appended on top of the generation before loses to the restart, whoever reads it.
func TestRestartWins(t *testing.T) {
	for name, late := range map[string]checkpoint.ControlEntry{"closer": closed, "sweep": swept, "restart": restarted(2)} {
		log := &checkpointtest.Log{}
		operator, other := checkpoint.NewControl(log, "operator"), checkpoint.NewControl(log, "other")
		_, err := operator.Append(t.Context(), created)
		require.NoError(t, err)
		if name == "sweep" {
			_, err = operator.Append(t.Context(), closed)
			require.NoError(t, err)
		}
		_, err = other.Refresh(t.Context())
		require.NoError(t, err)
		want, err := operator.Append(t.Context(), restarted(2))
		require.NoError(t, err)
		state, err := other.Append(t.Context(), late)
		require.ErrorIs(t, err, checkpoint.ErrLost, name)
		require.Equal(t, want, state, name)
		_, err = other.Append(t.Context(), late)
		require.ErrorContains(t, err, "does not fit the phase", name)
	}
}

// And the restart that comes second finds out.
func TestRestartLoses(t *testing.T) {
	log := &checkpointtest.Log{}
	operator, closer := checkpoint.NewControl(log, "operator"), checkpoint.NewControl(log, "closer")
	_, err := operator.Append(t.Context(), created)
	require.NoError(t, err)
	_, err = closer.Refresh(t.Context())
	require.NoError(t, err)
	_, err = closer.Append(t.Context(), closed)
	require.NoError(t, err)
	state, err := operator.Append(t.Context(), restarted(2))
	require.ErrorIs(t, err, checkpoint.ErrLost)
	require.EqualValues(t, 1, state.Generation())
	state, err = operator.Append(t.Context(), restarted(2))
	require.NoError(t, err)
	require.Equal(t, checkpoint.Copying, state.Phase())
}

// An entry that cannot be understood is not taken for one that lost.
func TestUnreadableControlEntryAfterOthers(t *testing.T) {
	for _, value := range []string{`null`, `{}`, `{"after":0}`, `{"after":0,"swept":{},"closed":{}}`, `{"after":0,"swept":{"removed":1,"left":0}} x`} {
		log := &checkpointtest.Log{}
		c := checkpoint.NewControl(log, "a")
		_, err := c.Append(t.Context(), created)
		require.NoError(t, err)
		require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Key: []byte("control"), Value: []byte(value)}))
		_, err = c.Refresh(t.Context())
		require.ErrorContains(t, err, "control entry at offset 1", "%q", value)
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

func TestWatchEndsWithTheGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		control := checkpoint.NewControl(log, "operator")
		_, err := control.Append(t.Context(), created)
		require.NoError(t, err)
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- watch.Run(t.Context()) }()
		_, err = control.Append(t.Context(), closed)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.Empty(t, ended, "a close is no new generation")
		_, err = control.Append(t.Context(), restarted(2))
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, checkpoint.ErrNewGeneration)
		require.EqualValues(t, 2, watch.State().Generation())

		watch, err = checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, watch.Run(ctx), "one that begins with the second generation goes on")
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

func TestWatchOfABrokenLogStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Value: []byte("{")}))
		require.ErrorContains(t, watch.Run(t.Context()), "control entry at offset 0")
	})
}

// A worker goes on past what a newer build says that it may leave out, and stops at what it must know.
func TestWatchStopsAtWhatNeedsANewerBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &checkpointtest.Log{}
		control := checkpoint.NewControl(log, "operator")
		_, err := control.Append(t.Context(), created)
		require.NoError(t, err)
		watch, err := checkpoint.NewWatch(t.Context(), checkpoint.NewControl(log, "a"), grace)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- watch.Run(t.Context()) }()
		say := func(value string) {
			require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Key: []byte("control"), Value: []byte(value)}))
			time.Sleep(10 * time.Second)
		}
		say(`{"after":1,"at":"2026-01-01T00:00:00Z","by":"newer","format":2,"optional":true,"annotated":{"text":"half way"}}`)
		require.Empty(t, ended)
		require.Equal(t, 2, watch.State().Accepted)
		_, _, err = control.Update(t.Context(), func(checkpoint.State) (*checkpoint.ControlEntry, error) { return &closed, nil })
		require.NoError(t, err, "and writes behind it")
		time.Sleep(10 * time.Second)
		require.Equal(t, checkpoint.Streaming, watch.State().Phase())
		say(`{"after":3,"at":"2026-01-01T00:00:00Z","by":"newer","format":2,"needs":"v9.8.7","frozen":{}}`)
		err = <-ended
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, `"frozen" in format 2 needs Crossfade v9.8.7 or newer`)
		require.False(t, checkpoint.Stale(err), "joining again would not help")
	})
}

// A migration that is created above the generations of others has rows to look for, as a restart has.
func TestCreatedAboveOthersSearches(t *testing.T) {
	c := checkpoint.NewControl(&checkpointtest.Log{}, "me")
	state, err := c.Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 4}})
	require.NoError(t, err)
	require.EqualValues(t, 4, state.Generation())
	require.True(t, state.Searches())
	state, err = c.Append(t.Context(), checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 4}})
	require.NoError(t, err)
	require.Equal(t, checkpoint.Marking, state.Phase())
	state, err = c.Append(t.Context(), checkpoint.ControlEntry{Marked: &checkpoint.Marked{Generation: 4}})
	require.NoError(t, err)
	require.Equal(t, checkpoint.Streaming, state.Phase())
	require.False(t, checkpoint.State{}.Searches())
	require.False(t, checkpoint.State{Created: &checkpoint.Created{Generation: 1}}.Searches())
}
