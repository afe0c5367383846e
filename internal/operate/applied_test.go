package operate

import (
	"context"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// stranger is somebody else's tool, on the same brokers.
func (w *world) stranger() *kafkago.Client {
	transport := &kafkago.Transport{Dial: w.wires.DialContext}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &kafkago.Client{Addr: kafkago.TCP(w.brokers), Transport: transport}
}

// forget deletes the appliers' group, as the brokers do with one that had no member for a week.
func (w *world) forget(c *migration.Config) {
	w.t.Helper()
	response, err := w.stranger().DeleteGroups(w.t.Context(), &kafkago.DeleteGroupsRequest{GroupIDs: []string{c.Name}})
	require.NoError(w.t, err)
	require.NoError(w.t, response.Errors[c.Name])
}

// move sets the group's offsets of a topic to where offset says.
func (w *world) move(c *migration.Config, topic string, offset func(partition int) int64) {
	w.t.Helper()
	commits := make([]kafkago.OffsetCommit, c.Kafka.Partitions)
	for n := range commits {
		commits[n] = kafkago.OffsetCommit{Partition: n, Offset: offset(n)}
	}
	response, err := w.stranger().OffsetCommit(w.t.Context(), &kafkago.OffsetCommitRequest{
		GroupID: c.Name, GenerationID: -1, Topics: map[string][]kafkago.OffsetCommit{topic: commits},
	})
	require.NoError(w.t, err)
	for _, p := range response.Topics[topic] {
		require.NoError(w.t, p.Error)
	}
}

// applies runs a streamer that applies until the group's offsets are at the ends of the snapshot topic.
func (w *world) applies(c *migration.Config, p *assembly.Parts) {
	w.t.Helper()
	stop, _ := w.start(func(ctx context.Context) error {
		return assembly.Streamer(ctx, c, assembly.WorkerOptions{Apply: true, Logger: w.logger(), Network: w.network})
	})
	w.until("the group's offsets are at the ends", func() bool {
		ends, err := p.Kafka.EndOffsets(w.t.Context(), p.Topics.Snapshot)
		require.NoError(w.t, err)
		at, err := p.Kafka.Progress(w.t.Context(), c.Name, p.Topics.Snapshot)
		require.NoError(w.t, err)
		for id, progress := range at {
			if progress.Offset == ends[id.Partition] {
				delete(ends, id.Partition)
			}
		}
		for n, end := range ends {
			if end == 0 {
				delete(ends, n) // nothing to commit there
			}
		}
		return len(ends) == 0
	})
	require.NoError(w.t, stop())
}

// The brokers forget the offsets of a group without members. What was applied is known all the same: a row whose marker
// was swept does not come back, in the form in which nothing but markers says which rows are dead.
func TestForgottenOffsetsBringNoRowBack(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(*world, *migration.Config, *assembly.Parts){
		"forgotten": func(w *world, c *migration.Config, _ *assembly.Parts) { w.forget(c) },
		"set back": func(w *world, c *migration.Config, p *assembly.Parts) {
			w.move(c, p.Topics.Snapshot, func(int) int64 { return 0 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				for n := range 20 {
					w.write(pk("row", n), "v")
				}
				c := w.config("live: {from: none}\n")
				_, err := Create(t.Context(), c, CreateOptions{Logger: w.logger(), Network: w.network})
				require.NoError(t, err)
				require.NoError(t, assembly.Snapshot(t.Context(), c, assembly.WorkerOptions{Logger: w.logger(), Network: w.network}))
				p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
				w.applies(c, p)
				require.Len(t, w.rows(w.new), 20)
				for n := range 10 {
					w.mark(pk("row", n))
				}
				summary, err := Sweep(t.Context(), c, SweepOptions{FallbackReadsOff: true, Say: func(string) {}, Logger: w.logger(), Network: w.network})
				require.NoError(t, err)
				require.EqualValues(t, 10, summary.Removed)
				before := w.status(c).Counts

				tamper(w, c, p)
				w.applies(c, p)
				require.Len(t, w.items(w.new), 10, "no deleted row came back")
				require.Equal(t, before, w.status(c).Counts, "nothing was applied again")
			})
		})
	}
}

// mark puts a marker into the new table, as an application in the form none does.
func (w *world) mark(pk string) {
	w.t.Helper()
	_, err := w.new.SDK().PutItem(w.t.Context(), &sdk.PutItemInput{TableName: new(w.new.Name()), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "crossfade_deleted": &types.AttributeValueMemberN{Value: "1"},
	}})
	require.NoError(w.t, err)
}

// Somebody sets the group's offsets to the ends, as `--reset-offsets --to-latest` does. Nothing is skipped.
func TestOffsetsSetForwardSkipNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range 20 {
			w.write(pk("row", n), "v")
		}
		c := w.config("live: {from: none}\n")
		_, err := Create(t.Context(), c, CreateOptions{Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.NoError(t, assembly.Snapshot(t.Context(), c, assembly.WorkerOptions{Logger: w.logger(), Network: w.network}))
		p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		ends, err := p.Kafka.EndOffsets(t.Context(), p.Topics.Snapshot)
		require.NoError(t, err)

		w.move(c, p.Topics.Snapshot, func(n int) int64 { return ends[n] })
		require.EqualValues(t, 20, w.status(c).SnapshotLag, "the status is not taken in")
		stop, _ := w.start(func(ctx context.Context) error {
			return assembly.Streamer(ctx, c, assembly.WorkerOptions{Apply: true, Logger: w.logger(), Network: w.network})
		})
		w.until("all rows have arrived", func() bool { return len(w.rows(w.new)) == 20 })
		w.until("the status has all", func() bool { return w.status(c).SnapshotLag == 0 })
		require.NoError(t, stop())
	})
}

// Applied facts are of an epoch: after a replay everything is applied again, also by whoever was at work meanwhile.
func TestReplayBeginsAnEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range 5 {
			w.write(pk("row", n), "v")
		}
		c := w.config("")
		_, err := Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.NoError(t, assembly.Snapshot(t.Context(), c, assembly.WorkerOptions{Logger: w.logger(), Network: w.network}))
		p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		w.applies(c, p)
		before := w.status(c).Counts
		require.EqualValues(t, 5, before.Total())
		require.NoError(t, Replay(t.Context(), c, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network}))
		require.EqualValues(t, 5, w.status(c).SnapshotLag, "nothing counts as applied in the new epoch")
		w.applies(c, p)
		after := w.status(c).Counts
		require.EqualValues(t, 5, after.Present+after.Duplicate+after.Stale, "all of it was applied again: %+v", after)

		// A streamer that began before the offsets are set back applies everything again all the same.
		w.tell(p, checkpoint.ControlEntry{Replay: &checkpoint.Replay{}})
		stop, _ := w.start(func(ctx context.Context) error {
			return assembly.Streamer(ctx, c, assembly.WorkerOptions{Apply: true, Logger: w.logger(), Network: w.network})
		})
		w.until("it is a member", func() bool {
			members, err := p.Kafka.Members(t.Context(), c.Name)
			require.NoError(t, err)
			return len(members) == 1
		})
		w.tell(p, checkpoint.ControlEntry{Replay: &checkpoint.Replay{Reset: true}})
		w.until("everything is applied again", func() bool {
			s := w.status(c)
			return s.SnapshotLag == 0 && s.Counts.Total() == 5
		})
		require.NoError(t, stop())
	})
}
