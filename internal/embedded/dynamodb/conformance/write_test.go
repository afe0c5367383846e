package conformance

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func TestConditionFailureShowsItem(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		item := attrs{"pk": str("a"), "v": str("1")}
		db.put(t, table, item)
		in := &sdk.PutItemInput{TableName: &table, Item: attrs{"pk": str("a")}, ConditionExpression: new("attribute_not_exists(pk)")}
		_, err := db.PutItem(t.Context(), in)
		e, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
		require.True(t, ok)
		require.Nil(t, e.Item)
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		_, err = db.PutItem(t.Context(), in)
		e, ok = errors.AsType[*types.ConditionalCheckFailedException](err)
		require.True(t, ok)
		require.Equal(t, item, e.Item)
		_, err = db.DeleteItem(t.Context(), &sdk.DeleteItemInput{
			TableName: &table, Key: attrs{"pk": str("a")}, ConditionExpression: new("v > :v"), ExpressionAttributeValues: attrs{":v": str("1")},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		e, ok = errors.AsType[*types.ConditionalCheckFailedException](err)
		require.True(t, ok)
		require.Equal(t, item, e.Item)
		require.Equal(t, item, db.get(t, table, attrs{"pk": str("a")}))
	})
}

func TestPutAndDeleteReturn(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		old := attrs{"pk": str("a"), "v": str(strings.Repeat("x", 3000))}
		db.put(t, table, old)
		out, err := db.PutItem(t.Context(), &sdk.PutItemInput{
			TableName: &table, Item: attrs{"pk": str("a")}, ReturnValues: types.ReturnValueAllOld, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		require.NoError(t, err)
		require.Equal(t, old, out.Attributes)
		require.InDelta(t, 3, *out.ConsumedCapacity.CapacityUnits, 0.01, "the larger of the old and the new item counts")
		gone, err := db.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: attrs{"pk": str("a")}, ReturnValues: types.ReturnValueAllOld})
		require.NoError(t, err)
		require.Equal(t, attrs{"pk": str("a")}, gone.Attributes)
		gone, err = db.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: attrs{"pk": str("a")}, ReturnValues: types.ReturnValueAllOld})
		require.NoError(t, err)
		require.Nil(t, gone.Attributes)
		_, err = db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: old, ReturnValues: types.ReturnValueAllNew})
		require.Contains(t, failure(err), "ValidationException: ")
	})
}

func TestBatchWriteAndGet(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		var writes []types.WriteRequest
		var keys []attrs
		for i := range 25 {
			key := attrs{"pk": str(fmt.Sprint(i))}
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key}})
			keys = append(keys, key)
		}
		out, err := db.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: writes}})
		require.NoError(t, err)
		require.Empty(t, out.UnprocessedItems)
		got, err := db.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: {Keys: append(keys, attrs{"pk": str("absent")})}}})
		require.NoError(t, err)
		require.ElementsMatch(t, keys, got.Responses[table])
		for name, requests := range map[string][]types.WriteRequest{
			"26 writes":     append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attrs{"pk": str("x")}}}),
			"one key twice": {writes[0], {DeleteRequest: &types.DeleteRequest{Key: keys[0]}}},
			"too large":     {writes[0], {PutRequest: &types.PutRequest{Item: attrs{"pk": str("big"), "v": str(strings.Repeat("x", 400*1024))}}}},
			"wrong key":     {writes[0], {PutRequest: &types.PutRequest{Item: attrs{"pk": num("1")}}}},
			"nothing":       {},
		} {
			_, err := db.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: requests}})
			require.Contains(t, failure(err), "ValidationException: ", name)
		}
	})
}

