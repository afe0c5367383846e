package kafka

import (
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// alter does what the command that was printed would do.
func (c *Client) alter(t *testing.T, topic string, settings map[string]string) {
	t.Helper()
	resource := kafkago.IncrementalAlterConfigsRequestResource{ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic}
	for name, value := range settings {
		resource.Configs = append(resource.Configs, kafkago.IncrementalAlterConfigsRequestConfig{
			Name: name, Value: value, ConfigOperation: kafkago.ConfigOperationSet,
		})
	}
	response, err := c.client.IncrementalAlterConfigs(t.Context(), &kafkago.IncrementalAlterConfigsRequest{
		Resources: []kafkago.IncrementalAlterConfigsRequestResource{resource},
	})
	require.NoError(t, err)
	for _, r := range response.Resources {
		require.NoError(t, r.Error)
	}
}

func (c *Client) settingsFor(t *testing.T, spec TopicSpec) Settings {
	t.Helper()
	found, err := c.Describe(t.Context(), spec.Topics.Each()...)
	require.NoError(t, err)
	s, err := c.CheckSettings(t.Context(), spec, found)
	require.NoError(t, err)
	return s
}

// mend does what the commands say, which is how a person would read them.
func (c *Client) mend(t *testing.T, s Settings) {
	t.Helper()
	for _, command := range s.Mending {
		words := strings.Fields(command)
		after := func(flag string) string {
			for i, word := range words {
				if word == flag {
					return words[i+1]
				}
			}
			require.FailNow(t, "no "+flag, command)
			return ""
		}
		require.Equal(t, c.options.Brokers[0], after("--bootstrap-server"))
		settings := map[string]string{}
		for pair := range strings.SplitSeq(after("--add-config"), ",") {
			name, value, _ := strings.Cut(pair, "=")
			settings[name] = value
		}
		c.alter(t, after("--entity-name"), settings)
	}
}

// What create makes is as it must be; each setting that would lose rows, or stop the migration, is refused and names the
// command that mends it; a more generous one is none.
func TestSettingsThatLoseRowsAreRefused(t *testing.T) {
	c := open(t)
	spec := TopicSpec{Topics: TopicsOf("orders"), Partitions: 2, WorkPartitions: 1}
	_, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, Settings{}, c.settingsFor(t, spec))

	for _, bad := range []struct{ topic, name, value, says string }{
		{spec.Topics.Live, "cleanup.policy", "compact", "compaction takes rows"},
		{spec.Topics.Live, "cleanup.policy", "compact,delete", "compaction takes rows"},
		{spec.Topics.Snapshot, "retention.ms", "604800000", "needed is -1"},
		{spec.Topics.Control, "retention.ms", "604800000", "needed is -1"},
		{spec.Topics.Control, "retention.bytes", "1000000", "needed is -1"},
		{spec.Topics.Control, "max.message.bytes", "1000", "needed is 1048576"},
		{spec.Topics.Snapshot, "max.message.bytes", "1048588", "needed is 16777216"},
		{spec.Topics.DLQ, "max.message.bytes", "16777216", "needed is 17825792"},
		{spec.Topics.Facts, "cleanup.policy", "delete", "where workers go on from"},
		{spec.Topics.Facts, "cleanup.policy", "compact,delete", "where workers go on from"},
		{spec.Topics.Live, "min.insync.replicas", "2", "no record would ever be acknowledged"},
	} {
		c.alter(t, bad.topic, map[string]string{bad.name: bad.value})
		s := c.settingsFor(t, spec)
		require.Len(t, s.Refused, 1, "%s", bad)
		require.Equal(t, fault.Fatal, fault.Of(s.Err()))
		require.ErrorContains(t, s.Err(), "topic "+bad.topic+" has "+bad.name+"="+bad.value)
		require.ErrorContains(t, s.Err(), bad.says)
		c.mend(t, s)
		require.Equal(t, Settings{}, c.settingsFor(t, spec), "%s", bad)
	}

	c.alter(t, spec.Topics.Live, map[string]string{"max.message.bytes": "33554432"})
	require.Equal(t, Settings{}, c.settingsFor(t, spec), "more generous")
	c.alter(t, spec.Topics.Live, map[string]string{"max.message.bytes": "1000"})
	require.Error(t, c.settingsFor(t, spec).Err())
	spec.LiveIsOthers = true
	require.NoError(t, c.settingsFor(t, spec).Err(), "the application's records are as large as they are")

	c.alter(t, spec.Topics.Facts, map[string]string{"segment.ms": "604800000", "compression.type": "zstd"})
	s := c.settingsFor(t, spec)
	require.NoError(t, s.Err(), "it only costs")
	require.Len(t, s.Risks, 2)
	require.Empty(t, s.Mending)

	spec.Replication = 3
	s = c.settingsFor(t, spec)
	require.Len(t, s.Risks, 2+5)
	require.Contains(t, s.Risks[0], "topic orders.snapshot has a replication factor of 1, kafka.replication is 3")
}

// The table's own judgements, of what a cluster of one broker cannot show.
func TestSettingsOfReplicatedTopics(t *testing.T) {
	t.Parallel()
	c := &Client{options: Options{Brokers: []string{"b:9092"}}}
	spec := TopicSpec{Topics: TopicsOf("orders")}
	values := map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "16777216",
		"min.insync.replicas": "1", "unclean.leader.election.enable": "true",
	}
	var s Settings
	s.check(c, spec, liveTopic, values, 1)
	require.Equal(t, Settings{}, s, "with one replica there is nothing to choose")
	s.check(c, spec, liveTopic, values, 3)
	require.Empty(t, s.Refused)
	require.Len(t, s.Risks, 2)
	require.Contains(t, s.Risks[0], "min.insync.replicas=1")
	require.Contains(t, s.Risks[1], "unclean.leader.election.enable=true")

	values["min.insync.replicas"], values["unclean.leader.election.enable"] = "3", "false"
	s = Settings{}
	s.check(c, spec, liveTopic, values, 2)
	require.Len(t, s.Refused, 1)
	require.Contains(t, s.Mending[0], "min.insync.replicas=1")

	delete(values, "retention.ms")
	values["min.insync.replicas"] = "2"
	s = Settings{}
	s.check(c, spec, liveTopic, values, 3)
	require.NoError(t, s.Err())
	require.Equal(t, []string{"the broker does not say what retention.ms of topic orders.live is"}, s.Unknown)

	values["retention.ms"] = "for ever"
	values["max.message.bytes"] = "large"
	s = Settings{}
	s.check(c, spec, liveTopic, values, 3)
	require.Len(t, s.Refused, 2, "what is no number fits nowhere")
}
