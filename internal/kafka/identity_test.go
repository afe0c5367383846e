package kafka

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

func (c *Client) remove(t *testing.T, topics ...string) {
	t.Helper()
	response, err := c.client.DeleteTopics(t.Context(), &kafkago.DeleteTopicsRequest{Topics: topics})
	require.NoError(t, err)
	for _, topic := range topics {
		require.NoError(t, response.Errors[topic])
	}
}

// A topic that was deleted and made again has the same name and partitions, and is not the same.
func TestConfirmRefusesARecreatedTopic(t *testing.T) {
	c := open(t)
	confirmRefusesARecreatedTopic(t, c)
}

func confirmRefusesARecreatedTopic(t *testing.T, c *Client) {
	t.Helper()
	name := "again" + strings.ToLower(hex.EncodeToString([]byte(t.Name()[:4])))
	spec := TopicSpec{Topics: TopicsOf(name), Partitions: 2, WorkPartitions: 3}
	ids, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	require.Len(t, ids, 6)
	for topic, id := range ids {
		require.Len(t, id, 32, topic)
	}
	require.NoError(t, c.Confirm(t.Context(), spec.Want(ids)))

	more := spec
	more.WorkPartitions = 4
	err = c.Confirm(t.Context(), more.Want(ids))
	require.Equal(t, fault.Fatal, fault.Of(err))
	require.ErrorContains(t, err, "has 3 partitions, the configuration says 4")

	c.remove(t, spec.Topics.Live)
	err = eventually(t, func() error { return c.Confirm(t.Context(), spec.Want(ids)) }, "is not there")
	require.Equal(t, fault.Retry, fault.Of(err), "a broker may not know it for a moment")
	require.ErrorContains(t, err, ids[spec.Topics.Live])

	again, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	for topic, id := range ids {
		require.Equal(t, topic != spec.Topics.Live, id == again[topic], topic)
	}
	err = c.Confirm(t.Context(), spec.Want(ids))
	require.Equal(t, fault.Fatal, fault.Of(err))
	require.ErrorContains(t, err, "deleted and made again")
	require.ErrorContains(t, err, ids[spec.Topics.Live])
	require.ErrorContains(t, err, again[spec.Topics.Live])
}

// eventually is the first error of op that says this: what a broker was told it may take a moment to do.
func eventually(t *testing.T, op func() error, says string) error {
	t.Helper()
	for t.Context().Err() == nil {
		if err := op(); err != nil && strings.Contains(err.Error(), says) {
			return err
		}
	}
	require.FailNow(t, "it never says "+says)
	return nil
}

// A broker that comes back has the topics that it had: none of them is taken for another one.
func TestEmbeddedTopicsKeepTheirIDs(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(dir)
	require.NoError(t, err)
	spec := TopicSpec{Topics: TopicsOf("x"), Partitions: 2, WorkPartitions: 1}
	ids, err := connect(t, b.Address()).CreateTopics(t.Context(), spec)
	require.NoError(t, errors.Join(err, b.Close()))
	b, err = broker.Start(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	require.NoError(t, connect(t, b.Address()).Confirm(t.Context(), spec.Want(ids)))
}

func TestDescribeTellsHowMany(t *testing.T) {
	c := open(t)
	c.create(t, "x", 40)
	found, err := c.Describe(t.Context(), "x", "y")
	require.NoError(t, err)
	require.Len(t, found, 1, "y is not there")
	require.Equal(t, 40, found["x"].Partitions)
	require.Equal(t, 1, found["x"].Replication)
}

// A broker without ids is said to have none, and is not asked for what it would hang up on.
func TestBrokerWithoutIDsIsRefused(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		defer theirs.Close()
		request := make([]byte, 4+2+2+4+2) // its client is nobody
		if _, err := theirs.Read(request); err != nil {
			return
		}
		if protocol.ApiKey(binary.BigEndian.Uint16(request[4:])) != protocol.ApiVersions {
			return
		}
		answer := binary.BigEndian.AppendUint32(nil, 4+2+4+6)
		answer = binary.BigEndian.AppendUint32(answer, 1)
		answer = binary.BigEndian.AppendUint16(answer, 0)
		answer = binary.BigEndian.AppendUint32(answer, 1)
		for _, n := range []uint16{uint16(protocol.Metadata), 0, 9} {
			answer = binary.BigEndian.AppendUint16(answer, n)
		}
		_, _ = theirs.Write(answer) // whoever reads it is to judge
	}()
	_, err := (&describing{names: []string{"x"}}).RawExchange(ours)
	require.ErrorIs(t, err, errNoIDs)
	require.Equal(t, fault.Fatal, fault.Of(classify(err, "describe")))
}

// An answer that is damaged, or cut off anywhere, is an error and no topic that is missing.
func FuzzDescribed(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, answer []byte) {
		topics, err := describedTopics(&wire.Cutter{Text: answer})
		if err == nil {
			for _, topic := range topics {
				require.LessOrEqual(t, topic.Partitions, len(answer))
			}
		}
	})
}