func insert(table string, item attrs, names ...string) types.BatchStatementRequest {
	var fields []string
	var values []types.AttributeValue
	for _, name := range names {
		fields = append(fields, "'"+strings.ReplaceAll(name, "'", "''")+"': ?")
		values = append(values, item[name])
	}
	return types.BatchStatementRequest{
		Statement: new(`INSERT INTO "` + table + `" VALUE {` + strings.Join(fields, ", ") + "}"), Parameters: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

func TestPartiQLInsert(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		there := attrs{"pk": str("a"), "v": num("1")}
		db.put(t, table, there)
		odd := attrs{"pk": str("b"), "it's": num("1.50"), "a.b#🙂[0]": str(""), `"select"`: list(num("1.50")), "ss": strs("x", "y")}
		out, err := db.BatchExecuteStatement(t.Context(), &sdk.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{
			insert(table, attrs{"pk": str("a")}, "pk"),
			insert(table, odd, "pk", "it's", "a.b#🙂[0]", `"select"`, "ss"),
			insert(table, attrs{"pk": num("1")}, "pk"),
			insert(table, attrs{"pk": str("c"), "v": str(strings.Repeat("x", 400*1024))}, "pk", "v"),
		}})
		require.NoError(t, err)
		require.Len(t, out.Responses, 4)
		require.Equal(t, types.BatchStatementErrorCodeEnumDuplicateItem, out.Responses[0].Error.Code)
		require.Equal(t, difference[attrs]{there, nil, withEmbedded, "documented as returned with ALL_OLD, Local ignores it for INSERT"}.of(t, db), out.Responses[0].Error.Item)
		require.Nil(t, out.Responses[1].Error)
		require.Equal(t, types.BatchStatementErrorCodeEnumValidationError, out.Responses[2].Error.Code)
		require.Equal(t, types.BatchStatementErrorCodeEnumValidationError, out.Responses[3].Error.Code)
		odd["it's"] = num("1.5")
		require.Equal(t, odd, db.get(t, table, attrs{"pk": str("b")}))
		require.Equal(t, there, db.get(t, table, attrs{"pk": str("a")}))
	})
}

func TestPartiQLRefused(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		var many []types.BatchStatementRequest
		for i := range 26 {
			many = append(many, insert(table, attrs{"pk": str(fmt.Sprint(i))}, "pk"))
		}
		long := strings.Repeat("n", 8192)
		for name, statements := range map[string][]types.BatchStatementRequest{
			"26 statements": many,
			"one key twice": {many[0], many[0]},
			"too long":      {insert(table, attrs{"pk": str("a"), long: null()}, "pk", long)},
		} {
			_, err := db.BatchExecuteStatement(t.Context(), &sdk.BatchExecuteStatementInput{Statements: statements})
			require.Contains(t, failure(err), "ValidationException: ", name)
		}
		one := insert(table, attrs{"pk": str("a")}, "pk")
		for range 2 {
			_, err := db.ExecuteStatement(t.Context(), &sdk.ExecuteStatementInput{Statement: one.Statement, Parameters: one.Parameters})
			if err != nil {
				require.Contains(t, failure(err), difference[string]{
					"DuplicateItemException: Duplicate primary key exists in table", "DuplicateItem: ", withEmbedded, "the model names DuplicateItemException",
				}.of(t, db))
				return
			}
		}
		t.Fatal("the second insert succeeded")
	})
}

func TestTransactions(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		db.put(t, table, attrs{"pk": str("a"), "n": num("1")})
		update := types.TransactWriteItem{Update: &types.Update{
			TableName: &table, Key: attrs{"pk": str("a")}, UpdateExpression: new("SET n = n + :one"), ExpressionAttributeValues: attrs{":one": num("1")},
		}}
		absent := types.TransactWriteItem{Put: &types.Put{
			TableName: &table, Item: attrs{"pk": str("b")}, ConditionExpression: new("attribute_exists(pk)"),
		}}
		_, err := db.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{update, absent}})
		e, ok := errors.AsType[*types.TransactionCanceledException](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, []string{"None", "ConditionalCheckFailed"}, []string{*e.CancellationReasons[0].Code, *e.CancellationReasons[1].Code})
		require.Equal(t, num("1"), db.get(t, table, attrs{"pk": str("a")})["n"], "nothing was applied")

		absent.Put.ConditionExpression = nil
		in := &sdk.TransactWriteItemsInput{ClientRequestToken: &table, TransactItems: []types.TransactWriteItem{update, absent}}
		for range 2 { // the token makes the second one a repetition
			_, err = db.TransactWriteItems(t.Context(), in)
			require.NoError(t, err)
		}
		got, err := db.TransactGetItems(t.Context(), &sdk.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
			{Get: &types.Get{TableName: &table, Key: attrs{"pk": str("a")}}},
			{Get: &types.Get{TableName: &table, Key: attrs{"pk": str("absent")}}},
			{Get: &types.Get{TableName: &table, Key: attrs{"pk": str("b")}}},
		}})
		require.NoError(t, err)
		require.Equal(t, []attrs{{"pk": str("a"), "n": num("2")}, nil, {"pk": str("b")}}, []attrs{got.Responses[0].Item, got.Responses[1].Item, got.Responses[2].Item})
		_, err = db.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{update, update}})
		require.Equal(t, "ValidationException: Transaction request cannot include multiple operations on one item", failure(err))
	})
}
