package capture

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Of an append that succeeded in part only the rest is published again, in its order.
func TestOnlyWhatWasNotAcknowledgedIsPublishedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1), End: at(7)}}}, &topic{}, &checkpointtest.Log{}
		for i := range 6 {
			stream.add("s", string(rune('a'+i)), i+1)
		}
		w := newWorker(stream, out, log, "a")
		w.Publish = func(ctx context.Context, records []events.Record) error {
			if err := out.publish(ctx, records[:1]); err != nil || len(records) == 1 {
				return err
			}
			return &events.UnacknowledgedError{Records: records[1:], Err: moment}
		}
		runFor(t, time.Minute, w)
		require.Len(t, out.keys, 6, "each of them once")
		for i, key := range out.keys {
			require.Contains(t, key, string(rune('a'+i)))
		}
	})
}
