package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/lab/services"
)

// What an embedded broker says of topics, their ids and their settings Apache Kafka says too, and a topic that is made again
// has another id there. Its answers have more in them: every setting, those of the broker among them.
func TestTopicsOfApacheKafka(t *testing.T) {
	b := services.NewBroker(t, func(address string) string { return address })
	c := connect(t, b.Address)
	confirmRefusesARecreatedTopic(t, c)

	spec := TopicSpec{Topics: TopicsOf("apache"), Partitions: 2, WorkPartitions: 1, Replication: 1}
	found, err := c.CheckTopics(t.Context(), spec)
	require.NoError(t, err)
	require.Empty(t, found, "they could be made, and were not")
	ids, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, c.Confirm(t.Context(), spec.Want(ids)))
	require.Equal(t, Settings{}, c.settingsFor(t, spec))

	c.alter(t, spec.Topics.Live, map[string]string{"cleanup.policy": "compact", "retention.ms": "1000"})
	s := c.settingsFor(t, spec)
	for s.Err() == nil { // it is told to all brokers in a moment
		s = c.settingsFor(t, spec)
	}
	require.ErrorContains(t, s.Err(), "cleanup.policy=compact")
	c.mend(t, s)
	for s.Err() != nil {
		s = c.settingsFor(t, spec)
	}
	require.Equal(t, Settings{}, s)
}
