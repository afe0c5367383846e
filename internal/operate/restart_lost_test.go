package operate

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A restart that gives up does not know which generation is the current one now. It says the one that it began with, and not none.
func TestRestartThatGivesUpSaysWhatItKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close()
		entries := 0
		b.cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			for _, topic := range request.(*kmsg.ProduceRequest).Topics {
				if topic.Topic == "orders.control" {
					entries++
					b.away("Kafka", gone)
				}
			}
			return nil, nil, false
		})
		report, err := Restart(t.Context(), b.config, RestartOptions{Force: true, Logger: b.logger(), Network: b.network()})
		require.ErrorContains(t, err, "gave up after 30s")
		require.Equal(t, 1, entries)
		require.False(t, report.Restarted)
		require.Equal(t, uint32(1), report.Generation)
	})
}
