package dynamodb_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// code is that of an API error; "" for success.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// stopped is a clock that only the test moves.
type stopped struct{ seconds atomic.Int64 }

func (c *stopped) now() time.Time { return time.Unix(1_800_000_000+c.seconds.Load(), 0) }

func status(t *testing.T, c *sdk.Client, table string) *types.TableDescription {
	t.Helper()
	out, err := c.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
	require.NoError(t, err)
	return out.Table
}

func TestTableIsCreatingBeforeItIsActive(t *testing.T) {
	t.Parallel()
	clock := &stopped{}
	c, _ := clients(dynamodb.New(dynamodb.Options{Clock: clock.now, Creation: 10 * time.Second}))
	createTable(t, c, "orders", "")
	item := &sdk.PutItemInput{TableName: new("orders"), Item: attrs{"pk": str("a"), "sk": num("1")}}
	protect := &sdk.UpdateTableInput{TableName: new("orders"), DeletionProtectionEnabled: new(true)}

	clock.seconds.Store(9)
	require.Equal(t, types.TableStatusCreating, status(t, c, "orders").TableStatus)
	_, err := c.PutItem(t.Context(), item)
	require.Equal(t, "ResourceNotFoundException", code(err))
	_, err = c.UpdateTable(t.Context(), protect)
	require.Equal(t, "ResourceInUseException", code(err))
	_, err = c.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: new("orders")})
	require.Equal(t, "ResourceInUseException", code(err))

	clock.seconds.Store(10)
	require.Equal(t, types.TableStatusActive, status(t, c, "orders").TableStatus)
	_, err = c.PutItem(t.Context(), item)
	require.NoError(t, err)
	_, err = c.UpdateTable(t.Context(), protect)
	require.NoError(t, err)
}

func TestIndexIsCreatingBeforeItIsActive(t *testing.T) {
	t.Parallel()
	clock := &stopped{}
	c, _ := clients(dynamodb.New(dynamodb.Options{Clock: clock.now, Creation: 10 * time.Second}))
	createTable(t, c, "orders", "")
	clock.seconds.Store(10)
	put(t.Context(), t, c, "orders", attrs{"pk": str("a"), "sk": num("1"), "g": str("g")})
	_, err := c.UpdateTable(t.Context(), &sdk.UpdateTableInput{
		TableName:            new("orders"),
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("g"), AttributeType: types.ScalarAttributeTypeS}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: new("by-g"), KeySchema: []types.KeySchemaElement{{AttributeName: new("g"), KeyType: types.KeyTypeHash}},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}},
	})
	require.NoError(t, err)
	scan := &sdk.ScanInput{TableName: new("orders"), IndexName: new("by-g")}

	now := status(t, c, "orders")
	require.Equal(t, types.TableStatusUpdating, now.TableStatus)
	require.Equal(t, types.IndexStatusCreating, now.GlobalSecondaryIndexes[0].IndexStatus)
	require.True(t, *now.GlobalSecondaryIndexes[0].Backfilling)
	_, err = c.Scan(t.Context(), scan)
	require.ErrorContains(t, err, "backfilling")
	put(t.Context(), t, c, "orders", attrs{"pk": str("b"), "sk": num("1"), "g": str("g")})

	clock.seconds.Store(20)
	now = status(t, c, "orders")
	require.Equal(t, types.TableStatusActive, now.TableStatus)
	require.Equal(t, types.IndexStatusActive, now.GlobalSecondaryIndexes[0].IndexStatus)
	out, err := c.Scan(t.Context(), scan)
	require.NoError(t, err)
	require.Len(t, out.Items, 2)
}

func TestProtectedTableIsNotDeleted(t *testing.T) {
	t.Parallel()
	c, _ := clients(dynamodb.New(dynamodb.Options{}))
	createTable(t, c, "orders", "")
	_, err := c.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: new("orders")})
	require.Equal(t, "ValidationException", code(err), "an update of nothing")
	for _, on := range []bool{true, false} {
		_, err := c.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: new("orders"), DeletionProtectionEnabled: &on})
		require.NoError(t, err)
		require.Equal(t, on, *status(t, c, "orders").DeletionProtectionEnabled)
		_, err = c.DeleteTable(t.Context(), &sdk.DeleteTableInput{TableName: new("orders")})
		if on {
			require.ErrorContains(t, err, "protected against deletion")
			continue
		}
		require.NoError(t, err)
	}
}

func TestWhatIsNoRequestIsASerializationException(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{})
	call(t, s, "CreateTable", []byte(createPlain), nil)
	for _, body := range []string{
		"", "null", `""`, "[]", "{broken", `{"TableName":1}`,
		`{"TableName":"plain","Item":{"pk":{"S":"a"},"b":{"B":"YWJj??!!"}}}`,
		`{"TableName":"plain","Item":{"pk":{"S":"a"},"b":{"B":"YWJ"}}}`,
		`{"TableName":"plain","Item":{"pk":"a"}}`,
	} {
		answer := call(t, s, "PutItem", []byte(body), nil)
		require.Contains(t, string(answer.body), "com.amazon.coral.service#SerializationException", body)
	}
}

// TestLargeTransactions: what counts is what the request says, not what it changes.
func TestLargeTransactions(t *testing.T) {
	t.Parallel()
	c, _ := clients(dynamodb.New(dynamodb.Options{}))
	createTable(t, c, "orders", "")
	var puts, deletes []types.TransactWriteItem
	for sk := range strings.SplitSeq("1,2,3,4,5,6,7,8,9,10,11,12", ",") {
		key := attrs{"pk": str("a"), "sk": num(sk)}
		item := attrs{"pk": key["pk"], "sk": key["sk"], "x": str(strings.Repeat("x", 380_000))}
		puts = append(puts, types.TransactWriteItem{Put: &types.Put{TableName: new("orders"), Item: item}})
		deletes = append(deletes, types.TransactWriteItem{Delete: &types.Delete{TableName: new("orders"), Key: key}})
	}
	_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: puts})
	require.ErrorContains(t, err, "cannot exceed 4 MB")
	for _, half := range [][]types.TransactWriteItem{puts[:6], puts[6:], deletes} {
		_, err = c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: half})
		require.NoError(t, err)
	}
}
