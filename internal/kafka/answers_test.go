package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// What a broker may answer, or not, to each request of which the answer decides about rows: what has become of it by then, and
// what the caller is told.

// loss is what the network does to requests to append.
type loss int32

const (
	none    loss = iota
	request      // they do not arrive
	answer       // they arrive, and the connection breaks before the answer
)

var errLost = errors.New("the connection was reset")

// lossyConn is a connection that a loss happens to.
type lossyConn struct {
	net.Conn
	lossy     *atomic.Int32
	appending atomic.Bool
}

// Write implements net.Conn. A request comes in one piece: those of these tests are small.
func (c *lossyConn) Write(p []byte) (int, error) {
	if len(p) >= 6 && binary.BigEndian.Uint16(p[4:]) == uint16(kmsg.Produce) {
		c.appending.Store(true)
		if loss(c.lossy.Load()) == request {
			return 0, errLost
		}
	}
	return c.Conn.Write(p)
}

// Read implements net.Conn.
func (c *lossyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.appending.Load() && loss(c.lossy.Load()) == answer && err == nil {
		return 0, errLost
	}
	return n, err
}

// ask makes a request that the client has no need of.
func (b *bubble) ask(t *testing.T, request kmsg.Request) kmsg.Response {
	t.Helper()
	other, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...), kgo.Dialer(b.wires.DialContext))
	require.NoError(t, err)
	defer other.Close()
	response, err := other.Request(t.Context(), request)
	require.NoError(t, err)
	return response
}

// deleting is a request to delete the records of partition 0 before an offset, as a retention does.
func deleting(topic string, before int64) *kmsg.DeleteRecordsRequest {
	request := kmsg.NewPtrDeleteRecordsRequest()
	one, partition := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = before
	one.Topic, one.Partitions = topic, append(one.Partitions, partition)
	request.Topics = append(request.Topics, one)
	return request
}

func (b *bubble) deleteRecords(t *testing.T, topic string, before int64) {
	t.Helper()
	answer := b.ask(t, deleting(topic, before)).(*kmsg.DeleteRecordsResponse)
	require.NoError(t, kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode))
}

// inBubble plays a test with a broker of its own in fake time.
func inBubble(t *testing.T, play func(*testing.T, *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close(t)
		play(t, b)
	})
}

func TestPublishAnswers(t *testing.T) {
	const partitions, failing = 3, 1
	for _, step := range []struct {
		name      string
		answer    *kerr.Error // of the failing partition
		network   loss        // of all
		persisted bool        // in the log when Publish returns
		class     fault.Class
		is        error
	}{
		{name: "the leader has moved", answer: kerr.NotLeaderForPartition, class: fault.Retry, is: kafkago.NotLeaderForPartition},
		{name: "the topic is not known yet", answer: kerr.UnknownTopicOrPartition, class: fault.Retry, is: kafkago.UnknownTopicOrPartition},
		{name: "a broker's disk", answer: kerr.KafkaStorageError, class: fault.Retry, is: kafkago.KafkaStorageError},
		{name: "too few replicas", answer: kerr.NotEnoughReplicas, class: fault.Retry, is: kafkago.NotEnoughReplicas},
		{name: "too few replicas, after it was appended", answer: kerr.NotEnoughReplicasAfterAppend, persisted: true, class: fault.Retry, is: kafkago.NotEnoughReplicasAfterAppend},
		{name: "replicas that are slow", answer: kerr.RequestTimedOut, persisted: true, class: fault.Retry, is: kafkago.RequestTimedOut},
		{name: "damaged on its way", answer: kerr.CorruptMessage, class: fault.Retry, is: kafkago.InvalidMessage},
		{name: "too large", answer: kerr.MessageTooLarge, class: fault.Record, is: kafkago.MessageSizeTooLarge},
		{name: "no right to it", answer: kerr.TopicAuthorizationFailed, class: fault.Fatal, is: kafkago.TopicAuthorizationFailed},
		{name: "refused for good", answer: kerr.InvalidRecord, class: fault.Fatal, is: kafkago.InvalidRecord},
		{name: "a request that is lost", network: request, class: fault.Retry, is: errLost},
		{name: "an answer that is lost", network: answer, persisted: true, class: fault.Retry},
	} {
		t.Run(step.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.create(t, "rows", partitions)
				var records, left []events.Record
				of := map[int][]string{}
				for n := range 60 {
					r := record(fmt.Sprint("key ", n), []byte("v"))
					p := events.PartitionOf(r.Key, partitions)
					records, of[p] = append(records, r), append(of[p], string(r.Key))
					if p == failing {
						left = append(left, r)
					}
				}
				held := func(p int) (keys []string) {
					for _, r := range b.all(t, events.TopicPartition{Topic: "rows", Partition: p}, 0, 1<<20) {
						keys = append(keys, string(r.Key))
					}
					return keys
				}
				var fails *kfake.FaultHandle
				if step.answer != nil {
					fails = b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "rows", Partitions: []int32{failing}, Err: step.answer, Count: -1})
				} else {
					left = records
				}
				b.lossy.Store(int32(step.network))
				publish := b.Publish("rows", partitions)
				err := publish(t.Context(), records)
				b.lossy.Store(int32(none))
				if fails != nil {
					fails.Remove()
				}

				require.Equal(t, step.class, fault.Of(err), "%v", err)
				if step.is != nil {
					require.ErrorIs(t, err, step.is)
				}
				_, ok := errors.AsType[*events.UnacknowledgedError](err)
				require.True(t, ok, "it says what is left: %T", err)
				rest := events.Rest(records, err)
				require.ElementsMatch(t, left, rest, "all that was not acknowledged, and nothing else")
				for p := range partitions {
					if there := step.persisted || step.answer != nil && p != failing; there {
						require.Equal(t, of[p], held(p))
					} else {
						require.Empty(t, held(p))
					}
				}
				require.NoError(t, publish(t.Context(), rest))
				for p := range partitions {
					want := of[p]
					if step.persisted && (step.answer == nil || p == failing) {
						want = append(append([]string(nil), want...), want...) // a lost acknowledgement is a duplicate
					}
					require.Equal(t, want, held(p), "each once more, in their order")
				}
			})
		})
	}
}

