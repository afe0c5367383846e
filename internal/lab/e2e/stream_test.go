package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// The main job, whole: a table is moved while the application changes it and workers are killed; then everything is
// applied a second time, and not one item changes.
//
// The rows are taken from all over the file, so that the segments are as uneven as those of the whole.
func TestStream(t *testing.T) {
	t.Parallel()
	const segments, atOnce, pages = 256, 4, 2
	w := newWorld(t, "", "segments: 256, at_once: 4, pages_in_flight: 2")
	rows := readCities(t, 0).spread(size(15_000, 0))
	w.load(rows) // before the stream is enabled: DynamoDB Local is slow with streams
	for n := range 200 {
		w.put(w.old, strange(n))
	}
	for _, item := range largest() {
		w.put(w.old, item)
	}
	w.create(operate.CreateOptions{EnableStream: true})

	app := &demo.Application{Rows: rows, Table: w.table(w.old), Seed: 1, Rate: 100}
	stopApp := w.live(app, size(4000, 20_000))

	w.write(slow)
	w.start("snapshot", 2)
	w.start("streamer", 2)
	for n := range 200 { // some of those again, otherwise, and some that are new
		w.put(w.old, strange(n+100))
	}
	w.killing(2 * time.Second)
	w.closed()
	stopApp()
	t.Logf("%d changes", app.Done())
	w.quiet()

	// What was published twice was in flight when a worker was killed.
	published := w.records(kafka.TopicsOf(w.config.Name).Snapshot)
	perSegment := int64(rows.Len()/segments) * 2 // the segments are not of one size
	require.LessOrEqual(t, published, w.status().Rows.Done+int64(kills)*atOnce*pages*perSegment)
	// A capture that is killed, or that hands its shards over because another was, may have published a page or two
	// that no fact tells of yet. At 100 changes a second that is less than 500 records a time.
	captured, facts := w.records(kafka.TopicsOf(w.config.Name).Live), w.status().Capture.Records
	t.Logf("snapshot: %d records of %d rows; live: %d records of %d changes", published, w.status().Rows.Done, captured, facts)
	require.LessOrEqual(t, captured, facts+int64(2*kills+2)*500)
	require.Zero(t, w.status().DeadLetters.Records)

	w.equal(app.Deleted, -1)
	t.Run("Replay", func(t *testing.T) { replay(t, w) })
	w.sweep(operate.SweepOptions{})
	w.equal(app.Deleted, 0)
}

// replay sets all committed offsets back to the start and applies everything again: the counts tell that not one
// item changed.
func replay(t *testing.T, w *world) {
	unused := operate.ReplayOptions{NewTableUnused: true, Logger: w.logger}
	require.Error(t, operate.Replay(t.Context(), w.config, unused), "a streamer runs")
	w.step("replay")
	w.stopAll()
	require.ErrorContains(t, operate.Replay(t.Context(), w.config, operate.ReplayOptions{Logger: w.logger}), "--new-table-unused")
	require.NoError(t, operate.Replay(t.Context(), w.config, unused))
	w.start("streamer", 2)
	w.quiet()
	s := w.status()
	require.Zero(t, s.Counts.Applied, "%+v", s.Counts)
	require.Equal(t, w.records(kafka.TopicsOf(w.config.Name).Snapshot)+w.records(kafka.TopicsOf(w.config.Name).Live), s.Counts.Total()-s.Counts.PastClose)
}
