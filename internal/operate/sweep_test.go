package operate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// The application updates one marker before the sweep, and another one while the grace passes: both are rows to it.
func TestSweepLeavesAnItemWithAttributesOfTheApplication(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c, p := moved(t, w, "")
		for n := range 5 {
			version := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(n))}
			w.putRaw("new", fmt.Sprintf(`{"pk":{"S":"dead %d"},"crossfade_deleted":{"N":"1"},"crossfade_version":{"S":%q}}`, n, version))
		}
		w.update("dead 1", "SET x = pk")
		// What makes a marker the application's own: it is not even a question then.
		w.update("dead 3", "SET x = pk REMOVE crossfade_version, crossfade_deleted, crossfade_shard, crossfade_tombstone")
		summary, err := Sweep(t.Context(), c, SweepOptions{Logger: w.logger(), Network: w.network, Say: func(text string) {
			if strings.HasPrefix(text, "waiting: grace 1 of 1") {
				w.update("dead 2", "SET x = pk")
			}
		}})
		require.NoError(t, err)
		require.EqualValues(t, 2, summary.Removed)
		require.EqualValues(t, 2, summary.Updated)
		require.EqualValues(t, 2, summary.Left())
		require.Equal(t, []events.Key{`{"pk":{"S":"dead 1"}}`, `{"pk":{"S":"dead 2"}}`}, summary.UpdatedKeys)
		items := w.items(w.new)
		require.Len(t, items, 3)
		for _, pk := range []string{"dead 1", "dead 2"} {
			require.NotEmpty(t, items[pk].version)
			require.NotEmpty(t, items[pk].deleted)
		}
		require.Equal(t, stored{}, items["dead 3"])
		state, err := p.State(t.Context())
		require.NoError(t, err)
		require.Equal(t, checkpoint.Streaming, state.Phase())
		require.EqualValues(t, 2, state.Removed)
	})
}
