package conformance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func keyOf(hash, sort string) []types.KeySchemaElement {
	key := []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}}
	if sort != "" {
		key = append(key, types.KeySchemaElement{AttributeName: &sort, KeyType: types.KeyTypeRange})
	}
	return key
}

// indexed makes a table (pk S, sk N) with the indexes
//
//	all      g (S), h (N)    everything
//	keys     g (S)           the keys
//	some     pk, h (N)       local: the keys and "shown"
func (db target) indexed(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("conformance-%d-%d", os.Getpid(), tableNumber.Add(1))
	_, err := db.CreateTable(t.Context(), &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keyOf("pk", "sk"),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("sk"), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: new("g"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("h"), AttributeType: types.ScalarAttributeTypeN},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: new("all"), KeySchema: keyOf("g", "h"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
			{IndexName: new("keys"), KeySchema: keyOf("g", ""), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		},
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{{
			IndexName: new("some"), KeySchema: keyOf("pk", "h"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"shown"}},
		}},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.DeleteTable(context.WithoutCancel(t.Context()), &sdk.DeleteTableInput{TableName: &name})
		require.NoError(t, err)
	})
	return name
}

// queryAll reads all pages of an index' partition.
func (db target) queryAll(t *testing.T, in sdk.QueryInput) (items []attrs) {
	t.Helper()
	for {
		page, err := db.Query(t.Context(), &in)
		require.NoError(t, err)
		items = append(items, page.Items...)
		if page.LastEvaluatedKey == nil {
			return items
		}
		in.ExclusiveStartKey = page.LastEvaluatedKey
	}
}

// TestIndexesFollowTheTable writes at random, and compares what each index has with what the table's items say.
func TestIndexesFollowTheTable(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.indexed(t)
		random := rand.New(rand.NewPCG(1, 2))
		rows := map[string]attrs{}
		for range 300 {
			pk, sk := fmt.Sprint("p", random.IntN(3)), strconv.Itoa(random.IntN(10))
			key := attrs{"pk": str(pk), "sk": num(sk)}
			if random.IntN(4) == 0 {
				_, err := db.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: key})
				require.NoError(t, err)
				delete(rows, pk+sk)
				continue
			}
			item := maps.Clone(key)
			item["shown"], item["hidden"] = num(strconv.Itoa(random.IntN(9))), str("x")
			if random.IntN(4) > 0 {
				item["g"] = str(fmt.Sprint("g", random.IntN(2)))
			}
			if random.IntN(4) > 0 {
				item["h"] = num(strconv.Itoa(random.IntN(3) - 1))
			}
			db.put(t, table, item)
			rows[pk+sk] = item
		}
		shows := func(item attrs, names ...string) attrs {
			shown := attrs{}
			for _, name := range append(names, "pk", "sk") {
				if v, ok := item[name]; ok {
					shown[name] = v
				}
			}
			return shown
		}
		for _, index := range []struct {
			name, hash, value string
			needs             []string
			shown             []string
		}{
			{"all", "g", "g0", []string{"g", "h"}, []string{"g", "h", "shown", "hidden"}},
			{"keys", "g", "g1", []string{"g"}, []string{"g"}},
			{"some", "pk", "p1", []string{"h"}, []string{"h", "shown"}},
		} {
			var want, all []attrs
			for _, item := range rows {
				has := !slices.ContainsFunc(index.needs, func(name string) bool { return item[name] == nil })
				if !has {
					continue
				}
				all = append(all, shows(item, index.shown...))
				if v := item[index.hash].(*types.AttributeValueMemberS); v.Value == index.value {
					want = append(want, shows(item, index.shown...))
				}
			}
			for _, limit := range []int32{1, 3, 100} {
				for _, forward := range []bool{true, false} {
					got := db.queryAll(t, sdk.QueryInput{
						TableName: &table, IndexName: &index.name, Limit: &limit, ScanIndexForward: &forward,
						KeyConditionExpression:   new("#h = :v"),
						ExpressionAttributeNames: map[string]string{"#h": index.hash}, ExpressionAttributeValues: attrs{":v": str(index.value)},
					})
					require.ElementsMatch(t, want, got, "%s, pages of %d", index.name, limit)
					if slices.Contains(index.needs, "h") {
						order := func(a, b attrs) int {
							x, _ := strconv.Atoi(a["h"].(*types.AttributeValueMemberN).Value)
							y, _ := strconv.Atoi(b["h"].(*types.AttributeValueMemberN).Value)
							if !forward {
								x, y = y, x
							}
							return x - y
						}
						require.True(t, slices.IsSortedFunc(got, order), index.name)
					}
				}
			}
			scanned := []attrs{}
			in := &sdk.ScanInput{TableName: &table, IndexName: &index.name, Limit: new(int32(4))}
			for {
				page, err := db.Scan(t.Context(), in)
				require.NoError(t, err)
				scanned = append(scanned, page.Items...)
				if in.ExclusiveStartKey = page.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					break
				}
			}
			require.ElementsMatch(t, all, scanned, index.name)
		}
	})
}