// What is not in the dlq is not said to be, and its partition does not pass it: the error is the caller's.
func TestDeadLetterAnswers(t *testing.T) {
	for _, step := range []struct {
		name      string
		answer    *kerr.Error
		network   loss
		persisted bool
		class     fault.Class
	}{
		{name: "refused for now", answer: kerr.NotEnoughReplicas, class: fault.Retry},
		{name: "too large for the dlq", answer: kerr.MessageTooLarge, class: fault.Record},
		{name: "no right to it", answer: kerr.TopicAuthorizationFailed, class: fault.Fatal},
		{name: "an acknowledgement too late", answer: kerr.RequestTimedOut, persisted: true, class: fault.Retry},
		{name: "a request that is lost", network: request, class: fault.Retry},
		{name: "an answer that is lost", network: answer, persisted: true, class: fault.Retry},
	} {
		t.Run(step.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.create(t, "dlq", 1)
				count := func() int { return len(b.all(t, events.TopicPartition{Topic: "dlq"}, 0, 1<<20)) }
				bad := record("k", []byte("v"), events.Header{Key: events.HeaderOp, Value: []byte("?")})
				bad.TopicPartition, bad.Offset = events.TopicPartition{Topic: "orders.live", Partition: 3}, 42
				bury := func() error {
					return b.DeadLetter("dlq")(t.Context(), bad, &events.Invalid{Reason: events.Undecodable, Detail: "not an object"})
				}
				if step.answer != nil {
					b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dlq", Err: step.answer})
				}
				b.lossy.Store(int32(step.network))
				err := bury()
				b.lossy.Store(int32(none))
				require.Equal(t, step.class, fault.Of(err), "%v", err)
				persisted := 0
				if step.persisted {
					persisted = 1
				}
				require.Equal(t, persisted, count())
				require.NotContains(t, strings.Join(b.said(), "\n"), "went to the dlq")
				require.Len(t, bad.Headers, 1, "the record is as it was")
				require.NoError(t, bury())
				require.Equal(t, persisted+1, count())
				require.Contains(t, strings.Join(b.said(), "\n"), "went to the dlq")
			})
		})
	}
}

