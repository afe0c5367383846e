package dynamodb_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// clock is a time that a test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// reader reads the stream of a table.
type reader struct {
	t   *testing.T
	c   *dynamodbstreams.Client
	arn string
}

func newReader(t *testing.T, db *sdk.Client, c *dynamodbstreams.Client, table string) reader {
	t.Helper()
	out, err := db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
	require.NoError(t, err)
	return reader{t, c, *out.Table.LatestStreamArn}
}

// shards lists all shards, over as many pages as it takes.
func (r reader) shards() []streamtypes.Shard {
	r.t.Helper()
	var shards []streamtypes.Shard
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &r.arn}
	for {
		out, err := r.c.DescribeStream(r.t.Context(), in)
		require.NoError(r.t, err)
		require.LessOrEqual(r.t, len(out.StreamDescription.Shards), 100)
		shards = append(shards, out.StreamDescription.Shards...)
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return shards
		}
	}
}

func (r reader) iterator(shard string, kind streamtypes.ShardIteratorType, number *string) (*string, error) {
	out, err := r.c.GetShardIterator(r.t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &r.arn, ShardId: &shard, ShardIteratorType: kind, SequenceNumber: number,
	})
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// read pages through a shard from an iterator; ended says that the shard is closed and has been read whole.
func (r reader) read(iterator *string, limit int32) (records []streamtypes.Record, next *string) {
	r.t.Helper()
	for iterator != nil {
		page, err := r.c.GetRecords(r.t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: iterator, Limit: &limit})
		require.NoError(r.t, err)
		require.LessOrEqual(r.t, len(page.Records), int(limit))
		records = append(records, page.Records...)
		if len(page.Records) == 0 {
			return records, page.NextShardIterator
		}
		iterator = page.NextShardIterator
	}
	return records, nil
}

func (r reader) all(shard streamtypes.Shard) (records []streamtypes.Record, next *string) {
	r.t.Helper()
	first, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
	require.NoError(r.t, err)
	return r.read(first, 7)
}

func value(r streamtypes.Record, name string) string {
	switch v := r.Dynamodb.NewImage[name].(type) {
	case *streamtypes.AttributeValueMemberN:
		return v.Value
	case *streamtypes.AttributeValueMemberS:
		return v.Value
	default:
		return ""
	}
}

// TestLineage writes from several goroutines while shards split and close, and then reads parents before children:
// every change of every key must be there once, in its order.
func TestLineage(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{Shards: 3})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	const writers, keys, changes = 4, 5, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range changes {
				for k := range keys {
					put(t.Context(), t, db, "orders", attrs{"pk": str(fmt.Sprint(w, "-", k)), "sk": num("1"), "n": num(strconv.Itoa(i))})
				}
			}
		})
	}
	wg.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 30 {
			open, err := s.OpenShards("orders")
			require.NoError(t, err)
			id := open[random.IntN(len(open))]
			if i%2 == 0 {
				require.NoError(t, s.SplitShard("orders", id))
			} else {
				require.NoError(t, s.CloseShard("orders", id))
			}
		}
	})
	wg.Wait()
	require.NoError(t, s.SplitAll("orders"))

	r := newReader(t, db, streams, "orders")
	done := map[string]bool{}
	seen := map[string]int{}
	for _, shard := range r.shards() {
		if shard.ParentShardId != nil {
			require.True(t, done[*shard.ParentShardId], "a parent is listed before its children")
		}
		records, next := r.all(shard)
		closed := shard.SequenceNumberRange.EndingSequenceNumber != nil
		require.Equal(t, closed, next == nil, "only a closed shard ends")
		for _, record := range records {
			number := *record.Dynamodb.SequenceNumber
			require.GreaterOrEqual(t, number, *shard.SequenceNumberRange.StartingSequenceNumber)
			if closed {
				require.LessOrEqual(t, number, *shard.SequenceNumberRange.EndingSequenceNumber)
			}
			pk := record.Dynamodb.Keys["pk"].(*streamtypes.AttributeValueMemberS).Value
			require.Equal(t, strconv.Itoa(seen[pk]), value(record, "n"), "key %s", pk)
			seen[pk]++
		}
		done[*shard.ShardId] = true
	}
	require.Len(t, seen, writers*keys)
	for pk, n := range seen {
		require.Equal(t, changes, n, pk)
	}
}

