package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

const (
	localStream   = "arn:aws:dynamodb:ddblocal:000000000000:table/orders/stream/2000-01-01T00:00:00.000"
	serviceStream = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2000-01-01T00:00:00.000"
)

// A kind of record that nobody has told us of is a delete only where it cannot be anything else.
func TestUnknownKindOfRecord(t *testing.T) {
	t.Parallel()
	const local, key, image = "UNKNOWN_TO_SDK_VERSION", `{"pk":{"S":"a"},"sk":{"N":"1"}}`, `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"M":{}}}`
	kind := func(event, image, view string) string {
		return strings.Replace(record(event, "2", key, image), `"SizeBytes"`, `"StreamViewType":"`+view+`","SizeBytes"`, 1)
	}
	for name, c := range map[string]struct {
		arn, record string
		isDelete    bool
	}{
		"a row whose time was over, on DynamoDB Local": {localStream, kind(local, "", "NEW_IMAGE"), true},
		"likewise, with old images":                    {localStream, kind(local, "", "NEW_AND_OLD_IMAGES"), true},
		"a view without new images":                    {localStream, kind(local, "", "KEYS_ONLY"), false},
		"a view that is not said":                      {localStream, record(local, "2", key, ""), false},
		"a new image":                                  {localStream, kind(local, image, "NEW_IMAGE"), false},
		"another name":                                 {localStream, kind("MOVE", "", "NEW_IMAGE"), false},
		"the service itself":                           {serviceStream, kind(local, "", "NEW_IMAGE"), false},
	} {
		answer := `{"Records":[` + record("REMOVE", "1", key, "") + "," + c.record + `],"NextShardIterator":"n"}`
		page, err := NewStream(open(t, "orders", answering(answer)), c.arn, schema).Records(t.Context(), "i")
		if c.isDelete {
			require.NoError(t, err, name)
			require.Len(t, page.Changes, 2, name)
			require.Equal(t, events.Delete, page.Changes[1].Op, name)
			require.Equal(t, keyAt("a", 1), page.Changes[1].Key, name)
			require.Equal(t, events.PositionAt(2), page.Changes[1].Position, name)
			continue
		}
		requireClass(t, err, fault.Fatal, fault.NotThrottled, "stream")
		require.ErrorIs(t, err, capture.ErrUnreadable, name)
		require.ErrorContains(t, err, "sequence number 2", name)
		require.ErrorContains(t, err, key, name)
	}
	_, err := NewStream(open(t, "orders", answering(`{"Records":[`+kind(local, "", "NEW_IMAGE")+`]}`)), serviceStream, schema).Records(t.Context(), "i")
	require.ErrorContains(t, err, `unknown event name "UNKNOWN_TO_SDK_VERSION"`)
}

// beginningServer is a stream of one shard, as DynamoDB Local has it: a position that a change of another table has taken
// is trimmed.
type beginningServer struct {
	shard, start string
	records      string
	refuse       bool // iterators of the oldest record too
	asked        []string
}

func (s *beginningServer) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var body struct{ ShardIteratorType, ShardIterator, SequenceNumber string }
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, err
	}
	operation := r.Header.Get("X-Amz-Target")
	s.asked = append(s.asked, operation[strings.LastIndexByte(operation, '.')+1:]+body.ShardIteratorType)
	switch {
	case strings.HasSuffix(operation, "DescribeStream"):
		return answered(200, itsJSON, fmt.Sprintf(`{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[{"ShardId":%q,
			"SequenceNumberRange":{"StartingSequenceNumber":%q}}]}}`, s.shard, s.start)), nil
	case strings.HasSuffix(operation, "GetShardIterator"):
		return answered(200, itsJSON, fmt.Sprintf(`{"ShardIterator":"%s-%d"}`, body.ShardIteratorType, len(s.asked))), nil
	case strings.HasPrefix(body.ShardIterator, "TRIM_HORIZON") && !s.refuse:
		return answered(200, itsJSON, s.records), nil
	}
	return answered(400, itsJSON, `{"__type":"com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException","Message":"The operation attempted to read past the oldest stream record in a shard."}`), nil
}

