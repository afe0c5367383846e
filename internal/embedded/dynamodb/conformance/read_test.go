package conformance

import (
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// keysOf lists pk/sk of items.
func keysOf(items []attrs) []string {
	keys := []string{}
	for _, item := range items {
		key := item["pk"].(*types.AttributeValueMemberS).Value
		if sk, ok := item["sk"].(*types.AttributeValueMemberN); ok {
			key += "/" + sk.Value
		}
		keys = append(keys, key)
	}
	return keys
}

func TestScanPagesAndSegments(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		want := []string{}
		for i := range 60 {
			item := attrs{"pk": str(fmt.Sprint("p", i%17)), "sk": num(fmt.Sprint(i)), "pad": str(strings.Repeat("x", 100))}
			db.put(t, table, item)
			want = append(want, fmt.Sprintf("p%d/%d", i%17, i))
		}
		for _, c := range []struct{ total, limit int32 }{{1, 7}, {1, 60}, {3, 5}, {7, 100}, {200, 1}} {
			var got []string
			for segment := range c.total {
				in := &sdk.ScanInput{TableName: &table, Segment: &segment, TotalSegments: &c.total, Limit: &c.limit, ConsistentRead: new(true)}
				for {
					page, err := db.Scan(t.Context(), in)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Items), int(c.limit))
					got = append(got, keysOf(page.Items)...)
					if page.LastEvaluatedKey == nil {
						break
					}
					require.Len(t, page.LastEvaluatedKey, 2)
					in.ExclusiveStartKey = page.LastEvaluatedKey
				}
			}
			require.ElementsMatch(t, want, got, "%+v", c)
		}
	})
}

func TestScanPageBytes(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for i := range 5 {
			db.put(t, table, attrs{"pk": str("a"), "sk": num(fmt.Sprint(i)), "pad": str(strings.Repeat("x", 300_000))})
		}
		page, err := db.Scan(t.Context(), &sdk.ScanInput{
			TableName: &table, ConsistentRead: new(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			FilterExpression: new("sk > :n"), ExpressionAttributeValues: attrs{":n": num("100")},
		})
		require.NoError(t, err)
		require.Empty(t, page.Items, "the page is cut before the filter")
		require.NotNil(t, page.LastEvaluatedKey)
		require.Equal(t, int32(4), page.ScannedCount, "the item that passes 1 MB still belongs to the page")
		require.InDelta(t, 293, *page.ConsumedCapacity.CapacityUnits, 1)
	})
}

func TestScanParameters(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for i := range 4 {
			db.put(t, table, attrs{"pk": str("a"), "sk": num(fmt.Sprint(i)), "m": obj(attrs{"x": num("1"), "y": list(num("1"), num("2"))})})
		}
		page, err := db.Scan(t.Context(), &sdk.ScanInput{TableName: &table, Select: types.SelectCount, FilterExpression: new("sk > :n"), ExpressionAttributeValues: attrs{":n": num("1")}})
		require.NoError(t, err)
		require.Equal(t, []int32{2, 4}, []int32{page.Count, page.ScannedCount})
		require.Empty(t, page.Items)
		page, err = db.Scan(t.Context(), &sdk.ScanInput{TableName: &table, Limit: new(int32(1)), ProjectionExpression: new("m.y[1], #p, absent"), ExpressionAttributeNames: map[string]string{"#p": "pk"}})
		require.NoError(t, err)
		require.Equal(t, []attrs{{"pk": str("a"), "m": obj(attrs{"y": list(num("2"))})}}, page.Items)
		_, err = db.Scan(t.Context(), &sdk.ScanInput{TableName: &table, Segment: new(int32(3)), TotalSegments: new(int32(3))})
		require.Equal(t, difference[string]{
			"ValidationException: The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 3 is not less than TotalSegments: 3",
			"ValidationException: 1 validation error detected: Value '3' at 'segment' failed to satisfy constraint: Member must have value less than or equal to 2",
			withEmbedded, "the text is that of real answers",
		}.of(t, db), failure(err))
		_, err = db.Scan(t.Context(), &sdk.ScanInput{TableName: &table, TotalSegments: new(int32(3))})
		require.Contains(t, failure(err), "ValidationException: ")
	})
}

