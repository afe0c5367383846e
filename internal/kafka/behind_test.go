package kafka

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// A broker that stays behind answers every request, and no reading of the log succeeds. That is an outage like any other: who
// waits for it says so, and that it is over.
func TestABrokerThatStaysBehindIsSaid(t *testing.T) {
	for name, from := range map[string]int64{"the end was told by another": 2, "the log was read further": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t)
				defer b.close(t)
				log := b.logOf(t, "control", "delete", 4)
				var behind atomic.Bool
				behind.Store(true)
				b.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
					b.cluster.KeepControl()
					if !behind.Load() {
						return nil, nil, false
					}
					answer := r.(*kmsg.FetchRequest).ResponseKind().(*kmsg.FetchResponse)
					topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
					part.HighWatermark, part.LastStableOffset = 2, 2
					topic.Topic, topic.Partitions = "control", append(topic.Partitions, part)
					answer.Topics = append(answer.Topics, topic)
					return answer, nil, true
				})
				if from > 2 {
					b.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
						b.cluster.KeepControl()
						if !behind.Load() {
							return nil, nil, false
						}
						answer := r.(*kmsg.ListOffsetsRequest).ResponseKind().(*kmsg.ListOffsetsResponse)
						topic, part := kmsg.NewListOffsetsResponseTopic(), kmsg.NewListOffsetsResponseTopicPartition()
						part.Offset = 2
						topic.Topic, topic.Partitions = "control", append(topic.Partitions, part)
						answer.Topics = append(answer.Topics, topic)
						return answer, nil, true
					})
				}
				read := func(ctx context.Context) error {
					_, err := log.Read(ctx, from, func(checkpoint.Entry) error { return nil })
					return err
				}
				ctx, cancel := context.WithTimeout(t.Context(), 32*time.Second)
				defer cancel()
				require.ErrorContains(t, fault.Do(ctx, nil, read), "the broker that was asked now has it up to 2")
				lines := b.said()
				require.Len(t, lines, 1, strings.Join(lines, "\n"))
				require.Contains(t, lines[0], `what="read control/0 to its end" failing=1`)
				require.Contains(t, lines[0], "the broker that was asked now has it up to 2")

				behind.Store(false)
				require.NoError(t, read(t.Context()))
				lines = b.said()
				require.Len(t, lines, 2, strings.Join(lines, "\n"))
				require.Contains(t, lines[1], "the outage is over")
			})
		})
	}
}
