package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

const (
	validationError = "ValidationException: "
	measured        = "answers of the service, as suites validated on it have them"
)

func TestQueryRefusals(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		db.put(t, table, attrs{"pk": str("a"), "sk": num("1")})
		values := attrs{":p": str("a"), ":n": num("1")}
		for name, c := range map[string]struct {
			key, filter, projection string
			start                   attrs
			choose                  types.Select
			want                    difference[string]
		}{
			"a filter by the partition": {"pk = :p", "pk = :p AND x = :n", "", nil, "", same(validationError + "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk")},
			"a filter inside the key": {"pk = :p", "sk.x = :n", "", nil, "", difference[string]{
				validationError + "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
				validationError + "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: sk", withEmbedded, measured,
			}},
			"a projection inside it": {"pk = :p AND sk = :n", "", "pk.x", nil, "", same(validationError + "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk")},
			"another partition": {"pk = :p AND :n = sk", "", "", attrs{"pk": str("b"), "sk": num("1")}, "", difference[string]{
				validationError + "The query can return at most one row and cannot be restarted",
				validationError + "The provided starting key does not match the range key predicate", withEmbedded, measured,
			}},
			"outside the partition": {"pk = :p AND size(x) = :n", "", "", nil, "", same(validationError + "KeyConditionExpressions cannot contain nested operations")},
			"outside the range":     {"pk = :p AND sk > :n", "", "", attrs{"pk": str("a"), "sk": num("1")}, "", same(validationError + "The provided starting key does not match the range key predicate")},
			"half a key": {"pk = :p AND sk > :n", "", "", attrs{"pk": str("a")}, "", difference[string]{
				validationError + "The provided starting key is invalid",
				validationError + "Exclusive Start Key must have same size as table's key schema", withEmbedded, measured,
			}},
			"a key of wrong types": {"pk = :p AND sk > :n", "", "", attrs{"pk": str("a"), "sk": str("1")}, "", difference[string]{
				validationError + "The provided key element does not match the schema", validationError + "Type mismatch for attribute to update",
				withEmbedded, measured,
			}},
			"a count and a projection":  {"pk = :p AND sk > :n", "", "x", nil, types.SelectCount, same(validationError + "Cannot specify the ProjectionExpression when choosing to get only the Count")},
			"nothing to choose":         {"pk = :p AND sk > :n", "", "", nil, types.SelectSpecificAttributes, same(validationError + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")},
			"no index":                  {"pk = :p AND sk > :n", "", "", nil, types.SelectAllProjectedAttributes, same(validationError + "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")},
			"two conditions of one key": {"pk = :p AND sk > :n AND sk < :n", "", "", nil, "", same(validationError + "KeyConditionExpressions must only contain one condition per key")},
		} {
			in := &sdk.QueryInput{TableName: &table, KeyConditionExpression: &c.key, ExpressionAttributeValues: values, ExclusiveStartKey: c.start, Select: c.choose}
			if c.filter != "" {
				in.FilterExpression = &c.filter
			}
			if c.projection != "" {
				in.ProjectionExpression = &c.projection
			}
			_, err := db.Query(t.Context(), in)
			if want := c.want.of(t, db); want != failure(err) {
				t.Errorf("%s\nwant %q\ngot  %q", name, want, failure(err))
			}
		}
	})
}

func TestRequestsAreCheckedBeforeTheTable(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		absent := "conformance-absent"
		_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &absent, Item: attrs{"pk": str("a")}, ConditionExpression: new("")})
		const missing = "ResourceNotFoundException: Cannot do operations on a non-existent table"
		first := func(text string) difference[string] {
			return difference[string]{text, missing, withEmbedded, "Local looks the table up first"}
		}
		require.Equal(t, first(invalid+"The expression can not be empty;").of(t, db), failure(err))
		_, err = db.GetItem(t.Context(), &sdk.GetItemInput{TableName: &absent, Key: attrs{"pk": str("a")}, ExpressionAttributeNames: map[string]string{"#a": "a"}})
		require.Equal(t, validationError+"ExpressionAttributeNames can only be specified when using expressions", failure(err))
		_, err = db.Scan(t.Context(), &sdk.ScanInput{TableName: &absent, FilterExpression: new("a = :a")})
		require.Equal(t, first(validationError+"Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :a").of(t, db), failure(err))
	})
}

func TestTransactionRefusals(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		put := func(item attrs) types.TransactWriteItem {
			return types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: item}}
		}
		for name, c := range map[string]struct {
			items []types.TransactWriteItem
			want  difference[string]
		}{
			"a key of a wrong type": {
				[]types.TransactWriteItem{put(attrs{"pk": str("a")}), put(attrs{"pk": num("1")})},
				same("TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons [None, ValidationError]"),
			},
			"an empty part": {[]types.TransactWriteItem{{}}, difference[string]{
				validationError + "TransactItems can only contain one of Check, Put, Update or Delete",
				validationError + "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request", withEmbedded, "the text is that of real answers",
			}},
			"one item twice": {
				[]types.TransactWriteItem{put(attrs{"pk": str("a")}), put(attrs{"pk": str("a")})},
				same(validationError + "Transaction request cannot include multiple operations on one item"),
			},
		} {
			_, err := db.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: c.items})
			require.Equal(t, c.want.of(t, db), failure(err), name)
			require.Nil(t, db.get(t, table, attrs{"pk": str("a")}), name)
		}
	})
}

// TestIndexesCost asks for what each index used.
func TestIndexesCost(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.indexed(t)
		out, err := db.PutItem(t.Context(), &sdk.PutItemInput{
			TableName: &table, Item: attrs{"pk": str("a"), "sk": num("1"), "g": str("g"), "h": num("1")},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
		})
		require.NoError(t, err)
		used := out.ConsumedCapacity
		require.InDelta(t, 4, *used.CapacityUnits, 0)
		require.InDelta(t, 1, *used.Table.CapacityUnits, 0)
		require.Len(t, used.GlobalSecondaryIndexes, 2)
		require.InDelta(t, 1, *used.GlobalSecondaryIndexes["all"].CapacityUnits, 0)
		require.InDelta(t, 1, *used.LocalSecondaryIndexes["some"].CapacityUnits, 0)
		page, err := db.Query(t.Context(), &sdk.QueryInput{
			TableName: &table, IndexName: new("all"), KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attrs{":g": str("g")},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
		})
		require.NoError(t, err)
		require.InDelta(t, 0.5, *page.ConsumedCapacity.GlobalSecondaryIndexes["all"].CapacityUnits, 0)
	})
}
