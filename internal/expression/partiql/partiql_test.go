package partiql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/expression"
)

func text(s string) expression.Value { return expression.Value{Kind: expression.String, Text: s} }
func num(s string) expression.Value  { return expression.Value{Kind: expression.Num, Text: s} }

func TestParse(t *testing.T) {
	for statement, want := range map[string]Statement{
		`SELECT * FROM "orders"`: {Kind: Select, Table: "orders"},
		`select a, b.c[2] from orders."by-day" where pk = ? and "it""s" >= 5`: {
			Kind: Select, Table: "orders", Index: "by-day", Projection: "#n0, #n1.#n2[2]", Columns: []string{"a", "c[2]"},
			Where: []Conjunct{{"#n3 = :v0", "pk", new(text("p"))}, {Text: "#n4 >= :v1"}},
			Names: map[string]string{"#n0": "a", "#n1": "b", "#n2": "c", "#n3": "pk", "#n4": `it"s`}, Values: map[string]expression.Value{":v0": text("p"), ":v1": num("5")},
		},
		`SELECT * FROM t WHERE a = 1 AND (b = 2 OR NOT c BETWEEN 1 AND 2)`: {
			Kind: Select, Table: "t", Where: []Conjunct{{"#n0 = :v0", "a", new(num("1"))}, {Text: "(#n1 = :v1 OR NOT #n2 BETWEEN :v2 AND :v3)"}},
			Names: map[string]string{"#n0": "a", "#n1": "b", "#n2": "c"}, Values: map[string]expression.Value{":v0": num("1"), ":v1": num("2"), ":v2": num("1"), ":v3": num("2")},
		},
		`SELECT * FROM t WHERE a = 1 OR b = 2 AND c = 3`: {
			Kind: Select, Table: "t", Where: []Conjunct{{Text: "(#n0 = :v0 OR #n1 = :v1 AND #n2 = :v2)"}},
			Names: map[string]string{"#n0": "a", "#n1": "b", "#n2": "c"}, Values: map[string]expression.Value{":v0": num("1"), ":v1": num("2"), ":v2": num("3")},
		},
		`SELECT * FROM t WHERE begins_with(a, 'x') AND a IN ['x', 'y'] AND b IS MISSING AND c IS NOT MISSING AND size(d) != 2`: {
			Kind: Select, Table: "t", Where: []Conjunct{
				{Text: "begins_with(#n0, :v0)"},
				{Text: "#n0 IN (:v1, :v2)"},
				{Text: "attribute_not_exists(#n1)"},
				{Text: "attribute_exists(#n2)"},
				{Text: "size(#n3) <> :v3"},
			},
			Names: map[string]string{"#n0": "a", "#n1": "b", "#n2": "c", "#n3": "d"}, Values: map[string]expression.Value{":v0": text("x"), ":v1": text("x"), ":v2": text("y"), ":v3": num("2")},
		},
		`INSERT INTO "t" VALUE {'pk': ?, 'm': {'l': [1, TRUE, NULL], 's': <<'b', 'a'>>}}`: {
			Kind: Insert, Table: "t", Item: expression.Item{
				"pk": text("p"),
				"m": {Kind: expression.Map, Map: expression.Item{
					"l": {Kind: expression.List, List: []expression.Value{num("1"), {Kind: expression.Bool, Bool: true}, {Kind: expression.Null}}},
					"s": {Kind: expression.StringSet, Set: []string{"a", "b"}},
				}},
			},
		},
		`UPDATE t SET a = a + 1 SET s = set_add(s, <<'x'>>), b = 'y' REMOVE c, d WHERE pk = ? RETURNING MODIFIED NEW *`: {
			Kind: Update, Table: "t", Update: "SET #n0 = #n0 + :v0, #n2 = :v2 REMOVE #n3, #n4 ADD #n1 :v1", Returning: "UPDATED_NEW",
			Where: []Conjunct{{"#n5 = :v3", "pk", new(text("p"))}},
			Names: map[string]string{"#n0": "a", "#n1": "s", "#n2": "b", "#n3": "c", "#n4": "d", "#n5": "pk"},
			Values: map[string]expression.Value{
				":v0": num("1"), ":v1": {Kind: expression.StringSet, Set: []string{"x"}}, ":v2": text("y"), ":v3": text("p"),
			},
		},
		`DELETE FROM "t" WHERE pk = ? RETURNING ALL OLD *;`: {
			Kind: Delete, Table: "t", Returning: "ALL_OLD", Where: []Conjunct{{"#n0 = :v0", "pk", new(text("p"))}},
			Names: map[string]string{"#n0": "pk"}, Values: map[string]expression.Value{":v0": text("p")},
		},
	} {
		t.Run(statement, func(t *testing.T) {
			var parameters []expression.Value
			if strings.Contains(statement, "?") {
				parameters = append(parameters, text("p"))
			}
			got, err := Parse(statement, parameters)
			require.NoError(t, err)
			got.placeholders = nil
			if want.Names == nil {
				want.Names = map[string]string{}
			}
			if want.Values == nil {
				want.Values = map[string]expression.Value{}
			}
			require.Equal(t, want, *got)
			require.Equal(t, want.Table, Table(statement))
		})
	}
}