func TestIndexReads(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.indexed(t)
		item := attrs{"pk": str("a"), "sk": num("1"), "g": str("g"), "h": num("2"), "shown": str("s"), "hidden": str("x")}
		db.put(t, table, item)
		for _, c := range []struct {
			name string
			in   sdk.QueryInput
			want difference[string]
			item attrs
		}{
			{
				"a range of the order", sdk.QueryInput{
					IndexName: new("all"), KeyConditionExpression: new("g = :g AND h BETWEEN :l AND :h"),
					ExpressionAttributeValues: attrs{":g": str("g"), ":l": num("1"), ":h": num("2")},
				}, same(""), item,
			},
			{
				"out of the range", sdk.QueryInput{
					IndexName: new("all"), KeyConditionExpression: new("g = :g AND h > :l"), ExpressionAttributeValues: attrs{":g": str("g"), ":l": num("2")},
				}, same(""), nil,
			},
			{
				"a local index fetches what it lacks", sdk.QueryInput{
					IndexName: new("some"), KeyConditionExpression: new("pk = :p"), ExpressionAttributeValues: attrs{":p": str("a")},
					Select: types.SelectAllAttributes,
				}, same(""), item,
			},
			{
				"what is projected", sdk.QueryInput{
					IndexName: new("some"), KeyConditionExpression: new("pk = :p"), ExpressionAttributeValues: attrs{":p": str("a")},
					Select: types.SelectAllProjectedAttributes,
				}, same(""), attrs{"pk": str("a"), "sk": num("1"), "h": num("2"), "shown": str("s")},
			},
			{
				"a global index does not fetch", sdk.QueryInput{
					IndexName: new("keys"), KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attrs{":g": str("g")},
					Select: types.SelectAllAttributes,
				}, same(wrong + "Select type ALL_ATTRIBUTES is not supported for global secondary index keys because its projection type is not ALL"), nil,
			},
			{
				"consistently", sdk.QueryInput{
					IndexName: new("all"), KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attrs{":g": str("g")}, ConsistentRead: new(true),
				}, same("ValidationException: Consistent reads are not supported on global secondary indexes"), nil,
			},
			{
				"an index that is not there", sdk.QueryInput{
					IndexName: new("none"), KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attrs{":g": str("g")},
				}, same("ValidationException: The table does not have the specified index: none"), nil,
			},
			{
				"the table's key", sdk.QueryInput{
					IndexName: new("all"), KeyConditionExpression: new("pk = :g"), ExpressionAttributeValues: attrs{":g": str("g")},
				}, difference[string]{
					"ValidationException: Query condition missed key schema element: g", "ValidationException: Query condition missed key schema element",
					withEmbedded, "the text is that of real answers",
				}, nil,
			},
		} {
			c.in.TableName = &table
			out, err := db.Query(t.Context(), &c.in)
			require.Equal(t, c.want.of(t, db), failure(err), c.name)
			if err == nil && c.item == nil {
				require.Empty(t, out.Items, c.name)
			} else if err == nil {
				require.Equal(t, []attrs{c.item}, out.Items, c.name)
			}
		}
	})
}

func TestIndexKeysRefused(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.indexed(t)
		key := attrs{"pk": str("a"), "sk": num("1")}
		put := func(name string, v types.AttributeValue) error {
			item := maps.Clone(key)
			item[name] = v
			_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: item})
			return err
		}
		want := difference[string]{
			wrong + "Type mismatch for Index Key h Expected: N Actual: S IndexName: some", wrong + "Type mismatch for Index Key",
			withEmbedded, "the text is that of real answers",
		}
		require.Equal(t, want.of(t, db), failure(put("h", str("x"))))
		require.NoError(t, put("other", str("x")))
	})
}

func TestIndexIsMadeOfWhatIsThere(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for i := range 20 {
			item := attrs{"pk": str("a"), "sk": num(strconv.Itoa(i))}
			if i%2 == 0 {
				item["g"] = str("g")
			}
			db.put(t, table, item)
		}
		_, err := db.UpdateTable(t.Context(), &sdk.UpdateTableInput{
			TableName: &table, AttributeDefinitions: []types.AttributeDefinition{
				{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS},
				{AttributeName: new("sk"), AttributeType: types.ScalarAttributeTypeN},
				{AttributeName: new("g"), AttributeType: types.ScalarAttributeTypeS},
			},
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
				IndexName: new("late"), KeySchema: keyOf("g", "sk"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			}}},
		})
		require.NoError(t, err)
		for { // Local fills it in the background; the test's own limit ends a wait in vain
			out, err := db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
			if db.local && strings.HasPrefix(failure(err), "InternalFailure:") {
				continue // Local's answer while it puts the index in its place
			}
			require.NoError(t, err)
			if out.Table.GlobalSecondaryIndexes[0].IndexStatus == types.IndexStatusActive {
				break
			}
		}
		got := db.queryAll(t, sdk.QueryInput{
			TableName: &table, IndexName: new("late"), KeyConditionExpression: new("g = :g"), ExpressionAttributeValues: attrs{":g": str("g")}, Limit: new(int32(3)),
		})
		require.Equal(t, []string{"a/0", "a/2", "a/4", "a/6", "a/8", "a/10", "a/12", "a/14", "a/16", "a/18"}, keysOf(got))
	})
}
