package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// open starts a broker of this test alone.
func open(t *testing.T) *Client {
	t.Helper()
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return connect(t, b.Address())
}

func connect(t *testing.T, address string) *Client {
	t.Helper()
	c, err := Open(Options{Brokers: []string{address}, ClientID: t.Name()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (c *Client) create(t *testing.T, topic string, partitions int, entries ...kafkago.ConfigEntry) {
	t.Helper()
	response, err := c.client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: entries},
	}})
	require.NoError(t, err)
	require.NoError(t, response.Errors[topic])
}

// all is what a partition holds from an offset on.
func (c *Client) all(t *testing.T, id events.TopicPartition, from int64, maxBytes int) (records []events.Record) {
	t.Helper()
	for {
		batch, err := c.Fetch(t.Context(), id, from, maxBytes)
		require.NoError(t, err)
		records = append(records, batch.Records...)
		if batch.Next == batch.End {
			return records
		}
		require.Greater(t, batch.Next, from, "it does not move")
		from = batch.Next
	}
}

func record(key string, value []byte, headers ...events.Header) events.Record {
	return events.Record{Key: []byte(key), Value: value, Headers: headers}
}

func TestPublishAndFetch(t *testing.T) {
	c := open(t)
	c.create(t, "x", 4)
	var records []events.Record
	want := map[int][]events.Record{}
	for i := range 500 {
		value := []byte(strings.Repeat("v", i))
		if i%50 == 7 {
			value = nil // null, which is not empty
		}
		r := record(fmt.Sprint("key", i%40), value, events.Header{Key: "n", Value: fmt.Append(nil, i)}, events.Header{Key: "n", Value: []byte{}})
		records = append(records, r)
		p := events.PartitionOf(r.Key, 4)
		r.TopicPartition, r.Offset = events.TopicPartition{Topic: "x", Partition: p}, int64(len(want[p]))
		want[p] = append(want[p], r)
	}
	require.NoError(t, c.Publish("x", 4)(t.Context(), records))
	for p, wanted := range want {
		id := events.TopicPartition{Topic: "x", Partition: p}
		for _, from := range []int{0, 1, len(wanted) / 2, len(wanted) - 1, len(wanted)} {
			for _, maxBytes := range []int{1, 10_000, 1 << 20} {
				got := c.all(t, id, int64(from), maxBytes)
				require.Len(t, got, len(wanted)-from)
				for i, r := range got {
					w := wanted[from+i]
					require.False(t, r.Time.IsZero())
					r.Time = time.Time{}
					if w.Value != nil && len(w.Value) == 0 {
						require.NotNil(t, r.Value)
					}
					require.Equal(t, w.Value == nil, r.Value == nil)
					require.Equal(t, string(w.Value), string(r.Value))
					require.Equal(t, w.Offset, r.Offset)
					require.Equal(t, w.TopicPartition, r.TopicPartition)
					require.Equal(t, w.Key, r.Key)
					require.Len(t, r.Headers, 2)
					require.Equal(t, w.Headers[0], r.Headers[0])
				}
			}
		}
	}
	ends, err := c.EndOffsets(t.Context(), "x")
	require.NoError(t, err)
	for p, wanted := range want {
		require.EqualValues(t, len(wanted), ends[p])
	}
}

// Invariant 4: an offset that is not there is an error that names it, and is never moved.
func TestFetchOutOfRange(t *testing.T) {
	c := open(t)
	c.create(t, "x", 1)
	id := events.TopicPartition{Topic: "x"}
	require.NoError(t, c.Publish("x", 1)(t.Context(), []events.Record{record("a", nil), record("b", nil), record("c", nil)}))
	_, err := c.Fetch(t.Context(), id, 4, 1<<20)
	require.Equal(t, fault.Fatal, fault.Of(err))
	require.ErrorContains(t, err, "ends at 3, and everything before 4 was applied")
}

func TestPublishWithinTheTopicsLimit(t *testing.T) {
	c := open(t)
	c.create(t, "small", 1, entry("max.message.bytes", "20000"))
	var records []events.Record
	for i := range 64 {
		records = append(records, events.Record{Key: fmt.Append(nil, i), Value: incompressible(i, 5000)})
	}
	require.NoError(t, c.Publish("small", 1)(t.Context(), records), "each alone is small enough")
	got := c.all(t, events.TopicPartition{Topic: "small"}, 0, 1<<20)
	require.Len(t, got, 64)
	for i, r := range got {
		require.Equal(t, fmt.Sprint(i), string(r.Key))
	}
	err := c.Publish("small", 1)(t.Context(), []events.Record{{Key: []byte("k"), Value: incompressible(1, 50_000)}})
	require.Equal(t, fault.Record, fault.Of(err))
	require.ErrorContains(t, err, "a record of about 50065 bytes")
}

