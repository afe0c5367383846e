package snapshot

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Of an append that succeeded in part only the rest is published again.
func TestOnlyWhatWasNotAcknowledgedIsPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const segments, rows = 2, 50
		table, log := newTable(1, rows), &checkpointtest.Log{}
		w := table.worker(log, "a", segments)
		w.Publish = func(_ context.Context, records []events.Record) error {
			table.mu.Lock()
			defer table.mu.Unlock()
			if len(records) == 0 {
				return nil // a page of bad rows
			}
			table.published[string(records[0].Key)]++
			if len(records) == 1 {
				return nil
			}
			return &events.UnacknowledgedError{Records: records[1:], Err: moment}
		}
		runFor(t, 10*time.Minute, w, 0, 1)
		require.Len(t, table.published, segments*(rows-7))
		for key, times := range table.published {
			require.Equal(t, 1, times, key)
		}
		for s := range segments {
			f, ok := facts(t, log).Segment(1, s, segments)
			require.True(t, ok && f.Done)
		}
	})
}
