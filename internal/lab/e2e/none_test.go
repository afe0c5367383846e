package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/operate"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// The application was changed first: it writes the new table itself and deletes by marker, while the backfill brings
// the rest. Items arrive without any attribute of ours, and in the end no marker is left.
func TestNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "live: {from: none}", "segments: 64")
	rows := readCities(t, size(8000, 30_000))
	w.load(rows)
	w.create(operate.CreateOptions{})

	table := w.table(w.new)
	table.Tombstones = w.config.Attributes.Deleted
	app := &demo.Application{Rows: rows, Table: table, Seed: 3, Rate: 100}
	stopApp := w.live(app, size(2000, 6000))

	w.write(slow)
	w.start("snapshot", 2)
	w.start("streamer", 2)
	w.killing(1500 * time.Millisecond)
	w.closed()
	stopApp()
	w.quiet()

	_, err := operate.Sweep(t.Context(), w.config, operate.SweepOptions{Logger: w.logger})
	require.ErrorIs(t, err, sweep.ErrFallbackReads)
	w.sweep(operate.SweepOptions{FallbackReadsOff: true})

	// The same application again, now on the old table: both must end as one.
	same := &demo.Application{Rows: rows, Table: w.table(w.old), Seed: 3, Rate: 1000}
	require.NoError(t, same.Run(t.Context(), app.Done()))
	w.equal(app.Deleted, 0)
	require.NoError(t, w.new.Items(t.Context(), 4, func(item []byte) error {
		require.NotContains(t, string(item), "crossfade")
		return nil
	}))
}