func incompressible(seed, n int) []byte {
	b, x := make([]byte, n), uint32(seed*2654435761+1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func TestLog(t *testing.T) {
	c := open(t)
	c.create(t, "facts", 1, entry("cleanup.policy", "compact"))
	log := c.Log("facts")
	read := func(from int64) (keys []string, next int64) {
		next, err := log.Read(t.Context(), from, func(e checkpoint.Entry) error {
			keys = append(keys, fmt.Sprintf("%d %s=%s %t", e.Offset, e.Key, e.Value, e.Value == nil))
			return nil
		})
		require.NoError(t, err)
		return keys, next
	}
	keys, next := read(0)
	require.Empty(t, keys)
	require.Zero(t, next)
	require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Key: []byte("a"), Value: []byte("1")}, checkpoint.Entry{Key: []byte("b")}))
	keys, next = read(0)
	require.Equal(t, []string{"0 a=1 false", "1 b= true"}, keys)
	require.EqualValues(t, 2, next)
	keys, next = read(1)
	require.Equal(t, []string{"1 b= true"}, keys)
	require.EqualValues(t, 2, next)
	_, err := log.Read(t.Context(), 0, func(checkpoint.Entry) error { return fmt.Errorf("enough") })
	require.ErrorContains(t, err, "enough")
}

// Two processes close at the same moment: the log's order decides.
func TestControlOverTwoClients(t *testing.T) {
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	c := connect(t, b.Address())
	c.create(t, "control", 1)
	const writers = 6
	var (
		all  sync.WaitGroup
		errs [writers]error
	)
	for i := range writers {
		log := connect(t, b.Address()).Log("control")
		all.Go(func() {
			_, errs[i] = checkpoint.NewControl(log, fmt.Sprint(i)).Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: uint32(i + 1)}})
		})
	}
	all.Wait()
	state, err := checkpoint.NewControl(c.Log("control"), "reader").Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, state.Accepted)
	for i, err := range errs {
		if uint32(i+1) == state.Created.Generation {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, checkpoint.ErrLost)
		}
	}
}

func TestCreateTopics(t *testing.T) {
	c := open(t)
	spec := TopicSpec{Topics: TopicsOf("orders"), Partitions: 3, WorkPartitions: 5}
	exists, err := c.Exists(t.Context(), spec.Topics.Live)
	require.NoError(t, err)
	require.False(t, exists)
	ids, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	again, err := c.CreateTopics(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, ids, again, "again changes nothing")
	exists, err = c.Exists(t.Context(), spec.Topics.Live)
	require.NoError(t, err)
	require.True(t, exists)
	for topic, want := range map[string]string{spec.Topics.Facts: "compact", spec.Topics.Live: "delete", spec.Topics.Control: "delete"} {
		policy, err := c.setting(t.Context(), topic, "cleanup.policy")
		require.NoError(t, err)
		require.Equal(t, want, policy)
	}
	retention, err := c.setting(t.Context(), spec.Topics.Snapshot, "retention.ms")
	require.NoError(t, err)
	require.Equal(t, "-1", retention)
	spec.Partitions = 4
	_, err = c.CreateTopics(t.Context(), spec)
	require.ErrorContains(t, err, "has 3 partitions, the configuration says 4")

	_, err = c.Check(t.Context(), 3)
	require.ErrorContains(t, err, "kafka.replication is 3 and the cluster has 1 broker")
	_, err = c.Check(t.Context(), 1)
	require.NoError(t, err)
}

func TestProgress(t *testing.T) {
	c := open(t)
	c.create(t, "x", 2)
	progress, err := c.Progress(t.Context(), "g", "x")
	require.NoError(t, err)
	require.Empty(t, progress, "nobody has committed")
	id := events.TopicPartition{Topic: "x", Partition: 1}
	want := map[events.TopicPartition]apply.Progress{id: {Offset: 7, Counts: apply.Counts{Applied: 5, Stale: 2}}}
	require.NoError(t, c.commit(t.Context(), "g", "", -1, want))
	progress, err = c.Progress(t.Context(), "g", "x")
	require.NoError(t, err)
	require.Equal(t, want, progress)
	progress, err = c.Progress(t.Context(), "g", "y")
	require.NoError(t, err)
	require.Empty(t, progress)
	require.NoError(t, c.ResetToStart(t.Context(), "g", "x"))
	progress, err = c.Progress(t.Context(), "g", "x")
	require.NoError(t, err)
	require.Equal(t, map[events.TopicPartition]apply.Progress{{Topic: "x"}: {}, id: {}}, progress)
}

// member joins the group in the background; given is told each assignment.
func member(t *testing.T, c *Client, given chan<- Assignment) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Group(ctx, "g", []string{"x"}, func(ctx context.Context, a Assignment) error {
			given <- a
			<-ctx.Done()
			return nil
		})
	}()
	var once sync.Once
	leave = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-ended)
		})
	}
	t.Cleanup(leave)
	return leave
}

