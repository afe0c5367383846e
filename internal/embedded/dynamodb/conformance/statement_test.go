package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func TestSelects(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for _, sk := range []string{"1", "2", "3"} {
			db.put(t, table, attrs{"pk": str("a"), "sk": num(sk), "f": str("x" + sk), "m": obj(attrs{"n": num(sk)})})
		}
		for text, want := range map[string][]attrs{
			`SELECT sk FROM "` + table + `" WHERE pk = 'a' AND sk > 1`:                         {{"sk": num("2")}, {"sk": num("3")}},
			`SELECT sk FROM "` + table + `" WHERE pk = 'a' AND f = 'x2'`:                       {{"sk": num("2")}},
			`SELECT m.n FROM "` + table + `" WHERE pk = 'a' AND sk = 3`:                        {{"n": num("3")}},
			`SELECT sk FROM "` + table + `" WHERE pk = 'a' AND (sk = 1 OR f = 'x3')`:           {{"sk": num("1")}, {"sk": num("3")}},
			`SELECT sk FROM "` + table + `" WHERE pk = 'a' AND begins_with(f, 'x') AND sk < 2`: {{"sk": num("1")}},
			`SELECT sk FROM "` + table + `" WHERE pk = 'b'`:                                    {},
		} {
			out, err := db.ExecuteStatement(t.Context(), &sdk.ExecuteStatementInput{Statement: &text, ConsistentRead: new(true)})
			require.NoError(t, err, text)
			require.Equal(t, want, append([]attrs{}, out.Items...), text)
		}
	})
}

func TestTransactionsOfStatements(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		run := func(texts ...string) (*sdk.ExecuteTransactionOutput, error) {
			in := &sdk.ExecuteTransactionInput{}
			for _, text := range texts {
				in.TransactStatements = append(in.TransactStatements, types.ParameterizedStatement{Statement: &text})
			}
			return db.ExecuteTransaction(t.Context(), in)
		}
		insert := func(pk string) string { return `INSERT INTO "` + table + `" VALUE {'pk': '` + pk + `', 'n': 1}` }
		_, err := run(insert("a"), insert("b"))
		require.NoError(t, err)
		_, err = run(`UPDATE "`+table+`" SET n = n + 1 WHERE pk = 'a'`, `DELETE FROM "`+table+`" WHERE pk = 'b'`)
		require.NoError(t, err)
		require.Equal(t, attrs{"pk": str("a"), "n": num("2")}, db.get(t, table, attrs{"pk": str("a")}))
		require.Nil(t, db.get(t, table, attrs{"pk": str("b")}))

		_, err = run(insert("c"), insert("a"))
		const canceled = "TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons "
		want := difference[string]{canceled + "[None, DuplicateItem]", canceled + "[None, ValidationError]", withEmbedded, "the code has a name of its own in the service's reference"}
		require.Equal(t, want.of(t, db), failure(err))
		require.Nil(t, db.get(t, table, attrs{"pk": str("c")}), "all or nothing")

		out, err := run(`SELECT * FROM "`+table+`" WHERE pk = 'a'`, `SELECT * FROM "`+table+`" WHERE pk = 'c'`)
		require.NoError(t, err)
		require.Equal(t, attrs{"pk": str("a"), "n": num("2")}, out.Responses[0].Item)
		require.Nil(t, out.Responses[1].Item)
	})
}

func TestTags(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		if db.local {
			t.Skip("Local knows no tags")
		}
		table := db.table(t, "", "")
		described, err := db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
		require.NoError(t, err)
		arn := described.Table.TableArn
		_, err = db.TagResource(t.Context(), &sdk.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("")}}})
		require.NoError(t, err)
		_, err = db.TagResource(t.Context(), &sdk.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: new("a"), Value: new("2")}}})
		require.NoError(t, err)
		_, err = db.UntagResource(t.Context(), &sdk.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"b", "absent"}})
		require.NoError(t, err)
		out, err := db.ListTagsOfResource(t.Context(), &sdk.ListTagsOfResourceInput{ResourceArn: arn})
		require.NoError(t, err)
		require.Equal(t, []types.Tag{{Key: new("a"), Value: new("2")}}, out.Tags)
	})
}
