package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
)

// typedRow is a row as the SDK takes it, made before the clock runs.
type typedRow map[string]types.AttributeValue

// typedRows are the rows with the version that ours would give them.
func typedRows(rows cities, version func(i int) events.Version) ([]typedRow, error) {
	typed := make([]typedRow, len(rows))
	for i, row := range rows {
		var err error
		if typed[i], err = item([]byte(row.item)); err != nil {
			return nil, err
		}
		typed[i][attributes.Version] = &types.AttributeValueMemberS{Value: version(i).String()}
	}
	return typed, nil
}

// bareWrite writes rows, as many as a call takes.
type bareWrite struct {
	atOnce int
	call   func(ctx context.Context, client *sdk.Client, rows []typedRow) error
}

// bareLoop writes all rows, with as many callers as ours.
func bareLoop(ctx context.Context, client *sdk.Client, rows []typedRow, write bareWrite) (cost, error) {
	spent := meter()
	var next atomic.Int64
	callers, ctx := errgroup.WithContext(ctx)
	for range inFlight {
		callers.Go(func() error {
			for {
				end := int(next.Add(int64(write.atOnce)))
				from := end - write.atOnce
				if from >= len(rows) {
					return nil
				}
				if err := write.call(ctx, client, rows[from:min(end, len(rows))]); err != nil {
					return err
				}
			}
		})
	}
	err := callers.Wait()
	return spent(), err
}

var (
	bareBatches = bareWrite{25, insertRows} // the most statements of one call
	barePuts    = bareWrite{1, putRow}
)

// insertRows makes one INSERT for each row. All rows have the same attributes, and so the same statement.
func insertRows(ctx context.Context, client *sdk.Client, rows []typedRow) error {
	names := slices.Sorted(maps.Keys(rows[0]))
	statement := `INSERT INTO "bench" VALUE {'` + strings.Join(names, `':?,'`) + `':?}`
	statements := make([]types.BatchStatementRequest, len(rows))
	for i, row := range rows {
		parameters := make([]types.AttributeValue, len(names))
		for n, name := range names {
			parameters[n] = row[name]
		}
		statements[i] = types.BatchStatementRequest{Statement: &statement, Parameters: parameters}
	}
	answer, err := client.BatchExecuteStatement(ctx, &sdk.BatchExecuteStatementInput{Statements: statements})
	if err != nil {
		return err
	}
	for _, r := range answer.Responses {
		if r.Error != nil && r.Error.Code != types.BatchStatementErrorCodeEnumDuplicateItem {
			return fmt.Errorf("insert: %s: %s", r.Error.Code, aws.ToString(r.Error.Message))
		}
	}
	return nil
}

// putRow writes a row if the stored version is lower.
func putRow(ctx context.Context, client *sdk.Client, rows []typedRow) error {
	_, err := client.PutItem(ctx, &sdk.PutItemInput{
		TableName: new("bench"), Item: rows[0],
		ConditionExpression:       new("attribute_not_exists(#k) OR #v < :v"),
		ExpressionAttributeNames:  map[string]string{"#k": schema[0].Name, "#v": attributes.Version},
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": rows[0][attributes.Version]},
	})
	if _, older := errors.AsType[*types.ConditionalCheckFailedException](err); older {
		return nil // what is stored is newer
	}
	return err
}