// next waits for an assignment of n partitions.
func next(t *testing.T, given <-chan Assignment, n int) Assignment {
	t.Helper()
	deadline := time.After(5 * time.Minute) // of a test that hangs
	for {
		select {
		case a := <-given:
			if len(a.Partitions["x"]) == n {
				return a
			}
		case <-deadline:
			require.FailNow(t, "no such assignment")
		}
	}
}

func TestGroup(t *testing.T) {
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	c := connect(t, b.Address())
	c.create(t, "x", 4)
	id := events.TopicPartition{Topic: "x"}
	one, two := make(chan Assignment, 100), make(chan Assignment, 100)
	member(t, connect(t, b.Address()), one)
	alone := next(t, one, 4)
	require.Equal(t, []int{0, 1, 2, 3}, alone.Partitions["x"])
	require.NoError(t, alone.Commit(t.Context(), map[events.TopicPartition]apply.Progress{id: {Offset: 3}}))

	leave := member(t, connect(t, b.Address()), two)
	half, other := next(t, one, 2), next(t, two, 2)
	require.ElementsMatch(t, []int{0, 1, 2, 3}, append(half.Partitions["x"], other.Partitions["x"]...))
	// Invariant 3: who was given partitions before the last handing out commits nothing.
	require.ErrorIs(t, alone.Commit(t.Context(), map[events.TopicPartition]apply.Progress{id: {Offset: 1}}), apply.ErrFenced)
	progress, err := c.Progress(t.Context(), "g", "x")
	require.NoError(t, err)
	require.EqualValues(t, 3, progress[id].Offset)

	members, err := c.Members(t.Context(), "g")
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.Equal(t, map[string]int{"x": 2}, members[0].Partitions)
	err = c.ResetToStart(t.Context(), "g", "x")
	require.ErrorContains(t, err, "group g has 2 members: "+t.Name())
	leave()
	next(t, one, 4)
}

func TestDeadLetter(t *testing.T) {
	c := open(t)
	c.create(t, "dlq", 1)
	bad := events.Record{
		TopicPartition: events.TopicPartition{Topic: "live", Partition: 3}, Offset: 42, Key: []byte("k"), Value: []byte("v"),
		Headers: []events.Header{{Key: "op", Value: []byte("write")}},
	}
	why := &events.Invalid{Reason: events.Undecodable, Detail: strings.Repeat("x", 10_000)}
	require.NoError(t, c.DeadLetter("dlq")(t.Context(), bad, why))
	got := c.all(t, events.TopicPartition{Topic: "dlq"}, 0, 1<<20)
	require.Len(t, got, 1)
	require.Equal(t, "k=v", string(got[0].Key)+"="+string(got[0].Value))
	for header, want := range map[string]string{"op": "write", HeaderReason: "undecodable", HeaderTopic: "live", HeaderPartition: "3", HeaderOffset: "42"} {
		value, ok := got[0].Header(header)
		require.True(t, ok, header)
		require.Equal(t, want, value)
	}
	detail, _ := got[0].Header(HeaderDetail)
	require.Len(t, detail, maxDetailBytes)
}

func TestClassify(t *testing.T) {
	for err, want := range map[error]fault.Class{
		kafkago.NotLeaderForPartition: fault.Retry, kafkago.LeaderNotAvailable: fault.Retry, kafkago.NotEnoughReplicas: fault.Retry,
		kafkago.GroupLoadInProgress: fault.Retry, context.DeadlineExceeded: fault.Retry, fmt.Errorf("connection refused"): fault.Retry,
		kafkago.MessageSizeTooLarge: fault.Record, kafkago.TopicAuthorizationFailed: fault.Fatal, kafkago.SASLAuthenticationFailed: fault.Fatal,
		kafkago.InvalidReplicationFactor: fault.Fatal,
	} {
		got := classify(err, "do it")
		require.Equal(t, want, fault.Of(got), "%v", err)
		require.ErrorIs(t, got, err)
		require.ErrorContains(t, got, "do it")
	}
	for _, err := range []error{kafkago.IllegalGeneration, kafkago.UnknownMemberId, kafkago.RebalanceInProgress} {
		require.ErrorIs(t, classify(err, "commit"), apply.ErrFenced)
	}
}

func TestAbortedTransactions(t *testing.T) {
	a := newAborted([]fetch.ResponseTransaction{{ProducerID: 2, FirstOffset: 20}, {ProducerID: 1, FirstOffset: 10}, {ProducerID: 1, FirstOffset: 40}})
	require.False(t, a.at(5, 1), "before it began")
	require.True(t, a.at(10, 1))
	require.False(t, a.at(12, 2), "another producer's")
	require.True(t, a.at(20, 2))
	a.ended(25, 1)
	require.False(t, a.at(26, 1), "a later transaction of the same producer, committed")
	require.True(t, a.at(27, 2))
	require.True(t, a.at(41, 1), "and one more that was aborted")
	a.ended(50, 1)
	a.ended(51, 2)
	require.False(t, a.at(60, 1))
	require.False(t, a.at(60, 2))
}