func TestManyShards(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{Shards: 150})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeKeysOnly)
	for i := range 300 {
		put(t.Context(), t, db, "orders", attrs{"pk": str(fmt.Sprint(i)), "sk": num("1")})
	}
	r := newReader(t, db, streams, "orders")
	shards := r.shards()
	require.Len(t, shards, 150)
	n := 0
	for _, shard := range shards {
		records, _ := r.all(shard)
		n += len(records)
	}
	require.Equal(t, 300, n)
}

func TestIteratorKinds(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{FirstSequence: "999999999999999999995"}) // grows from 21 to 22 digits
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	r := newReader(t, db, streams, "orders")
	shard := r.shards()[0]
	latest, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeLatest, nil)
	require.NoError(t, err)
	for i := range 10 {
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1"), "n": num(strconv.Itoa(i))})
	}
	all, _ := r.all(shard)
	require.Len(t, all, 10)
	fromLatest, next := r.read(latest, 100)
	require.Len(t, fromLatest, 10)
	require.Len(t, *all[0].Dynamodb.SequenceNumber, 21)
	require.Len(t, *all[9].Dynamodb.SequenceNumber, 22)
	for kind, want := range map[streamtypes.ShardIteratorType]int{streamtypes.ShardIteratorTypeAtSequenceNumber: 6, streamtypes.ShardIteratorTypeAfterSequenceNumber: 5} {
		at, err := r.iterator(*shard.ShardId, kind, all[4].Dynamodb.SequenceNumber)
		require.NoError(t, err)
		records, _ := r.read(at, 4)
		require.Len(t, records, want)
	}
	at, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeAtSequenceNumber, shard.SequenceNumberRange.StartingSequenceNumber)
	require.NoError(t, err)
	records, _ := r.read(at, 100)
	require.Len(t, records, 10)
	for _, number := range []string{"1", "99999999999999999999999999", "abc"} {
		_, err = r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeAtSequenceNumber, &number)
		require.ErrorContains(t, err, "ValidationException")
	}
	_, err = r.iterator("shardId-00000000000000000000-absent", streamtypes.ShardIteratorTypeTrimHorizon, nil)
	_, ok := errors.AsType[*streamtypes.ResourceNotFoundException](err)
	require.True(t, ok)

	put(t.Context(), t, db, "orders", attrs{"pk": str("b"), "sk": num("1")})
	require.NoError(t, s.CloseShard("orders", *shard.ShardId))
	records, next = r.read(next, 100)
	require.Len(t, records, 1)
	require.Nil(t, next)
}

func TestTrimmedAndExpired(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := dynamodb.New(dynamodb.Options{Clock: clock.now})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	r := newReader(t, db, streams, "orders")
	shard := r.shards()[0]
	start, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
	require.NoError(t, err)
	put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1"), "n": num("1")})
	clock.advance(14 * time.Minute)
	put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1"), "n": num("2")})
	records, next := r.read(start, 100)
	require.Len(t, records, 2)

	clock.advance(15*time.Minute + time.Second)
	_, err = streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: next})
	_, ok := errors.AsType[*streamtypes.ExpiredIteratorException](err)
	require.True(t, ok, "%v", err)

	clock.advance(24*time.Hour - 20*time.Minute) // the first record is too old now, the second is not
	for _, kind := range []streamtypes.ShardIteratorType{streamtypes.ShardIteratorTypeAtSequenceNumber, streamtypes.ShardIteratorTypeAfterSequenceNumber} {
		_, err = r.iterator(*shard.ShardId, kind, records[0].Dynamodb.SequenceNumber)
		_, ok = errors.AsType[*streamtypes.TrimmedDataAccessException](err)
		require.True(t, ok, "%v", err)
	}
	_, err = r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeAtSequenceNumber, shard.SequenceNumberRange.StartingSequenceNumber)
	_, ok = errors.AsType[*streamtypes.TrimmedDataAccessException](err)
	require.True(t, ok, "a shard whose beginning is gone cannot be read from its start: %v", err)
	left, _ := r.all(shard)
	require.Len(t, left, 1)

	held, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
	require.NoError(t, err)
	s.TrimBefore(clock.now())
	_, err = streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: held})
	_, ok = errors.AsType[*streamtypes.TrimmedDataAccessException](err)
	require.True(t, ok, "%v", err)

	require.NoError(t, s.CloseShard("orders", *shard.ShardId))
	clock.advance(time.Second)
	s.TrimBefore(clock.now())
	shards := r.shards()
	require.Len(t, shards, 1, "the empty closed shard is gone")
	require.Equal(t, shard.ShardId, shards[0].ParentShardId)
	_, err = r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
	_, ok = errors.AsType[*streamtypes.ResourceNotFoundException](err)
	require.True(t, ok, "%v", err)
}