func TestCommitAnswers(t *testing.T) {
	zero, one := events.TopicPartition{Topic: "x"}, events.TopicPartition{Topic: "x", Partition: 1}
	for _, step := range []struct {
		name      string
		answer    *kerr.Error // of partition 1
		persisted bool        // partition 1
		class     fault.Class
		is        error
	}{
		{name: "another generation", answer: kerr.IllegalGeneration, is: apply.ErrFenced},
		{name: "a member that was given up", answer: kerr.UnknownMemberID, is: apply.ErrFenced},
		{name: "a group that hands out anew", answer: kerr.RebalanceInProgress, is: apply.ErrFenced},
		{name: "a coordinator that loads", answer: kerr.CoordinatorLoadInProgress, class: fault.Retry, is: kafkago.GroupLoadInProgress},
		{name: "a coordinator that has moved", answer: kerr.NotCoordinator, class: fault.Retry, is: kafkago.NotCoordinatorForGroup},
		{name: "an answer too late", answer: kerr.RequestTimedOut, persisted: true, class: fault.Retry, is: kafkago.RequestTimedOut},
		{name: "counts that are too large", answer: kerr.OffsetMetadataTooLarge, class: fault.Fatal, is: kafkago.OffsetMetadataTooLarge},
		{name: "no right to it", answer: kerr.GroupAuthorizationFailed, class: fault.Fatal, is: kafkago.GroupAuthorizationFailed},
	} {
		t.Run(step.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.create(t, "x", 2)
				before := map[events.TopicPartition]apply.Progress{zero: {Offset: 1}, one: {Offset: 1}}
				require.NoError(t, b.commit(t.Context(), "g", "", -1, before))
				b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "x", Partitions: []int32{1}, Err: step.answer})
				after := map[events.TopicPartition]apply.Progress{zero: {Offset: 5}, one: {Offset: 7, Counts: apply.Counts{Applied: 3}}}
				err := b.commit(t.Context(), "g", "", -1, after)
				require.ErrorIs(t, err, step.is)
				if !errors.Is(step.is, apply.ErrFenced) {
					require.Equal(t, step.class, fault.Of(err))
				}
				progress, err := b.Progress(t.Context(), "g", "x")
				require.NoError(t, err)
				want := before[one]
				if step.persisted {
					want = after[one]
				}
				require.Equal(t, want, progress[one])
			})
		})
	}
}

// A partition that an answer leaves out was not committed.
func TestCommitWithoutAnAnswerIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.create(t, "x", 2)
		b.cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
			asked := r.(*kmsg.OffsetCommitRequest)
			answer := asked.ResponseKind().(*kmsg.OffsetCommitResponse)
			topic, part := kmsg.NewOffsetCommitResponseTopic(), kmsg.NewOffsetCommitResponseTopicPartition()
			topic.Topic, topic.Partitions = "x", append(topic.Partitions, part)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
		err := b.commit(t.Context(), "g", "", -1, map[events.TopicPartition]apply.Progress{{Topic: "x"}: {Offset: 5}, {Topic: "x", Partition: 1}: {Offset: 7}})
		require.Equal(t, fault.Retry, fault.Of(err))
		require.ErrorContains(t, err, "1 of 2 partitions answered")
	})
}

// Offsets that cannot be read are not offsets that nobody has committed: those would be a start from the beginning.
func TestProgressThatCannotBeReadIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.create(t, "x", 2)
		id := events.TopicPartition{Topic: "x", Partition: 1}
		require.NoError(t, b.commit(t.Context(), "g", "", -1, map[events.TopicPartition]apply.Progress{id: {Offset: 7}}))
		for _, answer := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.UnstableOffsetCommit, kerr.GroupAuthorizationFailed} {
			for _, top := range []bool{true, false} {
				failing := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", TopLevel: top, Err: answer})
				progress, err := b.Progress(t.Context(), "g", "x")
				require.ErrorIs(t, err, kafkago.Error(answer.Code), "top level: %t", top)
				require.Nil(t, progress)
				failing.Remove()
			}
		}
		failing := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, TopLevel: true, Err: kerr.GroupIDNotFound})
		progress, err := b.Progress(t.Context(), "g", "x")
		require.NoError(t, err, "nobody has committed yet")
		require.Empty(t, progress)
		failing.Remove()
		progress, err = b.Progress(t.Context(), "g", "x")
		require.NoError(t, err)
		require.EqualValues(t, 7, progress[id].Offset)
	})
}

