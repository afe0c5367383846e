package assembly

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// moved is a migration whose empty snapshot is closed and applied, with a committed offset in each topic.
func moved(t *testing.T, w *world, more string) (*migration.Config, *Parts) {
	t.Helper()
	c := w.config(more)
	_, err := Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger()})
	require.NoError(t, err)
	p, err := Open(t.Context(), c, w.logger())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	w.tell(p, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{}}})
	return c, p
}

func (w *world) tell(p *Parts, e checkpoint.ControlEntry) {
	w.t.Helper()
	control := p.control()
	_, err := control.Refresh(w.t.Context())
	require.NoError(w.t, err)
	_, err = control.Append(w.t.Context(), e)
	require.NoError(w.t, err)
}

// A replay and a sweep keep out of each other's way, whoever is first.
func TestReplayWaitsForASweep(t *testing.T) {
	w := newWorld(t)
	c, p := moved(t, w, "")
	w.tell(p, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}})

	began := time.Now()
	require.NoError(t, Replay(t.Context(), c, w.logger()))
	require.GreaterOrEqual(t, time.Since(began), c.Grace, "the sweep gets the grace to take notice")
	state, err := p.state(t.Context())
	require.NoError(t, err)
	require.False(t, state.Replaying)
	require.Empty(t, state.Sweepers)
	progress, err := p.Kafka.Progress(t.Context(), c.Name, p.Topics.Snapshot, p.Topics.Live)
	require.NoError(t, err)
	require.Equal(t, apply.Progress{}, progress[events.TopicPartition{Topic: p.Topics.Live}])
	require.Len(t, progress, 6, "both topics")

	// One that was cut off after its announcement: no sweep begins, and running it again completes it.
	w.tell(p, checkpoint.ControlEntry{Replay: &checkpoint.Replay{}})
	said := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	swept := make(chan error, 1)
	go func() {
		_, err := Sweep(ctx, c, SweepOptions{Say: func(text string) { said <- text }, Logger: w.logger()})
		swept <- err
	}()
	require.Equal(t, "waiting: the replay that was announced: crossfade replay", <-said)
	require.NoError(t, Replay(t.Context(), c, w.logger()))
	require.NoError(t, <-swept)
}

// In the form none only markers say which rows are dead.
func TestReplayIsRefusedWhereItWouldBringRowsBack(t *testing.T) {
	w := newWorld(t)
	c, p := moved(t, w, "live: {from: none}\n")
	require.NoError(t, Replay(t.Context(), c, w.logger()), "nothing was swept")
	w.tell(p, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}})
	require.ErrorContains(t, Replay(t.Context(), c, w.logger()), "would bring those rows back")
}
