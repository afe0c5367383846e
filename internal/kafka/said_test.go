package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// bubble is a broker in fake time, and a client whose lines are kept.
type bubble struct {
	*Client
	cluster *kfake.Cluster
	wires   *kfake.VirtualNetwork
	gone    atomic.Bool  // connections are refused
	lossy   atomic.Int32 // a loss: what becomes of requests to append

	mu    sync.Mutex
	lines []string
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	wires := &kfake.VirtualNetwork{}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(wires.Listen))
	require.NoError(t, err)
	b := &bubble{cluster: cluster, wires: wires}
	b.Client, err = Open(Options{
		Brokers: cluster.ListenAddrs(), Logger: slog.New(slog.NewTextHandler(b, nil)),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if b.gone.Load() {
				return nil, errors.New("connection refused")
			}
			conn, err := wires.DialContext(ctx, network, address)
			return &lossyConn{Conn: conn, lossy: &b.lossy}, err
		},
	})
	require.NoError(t, err)
	return b
}

func (b *bubble) close(t *testing.T) {
	t.Helper()
	require.NoError(t, b.Close())
	time.Sleep(time.Second)
	b.cluster.Close()
}

func (b *bubble) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, text, _ := strings.Cut(strings.TrimSpace(string(line)), " ") // without its time
	b.lines = append(b.lines, text)
	return len(line), nil
}

func (b *bubble) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// refuse lets requests to append to one partition fail, as often as it is told.
func (b *bubble) refuse(partition int32, times int, code int16) {
	b.cluster.ControlKey(kmsg.Produce.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		produce := request.(*kmsg.ProduceRequest)
		if times == 0 || produce.Topics[0].Partitions[0].Partition != partition {
			return nil, nil, false
		}
		times--
		answer := produce.ResponseKind().(*kmsg.ProduceResponse)
		topic, part := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
		topic.Topic, topic.TopicID = produce.Topics[0].Topic, produce.Topics[0].TopicID
		part.Partition, part.ErrorCode = partition, code
		topic.Partitions = append(topic.Partitions, part)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
}

// What was acknowledged is not sent again: an append that failed in part says what is left of it, and no more is repeated.
func TestPublishRepeatsOnlyWhatWasNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, failing = 4, 2
		b := newBubble(t)
		defer b.close(t)
		b.create(t, "rows", partitions)
		var records, left []events.Record
		for n := range 100 {
			r := record(fmt.Sprint("key ", n), []byte("v"))
			records = append(records, r)
			if events.PartitionOf(r.Key, partitions) == failing {
				left = append(left, r)
			}
		}
		require.NotEmpty(t, left)
		b.refuse(failing, 3, kerr.NotEnoughReplicas.Code)
		publish := b.Publish("rows", partitions)
		err := publish(t.Context(), records)
		require.ErrorIs(t, err, kafkago.NotEnoughReplicas)
		require.Equal(t, fault.Retry, fault.Of(err))
		require.Equal(t, left, events.Rest(records, err))
		attempts := 1
		rest := events.Rest(records, err)
		require.NoError(t, fault.Do(t.Context(), nil, func(ctx context.Context) error {
			attempts++
			err := publish(ctx, rest)
			rest = events.Rest(rest, err)
			return err
		}))
		require.Equal(t, 4, attempts)
		require.Empty(t, rest)
		for n := range partitions {
			got := b.all(t, events.TopicPartition{Topic: "rows", Partition: n}, 0, 1<<20)
			want := 0
			for _, r := range records {
				if events.PartitionOf(r.Key, partitions) == n {
					require.Equal(t, string(r.Key), string(got[want].Key), "in their order, once")
					want++
				}
			}
			require.Len(t, got, want)
		}
	})
}

// Of several failures the one that stops a worker is not hidden by one that may pass.
func TestPublishReturnsTheGravest(t *testing.T) {
	retry, fatal := &fault.Error{Class: fault.Retry, What: "a"}, &fault.Error{Class: fault.Fatal, What: "b"}
	parts := [][]*events.Record{{{Key: []byte("x")}}, nil, {{Key: []byte("y")}}}
	err := unacknowledged(parts, []error{retry, nil, fatal})
	require.Equal(t, fault.Fatal, fault.Of(err))
	require.EqualError(t, err, "b")
	require.Len(t, events.Rest(nil, err), 2)
	require.NoError(t, unacknowledged(parts, []error{nil, nil, nil}))
	require.Equal(t, []events.Record{{Key: []byte("z")}}, events.Rest([]events.Record{{Key: []byte("z")}}, fatal), "all, if nothing says which")
}

// Brokers that answer, and take nothing for a minute, are an outage too.
func TestBrokersThatRefuseForLongAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close(t)
		b.create(t, "rows", 1)
		b.refuse(0, -1, kerr.NotEnoughReplicas.Code)
		ctx, cancel := context.WithTimeout(t.Context(), 32*time.Second)
		defer cancel()
		publish := b.Publish("rows", 1)
		require.Error(t, fault.Do(ctx, nil, func(ctx context.Context) error { return publish(ctx, []events.Record{record("k", nil)}) }))
		lines := b.said()
		require.Len(t, lines, 1, strings.Join(lines, "\n"))
		require.Contains(t, lines[0], `dependency=Kafka to=`+b.Brokers()[0]+` what="append to rows/0" failing=1`)
		require.Contains(t, lines[0], "Not Enough Replicas")
	})
}

// A topic that is looked for and is not there is an answer.
func TestATopicThatIsNotThereIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.close(t)
		for range 100 {
			exists, err := b.Exists(t.Context(), "nothing")
			require.NoError(t, err)
			require.False(t, exists)
			time.Sleep(time.Second)
		}
		require.Empty(t, b.said())
	})
}

// Every way into the dlq is said, whichever worker takes it.
func TestDeadLettersAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		b.create(t, "dlq", 1)
		put := b.DeadLetter("dlq")
		for n := range 100 {
			r := record("k", []byte("v"))
			r.TopicPartition, r.Offset = events.TopicPartition{Topic: "orders.live", Partition: 3}, int64(n)
			require.NoError(t, put(t.Context(), r, &events.Invalid{Reason: events.Undecodable, Detail: "not an object"}))
		}
		item := events.Record{TopicPartition: events.TopicPartition{Topic: "7/64", Partition: -1}, Offset: -1, Value: []byte("{}")}
		require.NoError(t, put(t.Context(), item, &events.Invalid{Reason: events.KeyMismatch, Detail: strings.Repeat("x", 10_000)}))
		b.gone.Store(true)
		b.close(t)
		lines := b.said()
		require.Len(t, lines, 3, strings.Join(lines, "\n"))
		for i, want := range []string{
			`level=WARN msg="records went to the dlq" reason=undecodable records=1 dlq=dlq from=orders.live/3@0 key=k detail="not an object"`,
			`level=WARN msg="records went to the dlq" reason=key-mismatch records=1 dlq=dlq from=7/64 key="" detail=x`,
			`level=WARN msg="records went to the dlq" reason=undecodable records=99 dlq=dlq from=orders.live/3@1 key=k detail="not an object"`,
		} {
			require.True(t, strings.HasPrefix(lines[i], want), lines[i])
			require.Less(t, len(lines[i]), 500)
		}
	})
}

func TestAssignmentsAreWrittenAsRanges(t *testing.T) {
	require.Equal(t, "none", Assignment{}.String())
	require.Equal(t, "a.live 0-3,7; a.snapshot 5", Assignment{Partitions: map[string][]int{"a.snapshot": {5}, "a.live": {0, 1, 2, 3, 7}}}.String())
}