// The end of a log that a broker does not tell is not its beginning.
func TestBoundsThatAreNotToldAreAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.create(t, "x", 3)
		for _, answer := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.OffsetNotAvailable, kerr.TopicAuthorizationFailed} {
			b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "x", Partitions: []int32{2}, Err: answer})
			_, err := b.EndOffsets(t.Context(), "x")
			require.ErrorIs(t, err, kafkago.Error(answer.Code))
		}
		b.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
			// The next request, which is for one bound of one partition.
			return r.(*kmsg.ListOffsetsRequest).ResponseKind(), nil, true // without a topic
		})
		_, err := b.EndOffsets(t.Context(), "x")
		require.Equal(t, fault.Retry, fault.Of(err))
		_, err = b.EndOffsets(t.Context(), "nothing")
		require.ErrorIs(t, err, kafkago.UnknownTopicOrPartition)
	})
}

// A group that a broker says nothing of is not one without members.
func TestMembersThatAreNotToldAreAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.cluster.ControlKey(int16(kmsg.DescribeGroups), func(r kmsg.Request) (kmsg.Response, error, bool) {
			return r.(*kmsg.DescribeGroupsRequest).ResponseKind(), nil, true
		})
		require.Equal(t, fault.Retry, fault.Of(b.Empty(t.Context(), "g")))
		require.NoError(t, b.Empty(t.Context(), "g"), "nobody has joined it yet")
	})
}

// Somebody who joins between the look at the group and the commit is not set back.
func TestResetThatIsRefusedIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.create(t, "x", 2)
		id := events.TopicPartition{Topic: "x", Partition: 1}
		require.NoError(t, b.commit(t.Context(), "g", "", -1, map[events.TopicPartition]apply.Progress{id: {Offset: 7}}))
		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "g", Err: kerr.UnknownMemberID})
		require.ErrorIs(t, b.ResetToStart(t.Context(), "g", "x"), apply.ErrFenced)
		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Group: "g", Err: kerr.CoordinatorNotAvailable})
		require.ErrorIs(t, b.ResetToStart(t.Context(), "g", "x"), kafkago.GroupCoordinatorNotAvailable, "nobody knows whether it is empty")
		progress, err := b.Progress(t.Context(), "g", "x")
		require.NoError(t, err)
		require.Equal(t, map[events.TopicPartition]apply.Progress{id: {Offset: 7}}, progress)
	})
}

// Invariant 4: whichever side of the log an offset is on, it is not moved; and what only one answer says is asked again.
func TestOffsetsOutOfRange(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.create(t, "x", 1)
		id := events.TopicPartition{Topic: "x"}
		require.NoError(t, b.Publish("x", 1)(t.Context(), benchRecords(1)))
		for range 4 {
			require.NoError(t, b.Publish("x", 1)(t.Context(), benchRecords(1)))
		}
		b.deleteRecords(t, "x", 3)
		for offset, want := range map[int64]string{
			1: "records 1 to 2 of x/0 have been deleted before they were applied; the log starts at 3",
			9: "x/0 ends at 5, and everything before 9 was applied: the brokers have lost acknowledged records",
		} {
			batch, err := b.Fetch(t.Context(), id, offset, 1<<20)
			require.Equal(t, fault.Fatal, fault.Of(err))
			require.ErrorIs(t, err, apply.ErrGap)
			require.ErrorContains(t, err, want)
			require.Empty(t, batch)
		}
		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "x", Err: kerr.OffsetOutOfRange})
		_, err := b.Fetch(t.Context(), id, 4, 1<<20)
		require.Equal(t, fault.Retry, fault.Of(err), "the log is from 3 to 5")
		require.NotErrorIs(t, err, apply.ErrGap)
		b.cluster.Fault(
			kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "x", Err: kerr.OffsetOutOfRange},
			kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "x", Err: kerr.NotLeaderForPartition},
		)
		_, err = b.Fetch(t.Context(), id, 1, 1<<20)
		require.ErrorIs(t, err, kafkago.NotLeaderForPartition, "nobody knows where the log starts")
		require.NotErrorIs(t, err, apply.ErrGap)
		require.Len(t, b.all(t, id, 3, 1<<20), 2)
	})
}

// logOf is a log of some entries.
func (b *bubble) logOf(t *testing.T, topic, policy string, entries int) *PartitionLog {
	t.Helper()
	b.create(t, topic, 1, entry("cleanup.policy", policy))
	log := b.Log(topic)
	for n := range entries {
		require.NoError(t, log.Append(t.Context(), checkpoint.Entry{Key: fmt.Append(nil, n), Value: []byte("v")}))
	}
	return log
}

// offsets are those that Read visits.
func offsets(ctx context.Context, log *PartitionLog, from int64) (visited []int64, next int64, err error) {
	next, err = log.Read(ctx, from, func(e checkpoint.Entry) error {
		visited = append(visited, e.Offset)
		return nil
	})
	return visited, next, err
}

