package dynamodb

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// CheckRemove tries a DeleteItem whose condition can never hold: it needs the permission, and removes nothing.
func (t *Table) CheckRemove(ctx context.Context, schema events.KeySchema) error {
	body := append(t.begin("Key"), checkKey(schema)...)
	body = newtable.Never(schema).Append(body, newtable.ConditionExpression)
	_, err := t.wire.call(ctx, "DynamoDB_20120810.DeleteItem", append(body, '}'))
	err = classify(err, "remove from table "+t.name)
	if _, refused := conditionFailed(err); refused {
		return nil
	}
	return notRecord(err)
}

// checkIndex is an index that no table has.
const checkIndex = "crossfade-permission-check"

// CheckUpdate tries an UpdateTable that can never succeed: to remove an index that is not there. shown is false when the
// answer does not tell whether UpdateTable is permitted: some servers look at the request before they look at the permission.
func (t *Table) CheckUpdate(ctx context.Context) (shown bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	_, err = t.sdk.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: &t.name, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String(checkIndex)}},
	}})
	if answer, ok := answerOf(err); ok {
		switch answer.code {
		case "ResourceNotFoundException":
			return true, nil // the permission was there, and the index was not
		case "ValidationException":
			return false, nil
		}
	}
	return false, classify(err, "update table "+t.name)
}

// CheckStream tries what capture asks of this stream: its shards, and of one of them an iterator and one page of records. read
// is false when there is no shard to try it on.
func (s *Stream) CheckStream(ctx context.Context) (read bool, err error) {
	page, err := s.describe(ctx, nil)
	if err != nil || len(page.Shards) == 0 {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.table.timeout)
	defer cancel()
	shard := page.Shards[len(page.Shards)-1].ShardId
	iterator, err := s.table.streams.GetShardIterator(ctx, oldest(s.arn, aws.ToString(shard)))
	if err != nil {
		return false, refused(err, "get an iterator of shard "+aws.ToString(shard))
	}
	_, err = s.table.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator.ShardIterator, Limit: aws.Int32(1)})
	err = refused(err, "get records of shard "+aws.ToString(shard))
	return err == nil, err
}

// oldest asks for the oldest record that is left: that a trimmed shard has too.
func oldest(arn, shard string) *dynamodbstreams.GetShardIteratorInput {
	return &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: &shard, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon}
}

// CheckStreamToCome asks, in the way of capture, for a stream that the table with this ARN has not: as long as its own is off.
// What it cannot ask for is records, for which there has to be an iterator.
func (t *Table) CheckStreamToCome(ctx context.Context, table string) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	arn := table + "/stream/2000-01-01T00:00:00.000"
	_, err1 := t.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	_, err2 := t.streams.GetShardIterator(ctx, oldest(arn, "shardId-00000000000000000000-00000000"))
	return errors.Join(refused(err1, "describe a stream of table "+t.name), refused(err2, "get an iterator of a stream of table "+t.name))
}

// refused is what err says against a permission: nil if it says that the thing is not there, which nobody is told who may
// not ask for it.
func refused(err error, what string) error {
	if answer, ok := answerOf(err); ok {
		switch answer.code {
		case "ResourceNotFoundException", "ValidationException", "TrimmedDataAccessException", "ExpiredIteratorException":
			return nil
		}
	}
	return notRecord(classify(err, what))
}
