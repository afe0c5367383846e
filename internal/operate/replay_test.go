package operate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// moved is a migration whose empty snapshot is closed and applied, with a committed offset in each topic.
func moved(t *testing.T, w *world, more string) (*migration.Config, *assembly.Parts) {
	t.Helper()
	c := w.config(more)
	_, err := Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
	require.NoError(t, err)
	p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	w.tell(p, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1, Ends: map[int]int64{}}})
	return c, p
}

func (w *world) tell(p *assembly.Parts, e checkpoint.ControlEntry) {
	w.t.Helper()
	control := p.Control()
	_, err := control.Refresh(w.t.Context())
	require.NoError(w.t, err)
	_, err = control.Append(w.t.Context(), e)
	require.NoError(w.t, err)
}

// A replay and a sweep keep out of each other's way, whoever is first.
func TestReplayWaitsForASweep(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c, p := moved(t, w, "")
		w.tell(p, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}})

		began := time.Now()
		require.NoError(t, Replay(t.Context(), c, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network}))
		require.GreaterOrEqual(t, time.Since(began), c.Grace, "the sweep gets the grace to take notice")
		state, err := p.State(t.Context())
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
			_, err := Sweep(ctx, c, SweepOptions{Say: func(text string) { said <- text }, Logger: w.logger(), Network: w.network})
			swept <- err
		}()
		require.Equal(t, "waiting: the replay that was announced: crossfade replay", <-said)
		require.NoError(t, Replay(t.Context(), c, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network}))
		require.NoError(t, <-swept)
	})
}

// In the form none only markers say which rows are dead.
func TestReplayIsRefusedWhereItWouldBringRowsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c, p := moved(t, w, "live: {from: none}\n")
		require.NoError(t, Replay(t.Context(), c, ReplayOptions{DeletesMarked: true, Logger: w.logger(), Network: w.network}), "nothing was swept")
		w.tell(p, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}})
		require.ErrorContains(t, Replay(t.Context(), c, ReplayOptions{DeletesMarked: true, Logger: w.logger(), Network: w.network}), "would bring those rows back")
	})
}

// update makes a call of the application on the new table: an UpdateItem with this expression.
func (w *world) update(key, expression string) {
	w.t.Helper()
	w.call("UpdateItem", fmt.Sprintf(`{"TableName":"new","Key":{"pk":{"S":%q}},"UpdateExpression":%q}`, key, expression))
}

// Without the operator's word there is no replay: an update and a removal of the application leave no trace.
func TestReplayIsRefusedWithoutTheOperatorsWord(t *testing.T) {
	for from, flag := range map[string]string{"stream": "--new-table-unused", "app": "--new-table-unused", "none": "--deletes-marked"} {
		t.Run(from, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				c, p := moved(t, w, fmt.Sprintf("live: {from: %s}\n", from))
				for _, o := range []ReplayOptions{{}, {DeletesMarked: from != "none"}} {
					o.Logger, o.Network = w.logger(), w.network
					err := Replay(t.Context(), c, o)
					require.ErrorContains(t, err, flag)
					require.ErrorContains(t, err, "would come back")
					unsaid, ok := errors.AsType[*UnsaidError](err)
					require.True(t, ok)
					require.EqualValues(t, from, unsaid.From)
				}
				state, err := p.State(t.Context())
				require.NoError(t, err)
				require.Zero(t, state.Replays, "nothing is announced")
				require.NoError(t, Replay(t.Context(), c, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network}))
			})
		})
	}
}

// The operator's word does not count where the table says otherwise.
func TestReplayIsRefusedOnceTheApplicationWrites(t *testing.T) {
	version := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(5)}.String()
	row := fmt.Sprintf(`{"pk":{"S":"row"},"x":{"S":"x"},"crossfade_version":{"S":%q}}`, version)
	marker := fmt.Sprintf(`{"pk":{"S":"dead"},"crossfade_deleted":{"N":"1"},"crossfade_version":{"S":%q},"crossfade_shard":{"S":"s"}}`, version)
	for name, c := range map[string]struct {
		writes       func(*world)
		keepExisting bool
		refused      string
	}{
		"nothing":                     {func(*world) {}, false, ""},
		"a row of its own":            {func(w *world) { w.putRaw("new", `{"pk":{"S":"own"}}`) }, false, `"own"`},
		"a marker of its own":         {func(w *world) { w.putRaw("new", `{"pk":{"S":"own"},"crossfade_deleted":{"N":"1"}}`) }, false, `"own"`},
		"an update of a marker":       {func(w *world) { w.update("dead", "SET x = pk") }, false, `"dead"`},
		"a row that was kept":         {func(w *world) { w.putRaw("new", `{"pk":{"S":"own"}}`) }, true, ""},
		"a marker, with kept rows":    {func(w *world) { w.update("dead", "SET x = pk") }, true, `"dead"`},
		"an update, which is no fact": {func(w *world) { w.update("row", "SET x = pk") }, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				config := w.config("")
				_, err := Create(t.Context(), config, CreateOptions{EnableStream: true, KeepExisting: c.keepExisting, Logger: w.logger(), Network: w.network})
				require.NoError(t, err)
				w.putRaw("new", row)
				w.putRaw("new", marker)
				c.writes(w)
				err = Replay(t.Context(), config, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network})
				if c.refused == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, "the application has written")
				require.ErrorContains(t, err, c.refused)
				require.Equal(t, fault.Fatal, fault.Of(err))
			})
		})
	}
}

// What an applier has met counts too, although the item is gone by now.
func TestReplayIsRefusedWhenAnApplierMetTheApplicationsItems(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.config("")
		end := w.begin(c)
		w.putRaw("new", `{"pk":{"S":"a"},"v":{"S":"own"}}`)
		w.write("a", "of the old table")
		w.until("the applier has met it", func() bool { return w.status(c).Counts.AppOwned > 0 })
		w.call("DeleteItem", `{"TableName":"new","Key":{"pk":{"S":"a"}}}`)
		end()
		err := Replay(t.Context(), c, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network})
		require.ErrorContains(t, err, "1 records met items of the new table that the application had written")
	})
}
