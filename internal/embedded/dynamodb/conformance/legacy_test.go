package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// is is a condition of the older parameters.
func is(operator types.ComparisonOperator, values ...types.AttributeValue) types.Condition {
	return types.Condition{ComparisonOperator: operator, AttributeValueList: values}
}

func TestOlderQueries(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for _, sk := range []string{"1", "2", "3"} {
			db.put(t, table, attrs{"pk": str("a"), "sk": num(sk), "f": str("x" + sk), "l": list(num(sk))})
		}
		type conditions = map[string]types.Condition
		pk := is(types.ComparisonOperatorEq, str("a"))
		for name, c := range map[string]struct {
			key, filter conditions
			operator    types.ConditionalOperator
			want        difference[string]
			items       int
		}{
			"a whole partition":   {conditions{"pk": pk}, nil, "", same(""), 3},
			"a range of it":       {conditions{"pk": pk, "sk": is(types.ComparisonOperatorBetween, num("2"), num("9"))}, nil, "", same(""), 2},
			"a filter":            {conditions{"pk": pk}, conditions{"f": is(types.ComparisonOperatorIn, str("x1"), str("x3"))}, "", same(""), 2},
			"one of two filters":  {conditions{"pk": pk}, conditions{"f": is(types.ComparisonOperatorEq, str("x1")), "l": is(types.ComparisonOperatorContains, num("2"))}, types.ConditionalOperatorOr, same(""), 2},
			"not there":           {conditions{"pk": pk}, conditions{"g": is(types.ComparisonOperatorNull)}, "", same(""), 3},
			"a filter by the key": {conditions{"pk": pk}, conditions{"sk": is(types.ComparisonOperatorEq, num("1"))}, "", same("ValidationException: QueryFilter can only contain non-primary key attributes: Primary key attribute: sk"), 0},
			"not an operator of a key": {conditions{"pk": pk, "sk": is(types.ComparisonOperatorNotNull)}, nil, "", difference[string]{
				"ValidationException: Attempted conditional constraint is not an indexable operation", "ValidationException: Only scalar types can be used as Range Key values",
				withEmbedded, measured,
			}, 0},
			"values of two types":    {conditions{"pk": pk}, conditions{"f": is(types.ComparisonOperatorIn, str("x1"), num("3"))}, "", same("ValidationException: One or more parameter values were invalid: AttributeValues inside AttributeValueList must be of same type"), 0},
			"a list to be contained": {conditions{"pk": pk}, conditions{"f": is(types.ComparisonOperatorContains, list())}, "", same("ValidationException: One or more parameter values were invalid: ComparisonOperator CONTAINS is not valid for L AttributeValue type"), 0},
		} {
			out, err := db.Query(t.Context(), &sdk.QueryInput{TableName: &table, KeyConditions: c.key, QueryFilter: c.filter, ConditionalOperator: c.operator})
			if want := c.want.of(t, db); want != failure(err) {
				t.Errorf("%s\nwant %q\ngot  %q", name, want, failure(err))
			}
			if err == nil {
				require.Len(t, out.Items, c.items, name)
			}
		}
		out, err := db.Query(t.Context(), &sdk.QueryInput{
			TableName: &table, KeyConditions: conditions{"pk": pk}, FilterExpression: new("f = :f"), ProjectionExpression: new("sk"),
			ExpressionAttributeValues: attrs{":f": str("x2")},
		})
		require.NoError(t, err, "KeyConditions may stand beside other expressions")
		require.Equal(t, []attrs{{"sk": num("2")}}, out.Items)
	})
}

func TestOlderUpdates(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		key := attrs{"pk": str("a")}
		update := func(action types.AttributeAction, attribute string, value types.AttributeValue) error {
			_, err := db.UpdateItem(t.Context(), &sdk.UpdateItemInput{
				TableName: &table, Key: key,
				AttributeUpdates: map[string]types.AttributeValueUpdate{attribute: {Action: action, Value: value}},
			})
			return err
		}
		require.NoError(t, update(types.AttributeActionPut, "s", strs("x")))
		require.NoError(t, update(types.AttributeActionAdd, "s", strs("y")))
		require.NoError(t, update(types.AttributeActionAdd, "n", num("2")))
		require.NoError(t, update(types.AttributeActionAdd, "n", num("3")))
		require.NoError(t, update(types.AttributeActionAdd, "l", list(num("1"))))
		require.NoError(t, update(types.AttributeActionAdd, "l", list(num("2"))))
		require.NoError(t, update(types.AttributeActionDelete, "s", strs("x")))
		require.Equal(t, attrs{"pk": str("a"), "s": strs("y"), "n": num("5"), "l": list(num("1"), num("2"))}, db.get(t, table, key))
		require.Equal(t, "ValidationException: Type mismatch for attribute to update", failure(update(types.AttributeActionAdd, "s", nums("1"))))
		require.NoError(t, update(types.AttributeActionDelete, "n", nil))
		require.Equal(t, attrs{"pk": str("a"), "s": strs("y"), "l": list(num("1"), num("2"))}, db.get(t, table, key))

		_, err := db.PutItem(t.Context(), &sdk.PutItemInput{
			TableName: &table, Item: key, Expected: map[string]types.ExpectedAttributeValue{"pk": {Exists: new(false)}},
		})
		require.Equal(t, failed, failure(err))
		_, err = db.DeleteItem(t.Context(), &sdk.DeleteItemInput{
			TableName: &table, Key: key, Expected: map[string]types.ExpectedAttributeValue{"s": {Value: strs("y")}},
		})
		require.NoError(t, err)
		require.Nil(t, db.get(t, table, key))
	})
}
