package main

import (
	"context"
	"errors"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/events"
)

// bareTable is the new table of a bare loop.
type bareTable struct {
	client *sdk.Client
	name   string
}

// batchSize is the most items of one BatchWriteItem.
const batchSize = 25

// bareBatches writes what there is, up to a full batch, and what a batch left again. A BatchWriteItem has no condition:
// this is the fastest way, and not one that leaves newer rows alone.
func bareBatches(ctx context.Context, t bareTable, messages <-chan kafkago.Message, wrote func(int)) error {
	for {
		batch := take(ctx, messages)
		if len(batch) == 0 {
			return nil
		}
		requests := make([]types.WriteRequest, len(batch))
		for i, m := range batch {
			row, err := item(m.Value)
			if err != nil {
				return err
			}
			requests[i].PutRequest = &types.PutRequest{Item: row}
		}
		for len(requests) > 0 {
			answer, err := t.client.BatchWriteItem(ctx, &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{t.name: requests}})
			if err != nil {
				return unlessEnded(ctx, err)
			}
			requests = answer.UnprocessedItems[t.name]
		}
		wrote(len(batch))
	}
}

// take waits for one message and takes up to a batch of those that are there; none when ctx has ended.
func take(ctx context.Context, messages <-chan kafkago.Message) []kafkago.Message {
	batch := make([]kafkago.Message, 0, batchSize)
	select {
	case m := <-messages:
		batch = append(batch, m)
	case <-ctx.Done():
		return nil
	}
	for len(batch) < batchSize {
		select {
		case m := <-messages:
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}

// barePuts writes each message if the stored version is lower.
func barePuts(ctx context.Context, t bareTable, messages <-chan kafkago.Message, wrote func(int)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-messages:
			if err := t.put(ctx, m); err != nil {
				return unlessEnded(ctx, err)
			}
			wrote(1)
		}
	}
}

func (t bareTable) put(ctx context.Context, m kafkago.Message) error {
	row, err := item(m.Value)
	if err != nil {
		return err
	}
	for _, h := range m.Headers {
		if h.Key == events.HeaderVersion {
			row[attributes.Version] = &types.AttributeValueMemberS{Value: string(h.Value)}
		}
	}
	_, err = t.client.PutItem(ctx, &sdk.PutItemInput{
		TableName: &t.name, Item: row,
		ConditionExpression:       new("attribute_not_exists(#k) OR #v < :v"),
		ExpressionAttributeNames:  map[string]string{"#k": schema[0].Name, "#v": attributes.Version},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": row[attributes.Version]},
	})
	if _, older := errors.AsType[*types.ConditionalCheckFailedException](err); older {
		return nil // what is stored is newer
	}
	return err
}