// The recorded start of a shard is refused on DynamoDB Local though nothing has been trimmed. Wherever that is not certain,
// what is refused is a gap.
func TestBeginningOfAShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const start = "000000000000000000001"
		at, err := events.ParsePosition(start)
		require.NoError(t, err)
		born := func(ago time.Duration) string {
			return fmt.Sprintf("shardId-%020d-6b27b6e9", time.Now().Add(-ago).UnixMilli())
		}
		for name, c := range map[string]struct {
			arn, shard, start string
			from              capture.From
			want              error
		}{
			"as it was":                        {localStream, born(time.Hour), start, capture.From{At: at}, nil},
			"the shard begins elsewhere now":   {localStream, born(time.Hour), "000000000000000000002", capture.From{At: at}, capture.ErrTrimmed},
			"the shard is old":                 {localStream, born(25 * time.Hour), start, capture.From{At: at}, capture.ErrTrimmed},
			"the shard's name says no time":    {localStream, "shardId-x", start, capture.From{At: at}, capture.ErrTrimmed},
			"the service itself":               {serviceStream, born(time.Hour), start, capture.From{At: at}, capture.ErrTrimmed},
			"something was read of it already": {localStream, born(time.Hour), start, capture.From{After: at, At: at}, capture.ErrTrimmed},
		} {
			server := &beginningServer{shard: c.shard, start: c.start, records: `{"Records":[` + record("REMOVE", "3", `{"pk":{"S":"a"},"sk":{"N":"1"}}`, "") + `],"NextShardIterator":"n"}`}
			stream := NewStream(open(t, "orders", server), c.arn, schema)
			page, err := stream.Records(t.Context(), iterator(t, stream, c.shard, c.from))
			if c.want != nil {
				require.ErrorIs(t, err, c.want, name)
				require.NotContains(t, server.asked, "GetShardIteratorTRIM_HORIZON", name)
				continue
			}
			require.NoError(t, err, name)
			require.Len(t, page.Changes, 1, name)

			// DynamoDB Local forgets an iterator of an empty shard: the place is looked for again, and no gap yet.
			held := iterator(t, stream, c.shard, c.from)
			server.refuse = true
			_, err = stream.Records(t.Context(), held)
			require.ErrorIs(t, err, capture.ErrExpired, name)
			_, err = stream.Records(t.Context(), "another")
			require.ErrorIs(t, err, capture.ErrTrimmed, name)
		}
	})
}

// With another streamed table beside it, on DynamoDB Local itself.
func TestBeginningOnDynamoDBLocal(t *testing.T) {
	t.Parallel()
	endpoint := services.DynamoDB(t)
	made := func(name string) (*Table, *Stream, capture.Shard) {
		table, err := Open(t.Context(), Options{Table: name, Region: "us-east-1", Endpoint: endpoint})
		require.NoError(t, err)
		must(t, table, "CreateTable", strings.Replace(strings.TrimSuffix(createTable, "}"), `"orders"`, `"`+name+`"`, 1)+
			`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`)
		stream := newStream(t, table)
		shards, err := stream.Shards(t.Context())
		require.NoError(t, err)
		require.Len(t, shards, 1)
		return table, stream, shards[0]
	}
	old, stream, shard := made("orders")
	other, _, _ := made("others")
	from := capture.From{At: shard.Start}
	early := iterator(t, stream, shard.ID, from) // while the shard is empty
	change(t, other, "other", 1)
	change(t, old, "first", 1)
	change(t, other, "other", 2)
	change(t, old, "second", 1)

	_, err := stream.Records(t.Context(), early)
	require.ErrorIs(t, err, capture.ErrExpired)
	changes, _ := readAll(t, stream, iterator(t, stream, shard.ID, from))
	require.Len(t, changes, 2)
	require.Equal(t, keyAt("first", 1), changes[0].Key)

	// A row whose time is over.
	must(t, old, "UpdateTimeToLive", `{"TableName":"orders","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"exp"}}`)
	put(t, old, fmt.Sprintf(`{"pk":{"S":"over"},"sk":{"N":"1"},"exp":{"N":"%d"}}`, time.Now().Add(-time.Hour).Unix()))
	require.Eventually(t, func() bool {
		answer := must(t, old, "GetItem", `{"TableName":"orders","Key":`+string(keyAt("over", 1))+`}`)
		return !bytes.Contains([]byte(answer), []byte("Item"))
	}, 5*time.Minute, 200*time.Millisecond, "DynamoDB Local removes such rows within seconds")
	changes, _ = readAll(t, stream, iterator(t, stream, shard.ID, capture.From{After: changes[1].Position}))
	require.Len(t, changes, 2)
	require.Equal(t, []events.Op{events.Write, events.Delete}, []events.Op{changes[0].Op, changes[1].Op})
	require.Equal(t, keyAt("over", 1), changes[1].Key)
}