func TestViews(t *testing.T) {
	t.Parallel()
	for view, images := range map[types.StreamViewType][2]bool{
		types.StreamViewTypeKeysOnly: {}, types.StreamViewTypeOldImage: {true, false},
		types.StreamViewTypeNewImage: {false, true}, types.StreamViewTypeNewAndOldImages: {true, true},
	} {
		s := dynamodb.New(dynamodb.Options{})
		db, streams := clients(s)
		createTable(t, db, "orders", view)
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1"), "n": num("1")})
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1"), "n": num("2")})
		r := newReader(t, db, streams, "orders")
		records, _ := r.all(r.shards()[0])
		require.Len(t, records, 2)
		change := records[1].Dynamodb
		require.Equal(t, images, [2]bool{change.OldImage != nil, change.NewImage != nil}, view)
		require.Equal(t, streamtypes.StreamViewType(view), change.StreamViewType)
		require.Len(t, change.Keys, 2)
	}
}

func TestRecordPageBytes(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	for i := range 7 {
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num(strconv.Itoa(i)), "pad": str(strings.Repeat("x", 390_000))})
	}
	r := newReader(t, db, streams, "orders")
	shard := r.shards()[0]
	require.NoError(t, s.CloseShard("orders", *shard.ShardId))
	next, err := r.iterator(*shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
	require.NoError(t, err)
	var pages []int
	for next != nil {
		page, err := streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: next})
		require.NoError(t, err)
		pages = append(pages, len(page.Records))
		next = page.NextShardIterator
	}
	require.Equal(t, []int{2, 2, 2, 1}, pages)
}

func TestExpire(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := dynamodb.New(dynamodb.Options{Clock: clock.now})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeOldImage)
	_, err := db.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{
		TableName: new("orders"), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new("ttl"), Enabled: new(true)},
	})
	require.NoError(t, err)
	for i, ttl := range []types.AttributeValue{num("1"), str("1"), num(strconv.FormatInt(clock.now().Unix()+60, 10))} {
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num(strconv.Itoa(i)), "ttl": ttl})
	}
	n, err := s.Expire("orders")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	r := newReader(t, db, streams, "orders")
	records, _ := r.all(r.shards()[0])
	require.Len(t, records, 4)
	require.Equal(t, streamtypes.OperationTypeRemove, records[3].EventName)
	require.Equal(t, "dynamodb.amazonaws.com", *records[3].UserIdentity.PrincipalId)
	require.Equal(t, "Service", *records[3].UserIdentity.Type)
}

// TestDescribeAcrossTrim pages through shards while the one that the page ended with disappears.
func TestDescribeAcrossTrim(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := dynamodb.New(dynamodb.Options{Clock: clock.now, Shards: 4})
	db, streams := clients(s)
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	r := newReader(t, db, streams, "orders")
	shards := r.shards()
	require.NoError(t, s.CloseShard("orders", *shards[1].ShardId))
	clock.advance(time.Second)
	first, err := streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &r.arn, Limit: new(int32(2))})
	require.NoError(t, err)
	require.Equal(t, shards[1].ShardId, first.StreamDescription.LastEvaluatedShardId)
	s.TrimBefore(clock.now())
	second, err := streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &r.arn, ExclusiveStartShardId: shards[1].ShardId})
	require.NoError(t, err)
	require.Len(t, second.StreamDescription.Shards, 3, "two old shards and the child")
	require.Equal(t, shards[2].ShardId, second.StreamDescription.Shards[0].ShardId)
}