func TestQuery(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for _, n := range []string{"-10", "-9.5", "-1", "0", "0.001", "1", "2", "9", "10", "100", "1e100"} {
			db.put(t, table, attrs{"pk": str("a"), "sk": num(n), "odd": boolean(n == "1" || n == "9")})
			db.put(t, table, attrs{"pk": str("b"), "sk": num(n)})
		}
		for _, c := range []struct {
			condition string
			values    attrs
			want      string
		}{
			{"pk = :p", attrs{}, "-10 -9.5 -1 0 0.001 1 2 9 10 100 1" + strings.Repeat("0", 100)},
			{"pk = :p AND sk = :a", attrs{":a": num("1.0")}, "1"},
			{"pk = :p AND sk < :a", attrs{":a": num("0")}, "-10 -9.5 -1"},
			{"pk = :p AND sk <= :a", attrs{":a": num("-9.5")}, "-10 -9.5"},
			{":a < sk AND :p = pk", attrs{":a": num("10")}, "100 1" + strings.Repeat("0", 100)},
			{"pk = :p AND sk >= :a", attrs{":a": num("100")}, "100 1" + strings.Repeat("0", 100)},
			{"(pk = :p) AND (sk BETWEEN :a AND :b)", attrs{":a": num("0.0005"), ":b": num("9")}, "0.001 1 2 9"},
		} {
			c.values[":p"] = str("a")
			want := strings.Fields(c.want)
			for _, forward := range []bool{true, false} {
				var got []string
				in := &sdk.QueryInput{TableName: &table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: c.values, Limit: new(int32(2)), ScanIndexForward: &forward}
				for {
					page, err := db.Query(t.Context(), in)
					require.NoError(t, err, c.condition)
					for _, key := range keysOf(page.Items) {
						got = append(got, strings.TrimPrefix(key, "a/"))
					}
					if in.ExclusiveStartKey = page.LastEvaluatedKey; page.LastEvaluatedKey == nil {
						break
					}
				}
				if !forward {
					for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
						got[i], got[j] = got[j], got[i]
					}
				}
				require.Equal(t, want, got, "%s forward %v", c.condition, forward)
			}
		}
		page, err := db.Query(t.Context(), &sdk.QueryInput{
			TableName: &table, KeyConditionExpression: new("pk = :p"), FilterExpression: new("odd = :t"),
			ExpressionAttributeValues: attrs{":p": str("a"), ":t": boolean(true)},
		})
		require.NoError(t, err)
		require.Equal(t, []int32{2, 11}, []int32{page.Count, page.ScannedCount})
		for condition, want := range map[string]string{
			"sk = :p":                         "Query condition missed key schema element",
			"pk > :p":                         "Query key condition not supported",
			"pk = :p AND extra = :p":          "Query condition missed key schema element",
			"pk = :p OR sk = :p":              "Invalid operator used in KeyConditionExpression: OR",
			"pk = :p AND NOT sk = :p":         "Invalid operator used in KeyConditionExpression: NOT",
			"pk = :p AND pk = :p AND sk > :p": "KeyConditionExpressions must only contain one condition per key",
			"pk = :p AND begins_with(sk, :p)": "One or more parameter values were invalid: Condition parameter type does not match schema type",
		} {
			_, err := db.Query(t.Context(), &sdk.QueryInput{TableName: &table, KeyConditionExpression: &condition, ExpressionAttributeValues: attrs{":p": str("a")}})
			if got := failure(err); !strings.HasPrefix(got, "ValidationException: "+want) {
				t.Errorf("%s\nwant %q\ngot  %q", condition, want, got)
			}
		}
	})
}

func TestQueryStringSortKey(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeS, "")
		for _, s := range []string{"ab", "a", "b", "abc", "\uffff", "🙂", "Z"} {
			db.put(t, table, attrs{"pk": str("p"), "sk": str(s)})
		}
		for _, c := range []struct {
			condition string
			value     types.AttributeValue
			want      []string
		}{
			{"pk = :p", nil, []string{"Z", "a", "ab", "abc", "b", "\uffff", "🙂"}},
			{"pk = :p AND begins_with(sk, :v)", str("ab"), []string{"ab", "abc"}},
		} {
			values := attrs{":p": str("p")}
			if c.value != nil {
				values[":v"] = c.value
			}
			page, err := db.Query(t.Context(), &sdk.QueryInput{TableName: &table, KeyConditionExpression: &c.condition, ExpressionAttributeValues: values})
			require.NoError(t, err)
			var got []string
			for _, item := range page.Items {
				got = append(got, item["sk"].(*types.AttributeValueMemberS).Value)
			}
			require.Equal(t, c.want, got)
		}
	})
}
