package assembly

import (
	"context"
	"log/slog"
	"testing"

	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/migration"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/stretchr/testify/require"
)

// Between two looks at the ids a worker may have read from a topic that was made again, or published to it. It commits
// nothing of that, and writes no fact and no control entry about it.
func TestNothingIsSaidOfARecreatedTopic(t *testing.T) {
	p := openParts(t)
	ids, err := p.Kafka.CreateTopics(t.Context(), p.TopicSpec())
	require.NoError(t, err)
	_, err = p.Control().Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{
		Generation: 1, Config: p.Config.Fingerprint(), Topics: ids,
	}})
	require.NoError(t, err)
	state, err := p.Recorded(t.Context())
	require.NoError(t, err)
	at := &worker{Parts: p, state: state}
	id := events.TopicPartition{Topic: p.Topics.Snapshot}
	require.NoError(t, at.confirmedFacts().WriteSegments(t.Context(), checkpoint.SegmentFact{Generation: 1, Total: 64, Pages: 1}))

	recreate(t, p, p.Topics.Snapshot)
	for name, say := range map[string]func(context.Context) error{
		"commit": func(ctx context.Context) error {
			return at.commit(kafka.Assignment{})(ctx, map[events.TopicPartition]apply.Progress{id: {Offset: 1}})
		},
		"fact": func(ctx context.Context) error {
			return at.confirmedFacts().WriteSegments(ctx, checkpoint.SegmentFact{Generation: 1, Total: 64, Pages: 2})
		},
		"control entry": func(ctx context.Context) error {
			control := at.confirmedControl()
			if _, err := control.Refresh(ctx); err != nil {
				return err
			}
			_, err := control.Append(ctx, checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: 1}})
			return err
		},
	} {
		require.ErrorContains(t, say(t.Context()), "deleted and made again", name)
	}
	progress, err := p.Kafka.Progress(t.Context(), "orders", p.Topics.Snapshot)
	require.NoError(t, err)
	require.Empty(t, progress)
	facts := p.Facts()
	require.NoError(t, facts.Refresh(t.Context()))
	fact, _ := facts.Segment(1, 0, 64)
	require.EqualValues(t, 1, fact.Pages)
	after, err := p.State(t.Context())
	require.NoError(t, err)
	require.Nil(t, after.Closed)
}

// openParts are the connections of a migration whose brokers are there and hold nothing; of its tables nobody has heard.
func openParts(t *testing.T) *Parts {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"} {
		t.Setenv(name, value)
	}
	brokers, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, brokers.Close()) })
	config, err := migration.Parse("migration.yaml", []byte(`name: orders
source: {dynamodb: {table: old, region: us-east-1, endpoint: "http://nowhere"}}
target: {dynamodb: {table: new, region: us-east-1, endpoint: "http://nowhere"}}
kafka: {brokers: ["`+brokers.Address()+`"], partitions: 3, work_partitions: 4}
grace: 1m
`))
	require.NoError(t, err)
	p, err := Open(t.Context(), config, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// recreate replaces a topic by an empty one of the same name, which has all the right settings.
func recreate(t *testing.T, p *Parts, topic string) {
	t.Helper()
	transport := &kafkago.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	admin := &kafkago.Client{Addr: kafkago.TCP(p.Kafka.Brokers()...), Transport: transport}
	response, err := admin.DeleteTopics(t.Context(), &kafkago.DeleteTopicsRequest{Topics: []string{topic}})
	require.NoError(t, err)
	require.NoError(t, response.Errors[topic])
	_, err = p.Kafka.CreateTopics(t.Context(), p.TopicSpec())
	require.NoError(t, err)
}
