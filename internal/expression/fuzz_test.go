package expression

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func fuzzScope() *Scope {
	return NewScope(map[string]string{"#a": "a", "#odd": "it's.a[0]"}, map[string]Value{
		":n": {Kind: Num, Text: "1.5"}, ":s": {Kind: String, Text: "x"}, ":ss": {Kind: StringSet, Set: []string{"a", "x"}},
		":l": {Kind: List, List: []Value{{Kind: Null}}}, ":b": {Kind: Binary, Text: "\x00"},
	})
}

func fuzzItem() Item {
	return MustParseItem([]byte(`{"a":{"N":"1"},"b":{"L":[{"S":"x"},{"M":{"c":{"SS":["a"]}}}]},"s":{"S":"xyz"},"it's.a[0]":{"B":"AA=="},"deep":{"L":[{"L":[{"S":"a"}]},{"L":[{"S":"b"},{"S":"c"}]},{"L":[{"S":"d"},{"S":"e"}]}]}}`))
}

// FuzzCondition: a parser never panics, and what it accepts can be evaluated; NOT turns the answer around.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		"attribute_not_exists(#a) OR #a < :n", "a BETWEEN :n AND :n AND NOT (b[1].c IN (:ss, :s))",
		"begins_with(s, :s) and contains(b, :s)", "size(b) >= :n", "attribute_type(#odd, :s)", "((a = :n))", "(a) = (:n) AND (size((b))) IN (:n, (a))", "(a = :n AND (s) BETWEEN :s AND (s))", "((((((((a", "a = = b", "x[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := fuzzScope().Condition("ConditionExpression", text)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		holds := c.Holds(fuzzItem())
		c.Holds(nil)
		const not = "NOT (attribute_exists(nothing) OR "
		if len(not)+len(text)+1 <= maxExpressionBytes {
			negated, err := fuzzScope().Condition("ConditionExpression", not+text+")")
			require.NoError(t, err)
			require.Equal(t, !holds, negated.Holds(fuzzItem()))
		}
	})
}

// FuzzKeyCondition: what the parser accepts are clauses that can be asked of a key, and say together what the
// expression says as a condition.
func FuzzKeyCondition(f *testing.F) {
	for _, seed := range []string{
		"pk = :s AND sk BETWEEN :n AND :n", "(pk = :s) AND (begins_with(sk, :s))", ":n < sk AND :s = pk", "pk = :s OR sk = :n", "pk <> :s", "sk >= :n AND sk <= :n", "pk = :s AND sk >= :n AND sk <= :n",
		"NOT pk = :s", "pk = sk", "a.b = :s", "size(pk) = :n", "pk IN (:s)", "pk", ":s = :s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clauses, err := fuzzScope().KeyCondition(text)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		condition, err := fuzzScope().Condition("KeyConditionExpression", text)
		require.NoError(t, err)
		for _, item := range []Item{fuzzItem(), MustParseItem([]byte(`{"pk":{"S":"x"},"sk":{"N":"1.5"}}`)), MustParseItem([]byte(`{"pk":{"S":"xy"},"sk":{"S":"x"}}`))} {
			all := true
			for _, c := range clauses {
				require.NotEmpty(t, c.Values)
				v, ok := item[c.Name]
				all = all && ok && c.Holds(v)
			}
			require.Equal(t, condition.Holds(item), all, "%+v", clauses)
		}
	})
}

// FuzzUpdate: what the parser accepts can be applied, leaves its argument alone, and makes an item that can be stored.
func FuzzUpdate(f *testing.F) {
	for _, seed := range []string{
		"SET a = a + :n, b[1].c = :s REMOVE s ADD x :n DELETE y :ss", "SET b = list_append(if_not_exists(z, :l), b)",
		"REMOVE b[0], b[1]", "SET b[7] = :s, b[9] = a - :n", "SET a = (a + :n)", "SET", "ADD b[1].c :ss", "REMOVE b[1] SET b[0] = :l",
		"REMOVE b[0], b[1].c[0]", "REMOVE deep[0], deep[1][0], deep[2][1]", "SET a = ((a))", "SET a = (:n) - (a)", "SET s = if_not_exists((z), (s))",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := fuzzScope().Update("UpdateExpression", text)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		item := fuzzItem()
		after, err := u.Apply(item)
		require.True(t, item.Equal(fuzzItem()), "the item has changed")
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		again, err := ParseItem(after.Append(nil))
		require.NoError(t, err, "%s", after.Append(nil))
		require.True(t, after.Equal(again))
	})
}

// FuzzProjection: a projection of an item is again one that projects to itself, unless list elements closed up.
func FuzzProjection(f *testing.F) {
	for _, seed := range []string{"a, b[1].c, #odd", "b[0]", "#a.x", "a,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := fuzzScope().Projection("ProjectionExpression", text)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		part := p.Of(fuzzItem())
		require.LessOrEqual(t, part.Size(), fuzzItem().Size())
	})
}

// FuzzItem: what ParseItem accepts comes back from its own bytes.
func FuzzItem(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"a":{"S":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		item, err := ParseItem(raw)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		bytes := item.Append(nil)
		again, err := ParseItem(bytes)
		require.NoError(t, err, "%s", bytes)
		require.True(t, item.Equal(again))
		require.Equal(t, bytes, again.Append(nil))
		require.Equal(t, item.Size(), again.Size())
	})
}
