package capture

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/fault"
)

type stale struct{}

func (stale) Fresh() error {
	return &fault.Error{Class: fault.Fatal, Reason: "control-unread", What: "the control log could not be read"}
}

// Whoever may not know of the close, of a sweep or of a new generation publishes nothing and says nothing.
func TestCaptureThatIsCutOffPublishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		said := len(log.Entries())
		stream.add("s", "k", 1)
		w := newWorker(stream, out, log, "a")
		w.Watch = stale{}
		ended := make(chan error, 1)
		go func() { ended <- w.Run(t.Context(), []int{0, 1, 2, 3, 4, 5, 6, 7}, 8) }()
		select {
		case err := <-ended:
			require.ErrorContains(t, err, "control log could not be read")
		case <-time.After(time.Hour):
			t.Error("it goes on")
		}
		require.Empty(t, out.seen)
		require.Len(t, log.Entries(), said)
	})
}
