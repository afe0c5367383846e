package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
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

// batchSize is the most statements of one BatchExecuteStatement.
const batchSize = 25

// bareBatches inserts what there is, up to a full batch.
func bareBatches(ctx context.Context, t bareTable, messages <-chan kafkago.Message, wrote func(int)) error {
	for {
		batch := take(ctx, messages)
		if len(batch) == 0 {
			return nil
		}
		statements := make([]types.BatchStatementRequest, len(batch))
		for i, m := range batch {
			row, err := item(m.Value)
			if err != nil {
				return err
			}
			statements[i] = t.insert(row)
		}
		answer, err := t.client.BatchExecuteStatement(ctx, &sdk.BatchExecuteStatementInput{Statements: statements})
		if err != nil {
			return unlessEnded(ctx, err)
		}
		for _, r := range answer.Responses {
			if r.Error != nil && r.Error.Code != types.BatchStatementErrorCodeEnumDuplicateItem {
				return fmt.Errorf("insert: %s: %s", r.Error.Code, aws.ToString(r.Error.Message))
			}
		}
		wrote(len(batch))
	}
}

// insert is the statement that writes a row if its key is absent.
func (t bareTable) insert(row map[string]types.AttributeValue) types.BatchStatementRequest {
	var text strings.Builder
	text.WriteString(`INSERT INTO "` + t.name + `" VALUE {`)
	parameters := make([]types.AttributeValue, 0, len(row))
	for name, value := range row {
		if len(parameters) > 0 {
			text.WriteByte(',')
		}
		text.WriteString(`'` + name + `':?`)
		parameters = append(parameters, value)
	}
	text.WriteByte('}')
	return types.BatchStatementRequest{Statement: new(text.String()), Parameters: parameters}
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