func TestEqual(t *testing.T) {
	s, err := Parse(`SELECT * FROM t WHERE pk = 'a' AND sk > 1 AND sk = 2 AND pk = 'b' AND x = 3`, nil)
	require.NoError(t, err)
	key, equal, rest := s.Equal("pk", "sk")
	require.Equal(t, expression.Item{"pk": text("a"), "sk": num("2")}, key)
	require.Equal(t, []string{"#n0 = :v0", "#n1 = :v2"}, equal)
	require.Equal(t, []string{"#n1 > :v1", "#n0 = :v3", "#n2 = :v4"}, rest, "what is said twice stays a condition")
}

func TestRefused(t *testing.T) {
	const bad = "Statement wasn't well formed, can't be processed: "
	for statement, want := range map[string]string{
		``:                                        bad + "unknown statement",
		`SELECT * FROM t ORDER BY a`:              bad + "ORDER BY is not covered",
		`SELECT * FROM t WHERE`:                   bad + "a value expected",
		`SELECT * FROM t WHERE a`:                 bad + "a comparison expected",
		`SELECT * FROM t WHERE a = 'x`:            bad + "a quote is not closed",
		`INSERT INTO t VALUE {'a': 1, 'a': 2}`:    "Duplicate attribute in statement: a",
		`INSERT INTO t VALUE {'': 1}`:             "Empty attribute name",
		`INSERT INTO t VALUE {'a': <<1, 'x'>>}`:   bad + "a set has texts, numbers or bytes, and one of the three",
		`INSERT INTO t VALUE {'a': <<'x', 'x'>>}`: "One or more parameter values were invalid: Input collection [x, x] contains duplicates.",
		`INSERT INTO t VALUE {'a': ?}`:            "Number of parameters in request and statement don't match.",
		`UPDATE t SET a = 1`:                      bad + "SET, REMOVE or WHERE expected",
		`DELETE FROM t`:                           bad + "WHERE expected",
		`DELETE FROM t WHERE a = 1 RETURNING x`:   bad + "RETURNING ALL or MODIFIED, OLD or NEW, *",
	} {
		t.Run(statement, func(t *testing.T) {
			_, err := Parse(statement, nil)
			require.EqualError(t, err, want)
		})
	}
}

// FuzzStatement: a statement is refused, or its expressions are such that DynamoDB's other language has them; and an INSERT
// says the same when it is written down again.
func FuzzStatement(f *testing.F) {
	for _, seed := range []string{
		`INSERT INTO "orders" VALUE {'pk':?,'it''s':?}`, `insert into orders value { 'a' : ? , '' : ? }`, `INSERT INTO "a""b" VALUE {'''':?,'?':?}`, `INSERT INTO "t" VALUE {}`,
		`INSERT INTO "t" VALUE {'a':?,'a':?}`, `INSERT INTO "t" VALUE {'a':?,'b':?} RETURNING`, `INSERT INTO "t" VALUE {'a':?,'b':?`, `INSERT INTO "t" VALUE {'a':?,}`, `INSERT`, ``, `INSERT INTO`,
		`SELECT * FROM "t"`, `INSERT INTO "t" VALUE {'a:?,'b':?}`, `INSERTINTO"t"VALUE{'a':?,'b':?}`, "INSERT INTO \"t\" VALUE {'\x00':?,'\xff':?}", `INSERT INTO "t" VALUE {'🔑':?,'a.b[0]':?}`,
		`SELECT a.b, c FROM t."i" WHERE a = ? AND NOT (b < ? OR c IS MISSING)`, `UPDATE t SET a = list_append(a, ?) REMOVE b[1] WHERE k = ? RETURNING ALL NEW *`, `DELETE FROM t WHERE a = ? AND b = ?`,
	} {
		f.Add(seed)
	}
	parameters := []expression.Value{text("1"), num("2")}
	f.Fuzz(func(t *testing.T, statement string) {
		s, err := Parse(statement, parameters)
		Table(statement)
		if err != nil {
			require.ErrorAs(t, err, new(*expression.Error))
			return // refused
		}
		if s.Kind != Insert {
			return
		}
		var members []string
		var values []expression.Value
		for name, value := range s.Item {
			require.NotEmpty(t, name)
			members = append(members, "'"+strings.ReplaceAll(name, "'", "''")+"':?")
			values = append(values, value)
		}
		again := `INSERT INTO "` + strings.ReplaceAll(s.Table, `"`, `""`) + `" VALUE {` + strings.Join(members, ",") + `}`
		s2, err := Parse(again, values)
		require.NoError(t, err, "%q", again)
		require.Equal(t, s.Table, s2.Table)
		require.True(t, s.Item.Equal(s2.Item))
	})
}
