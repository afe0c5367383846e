package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/require"
)

// records reads everything that the stream's shards hold, from the start.
func (db target) records(t *testing.T, arn string) []streamtypes.Record {
	t.Helper()
	stream, err := db.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	require.NoError(t, err)
	var records []streamtypes.Record
	for _, shard := range stream.StreamDescription.Shards {
		first, err := db.streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &arn, ShardId: shard.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(t, err)
		page, err := db.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: first.ShardIterator})
		require.NoError(t, err)
		records = append(records, page.Records...)
	}
	return records
}

func (db target) streamOf(t *testing.T, table string) string {
	t.Helper()
	out, err := db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
	require.NoError(t, err)
	return *out.Table.LatestStreamArn
}

func TestStreamRecords(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", types.StreamViewTypeNewAndOldImages)
		db.put(t, table, attrs{"pk": str("a"), "n": num("1")})
		db.put(t, table, attrs{"pk": str("a"), "n": num("1.0")}) // changes nothing
		db.put(t, table, attrs{"pk": str("a"), "n": num("2")})
		for range 2 { // the second one deletes nothing
			_, err := db.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: attrs{"pk": str("a")}})
			require.NoError(t, err)
		}
		records := db.records(t, db.streamOf(t, table))
		names := []streamtypes.OperationType{}
		last := ""
		for _, r := range records {
			names = append(names, r.EventName)
			require.Equal(t, map[string]streamtypes.AttributeValue{"pk": &streamtypes.AttributeValueMemberS{Value: "a"}}, r.Dynamodb.Keys)
			require.GreaterOrEqual(t, len(*r.Dynamodb.SequenceNumber), 21)
			require.Greater(t, *r.Dynamodb.SequenceNumber, last)
			require.Zero(t, r.Dynamodb.ApproximateCreationDateTime.Nanosecond())
			require.Equal(t, "aws:dynamodb", *r.EventSource)
			require.NotEmpty(t, *r.EventID)
			last = *r.Dynamodb.SequenceNumber
		}
		require.Equal(t, []streamtypes.OperationType{"INSERT", "MODIFY", "REMOVE"}, names)
		require.Nil(t, records[0].Dynamodb.OldImage)
		require.Equal(t, &streamtypes.AttributeValueMemberN{Value: "1"}, records[1].Dynamodb.OldImage["n"])
		require.Equal(t, &streamtypes.AttributeValueMemberN{Value: "2"}, records[1].Dynamodb.NewImage["n"])
		require.Nil(t, records[2].Dynamodb.NewImage)
		require.Equal(t, &streamtypes.AttributeValueMemberN{Value: "2"}, records[2].Dynamodb.OldImage["n"])
	})
}

func TestStreamOffAndOn(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", types.StreamViewTypeKeysOnly)
		first := db.streamOf(t, table)
		db.put(t, table, attrs{"pk": str("a")})
		enable := func(spec types.StreamSpecification) {
			_, err := db.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: &table, StreamSpecification: &spec})
			require.NoError(t, err)
		}
		enable(types.StreamSpecification{StreamEnabled: new(false)})
		db.put(t, table, attrs{"pk": str("b")})
		enable(types.StreamSpecification{StreamEnabled: new(true), StreamViewType: types.StreamViewTypeNewImage})
		second := db.streamOf(t, table)
		require.NotEqual(t, first, second)
		db.put(t, table, attrs{"pk": str("c")})
		for arn, want := range map[string]string{first: "a", second: "c"} {
			records := db.records(t, arn)
			require.Len(t, records, 1)
			require.Equal(t, &streamtypes.AttributeValueMemberS{Value: want}, records[0].Dynamodb.Keys["pk"])
		}
		old, err := db.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &first})
		require.NoError(t, err)
		require.Equal(t, streamtypes.StreamStatusDisabled, old.StreamDescription.StreamStatus)
		require.NotNil(t, old.StreamDescription.Shards[0].SequenceNumberRange.EndingSequenceNumber)
		_, err = db.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: &table, StreamSpecification: &types.StreamSpecification{
			StreamEnabled: new(true), StreamViewType: types.StreamViewTypeNewImage,
		}})
		require.Contains(t, failure(err), "ValidationException: Table already has an enabled stream")
	})
}