// A log that is not compacted keeps its history, and a compacted one may begin later: the superseded is gone.
func TestLogThatBeginsLater(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		control, facts := b.logOf(t, "control", "delete", 5), b.logOf(t, "facts", "compact", 5)
		b.deleteRecords(t, "control", 2)
		visited, next, err := offsets(t.Context(), control, 1)
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, "records 1 to 1 of control/0 have been deleted")
		require.Empty(t, visited)
		require.EqualValues(t, 1, next)
		visited, next, err = offsets(t.Context(), control, 2)
		require.NoError(t, err)
		require.Equal(t, []int64{2, 3, 4}, visited)
		require.EqualValues(t, 5, next)

		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed})
		_, _, err = offsets(t.Context(), control, 1)
		require.ErrorIs(t, err, kafkago.TopicAuthorizationFailed, "who may not know the policy does not assume one")

		answered := b.ask(t, deleting("facts", 2)).(*kmsg.DeleteRecordsResponse)
		if code := answered.Topics[0].Partitions[0].ErrorCode; code != kerr.PolicyViolation.Code {
			require.NoError(t, kerr.ErrorForCode(code))
			visited, next, err = offsets(t.Context(), facts, 0)
			require.NoError(t, err)
			require.Equal(t, []int64{2, 3, 4}, visited)
			require.EqualValues(t, 5, next)
		}
	})
}

// A log that ends before what was read of it has lost records that were acknowledged, which is not the same as nothing new.
func TestLogThatWasCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		log := b.logOf(t, "control", "delete", 3)
		visited, next, err := offsets(t.Context(), log, 3)
		require.NoError(t, err, "nothing is new")
		require.Empty(t, visited)
		require.EqualValues(t, 3, next)
		_, next, err = offsets(t.Context(), log, 4)
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorIs(t, err, apply.ErrGap)
		require.EqualValues(t, 4, next)

		b.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			answer := r.(*kmsg.ListOffsetsRequest).ResponseKind().(*kmsg.ListOffsetsResponse)
			topic, part := kmsg.NewListOffsetsResponseTopic(), kmsg.NewListOffsetsResponseTopicPartition()
			part.Offset = 0 // of a broker that has nothing of it yet
			topic.Topic, topic.Partitions = "control", append(topic.Partitions, part)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
		_, next, err = offsets(t.Context(), log, 3)
		require.Equal(t, fault.Retry, fault.Of(err), "the one that is asked for the records has them")
		require.ErrorContains(t, err, "control/0 went up to offset 3, and the broker that was asked now has it up to 0")
		require.EqualValues(t, 3, next)
	})
}

// A broker that has less than another one said is behind: what it does not have is no hole, which would be passed.
func TestLogOfABrokerThatIsBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		log := b.logOf(t, "control", "delete", 4)
		b.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			answer := r.(*kmsg.FetchRequest).ResponseKind().(*kmsg.FetchResponse)
			topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
			part.HighWatermark, part.LastStableOffset = 2, 2
			topic.Topic, topic.Partitions = "control", append(topic.Partitions, part)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
		visited, next, err := offsets(t.Context(), log, 2)
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "control/0 went up to offset 4, and the broker that was asked now has it up to 2")
		require.Empty(t, visited)
		require.EqualValues(t, 2, next)
		visited, next, err = offsets(t.Context(), log, 2)
		require.NoError(t, err)
		require.Equal(t, []int64{2, 3}, visited)
		require.EqualValues(t, 4, next)
	})
}

// A description that cannot be given is an error, and no topic that is missing.
func TestDescriptionsThatFailAreErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		spec := TopicSpec{Topics: TopicsOf("orders"), Partitions: 2, WorkPartitions: 1}
		ids, err := b.CreateTopics(t.Context(), spec)
		require.NoError(t, err)
		for _, answer := range []*kerr.Error{kerr.LeaderNotAvailable, kerr.TopicAuthorizationFailed} {
			b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: spec.Topics.Live, Err: answer})
			err := b.Confirm(t.Context(), spec.Want(ids))
			require.ErrorIs(t, err, kafkago.Error(answer.Code))
			require.NotErrorIs(t, err, ErrTopicMissing)
		}
		require.NoError(t, b.Confirm(t.Context(), spec.Want(ids)))
		names, err := b.Migrations(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"orders"}, names)
	})
}

