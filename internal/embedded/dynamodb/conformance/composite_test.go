package conformance

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// composite makes a table with the index "days" whose key is (shop, city) HASH and (year, month) RANGE.
func (db target) composite(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("conformance-%d-%d", os.Getpid(), tableNumber.Add(1))
	definitions := []types.AttributeDefinition{{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS}}
	var key []types.KeySchemaElement
	for _, a := range []struct {
		name string
		kind types.ScalarAttributeType
		role types.KeyType
	}{{"shop", "S", types.KeyTypeHash}, {"city", "S", types.KeyTypeHash}, {"year", "N", types.KeyTypeRange}, {"month", "N", types.KeyTypeRange}} {
		definitions = append(definitions, types.AttributeDefinition{AttributeName: &a.name, AttributeType: a.kind})
		key = append(key, types.KeySchemaElement{AttributeName: &a.name, KeyType: a.role})
	}
	_, err := db.CreateTable(t.Context(), &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keyOf("pk", ""), AttributeDefinitions: definitions,
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: new("days"), KeySchema: key, Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.DeleteTable(context.WithoutCancel(t.Context()), &sdk.DeleteTableInput{TableName: &name})
		require.NoError(t, err)
	})
	return name
}

func TestKeysOfSeveralAttributes(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.composite(t)
		for i, row := range []attrs{
			{"shop": str("a"), "city": str("bc"), "year": num("2025"), "month": num("12")},
			{"shop": str("a"), "city": str("bc"), "year": num("2025"), "month": num("2")},
			{"shop": str("a"), "city": str("bc"), "year": num("2024"), "month": num("11")},
			{"shop": str("ab"), "city": str("c"), "year": num("2025"), "month": num("1")}, // the same letters, another partition
			{"shop": str("a"), "city": str("bc"), "year": num("2025")},                    // no entry
		} {
			row["pk"] = str(fmt.Sprint(i))
			db.put(t, table, row)
		}
		const (
			hash    = "shop = :s AND city = :c"
			unequal = validationError + "HASH key attributes city must have equality conditions specified in the query"
			hole    = validationError + "RANGE key attributes year must have equality conditions specified in the query because a condition is present on key attribute month"
		)
		for _, c := range []struct {
			key  string
			want string // the months, in order, or the error
		}{
			{hash, "11 2 12"},
			{hash + " AND #y = :y", "2 12"},
			{hash + " AND #y <= :y", "11 2 12"},
			{hash + " AND #m > :m AND #y = :y", "12"},
			{hash + " AND #y = :y AND #m BETWEEN :m AND :n", "2 12"},
			{"shop = :s", unequal},
			{"shop = :s AND city > :c", unequal},
			{hash + " AND #m = :m", hole},
			{hash + " AND #y > :y AND #m = :m", hole},
		} {
			values := attrs{":s": str("a"), ":c": str("bc"), ":y": num("2025"), ":m": num("2"), ":n": num("12")}
			names := map[string]string{"#y": "year", "#m": "month"}
			maps.DeleteFunc(values, func(name string, _ types.AttributeValue) bool { return !strings.Contains(c.key+" ", name+" ") })
			maps.DeleteFunc(names, func(name, _ string) bool { return !strings.Contains(c.key, name) })
			if len(names) == 0 {
				names = nil
			}
			var months []string
			in := &sdk.QueryInput{TableName: &table, IndexName: new("days"), KeyConditionExpression: &c.key, ExpressionAttributeValues: values, ExpressionAttributeNames: names, Limit: new(int32(1))}
			for {
				page, err := db.Query(t.Context(), in)
				if err != nil {
					require.Equal(t, c.want, failure(err), c.key)
					break
				}
				for _, item := range page.Items {
					months = append(months, item["month"].(*types.AttributeValueMemberN).Value)
				}
				if in.ExclusiveStartKey = page.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					require.Equal(t, c.want, strings.Join(months, " "), c.key)
					break
				}
			}
		}
	})
}