// Settings that may not be read are said with what is needed of them; those that could not be read are asked again.
func TestSettingsThatCannotBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		spec := TopicSpec{Topics: TopicsOf("orders"), Partitions: 2, WorkPartitions: 1}
		_, err := b.CreateTopics(t.Context(), spec)
		require.NoError(t, err)
		found, err := b.Describe(t.Context(), spec.Topics.Each()...)
		require.NoError(t, err)
		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: spec.Topics.Live, Err: kerr.TopicAuthorizationFailed})
		s, err := b.CheckSettings(t.Context(), spec, found)
		require.NoError(t, err)
		require.NoError(t, s.Err())
		require.Len(t, s.Unknown, 1)
		require.Contains(t, s.Unknown[0], "the settings of topic orders.live could not be read: the right DESCRIBE_CONFIGS is missing")
		require.Contains(t, s.Unknown[0], "needed are: cleanup.policy=delete, retention.ms=-1, retention.bytes=-1, max.message.bytes=16777216")

		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: spec.Topics.Live, Err: kerr.CoordinatorNotAvailable})
		_, err = b.CheckSettings(t.Context(), spec, found)
		require.ErrorContains(t, err, "read the settings of topic orders.live")

		b.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
			return r.(*kmsg.DescribeConfigsRequest).ResponseKind(), nil, true // of no topic
		})
		s, err = b.CheckSettings(t.Context(), spec, found)
		require.Equal(t, fault.Retry, fault.Of(err))
		require.Equal(t, Settings{}, s, "and nothing is well because nothing was said")
	})
}

// Topics that may not be made are named with the commands that make them, and the check makes none.
func TestTopicsThatMayNotBeMade(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		spec := TopicSpec{Topics: TopicsOf("orders"), Partitions: 2, WorkPartitions: 1, Replication: 1}
		for _, make := range []func() error{
			func() error { _, err := b.CheckTopics(t.Context(), spec); return err },
			func() error { _, err := b.CreateTopics(t.Context(), spec); return err },
		} {
			failing := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: -1})
			err := make()
			failing.Remove()
			require.Equal(t, fault.Fatal, fault.Of(err))
			require.ErrorIs(t, err, kafkago.TopicAuthorizationFailed)
			failed, ok := errors.AsType[*fault.Error](err)
			require.True(t, ok)
			require.Contains(t, failed.Advice, "--create --topic orders.live --partitions 2 --replication-factor 1 --config cleanup.policy=delete")
			require.Equal(t, 6, strings.Count(failed.Advice, "kafka-topics.sh"))
		}
		found, err := b.CheckTopics(t.Context(), spec)
		require.NoError(t, err, "they could be made")
		require.Empty(t, found, "and were not")
	})
}

// A membership ends with its work's error, or with a refusal for good; whatever may pass, and a fence, is joined again after.
func TestMembershipAnswers(t *testing.T) {
	broken := errors.New("the work is broken")
	for _, step := range []struct {
		name   string
		answer *kerr.Error // to the first join
		work   []error     // of each assignment
		want   error
	}{
		{name: "the work fails", work: []error{broken}, want: broken},
		{name: "the work was fenced", work: []error{apply.ErrFenced, broken}, want: broken},
		{name: "the work was fenced twice", work: []error{fmt.Errorf("commit: %w", apply.ErrFenced), apply.ErrFenced, broken}, want: broken},
		{name: "no right to join", answer: kerr.GroupAuthorizationFailed, want: kafkago.GroupAuthorizationFailed},
		{name: "a coordinator that loads", answer: kerr.CoordinatorLoadInProgress, work: []error{broken}, want: broken},
		{name: "a member that was given up", answer: kerr.UnknownMemberID, work: []error{broken}, want: broken},
	} {
		t.Run(step.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.create(t, "x", 2)
				if step.answer != nil {
					b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: "g", TopLevel: true, Err: step.answer})
				}
				assignments := 0
				err := b.Group(t.Context(), "g", []string{"x"}, func(_ context.Context, a Assignment) error {
					assignments++
					if len(a.Partitions["x"]) != 2 {
						return errors.New("not all partitions")
					}
					return step.work[assignments-1]
				})
				require.ErrorIs(t, err, step.want)
				require.Equal(t, len(step.work), assignments)
				members, err := b.Members(t.Context(), "g")
				require.NoError(t, err)
				require.Empty(t, members, "it has left")
			})
		})
	}
}
