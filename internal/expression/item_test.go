package expression

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const everything = `{"B":{"B":"AP8="},"BOOL":{"BOOL":false},"BS":{"BS":["AA==","AQ=="]},"L":{"L":[{"L":[]},{"N":"1.50"}]},` +
	`"M":{"M":{"x":{"M":{}}}},"N":{"N":"12345678901234567890123456789012345678"},"NS":{"NS":["-1","0.5","10"]},"NULL":{"NULL":true},` +
	`"S":{"S":""},"SS":{"SS":["","🙂"]},"a.b[0] #it's \"\\":{"S":"<&>\u2028"}}`

func TestItemComesBack(t *testing.T) {
	t.Parallel()
	item, err := ParseItem([]byte(everything))
	require.NoError(t, err)
	again, err := ParseItem(item.Append(nil))
	require.NoError(t, err)
	require.Equal(t, item, again)
	require.True(t, item.Equal(again))
	require.Equal(t, strings.ReplaceAll(everything, `\u2028`, "\u2028"), string(item.Append(nil)))
}

func TestItemRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":{}}`:                      "Supplied AttributeValue is empty",
		`{"a":{"X":"b"}}`:               "Supplied AttributeValue is empty",
		`{"a":{"S":"b","N":"1"}}`:       "more than one datatypes",
		`{"a":{"S":1}}`:                 "invalid JSON",
		`{"a":{"BOOL":"true"}}`:         "invalid JSON",
		`{"a":{"B":"*"}}`:               "Invalid base64",
		`{"a":{"SS":[]}}`:               "An string set  may not be empty",
		`{"a":{"NS":["1","1.0"]}}`:      "Input collection contains duplicates",
		`{"a":{"L":[{"NULL":false}]}}`:  "Null attribute value types must have the value of true",
		`{"a":{"M":{"":{"S":"x"}}}}`:    "Empty attribute name",
		`{"a":{"S":"b"}`:                "invalid JSON",
		`[]`:                            "invalid JSON",
		``:                              "invalid JSON",
		`{"a":{"S":"b"},"a":{"S":"c"}}`: "invalid JSON",
	} {
		_, err := ParseItem([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestUpdateLeavesTheItem(t *testing.T) {
	t.Parallel()
	item := MustParseItem([]byte(`{"l":{"L":[{"S":"0"},{"M":{"x":{"N":"1"}}}]},"m":{"M":{"a":{"S":"b"}}},"s":{"SS":["a","b"]}}`))
	before := string(item.Append(nil))
	scope := NewScope(nil, map[string]Value{":v": {Kind: Num, Text: "7"}, ":s": {Kind: StringSet, Set: []string{"b"}}})
	update, err := scope.Update("UpdateExpression", "SET m.c = :v, l[1].x = :v, l[4] = m REMOVE l[0], m.a DELETE s :s")
	require.NoError(t, err)
	require.NoError(t, scope.Unused())
	after, err := update.Apply(item)
	require.NoError(t, err)
	require.Equal(t, before, string(item.Append(nil)))
	require.Equal(t, `{"l":{"L":[{"M":{"x":{"N":"7"}}},{"M":{"a":{"S":"b"}}}]},"m":{"M":{"c":{"N":"7"}}},"s":{"SS":["a"]}}`, string(after.Append(nil)))
}

func TestProjection(t *testing.T) {
	t.Parallel()
	item := MustParseItem([]byte(`{"l":{"L":[{"S":"0"},{"M":{"x":{"N":"1"},"y":{"N":"2"}}},{"S":"2"}]},"m":{"M":{"a":{"S":"b"},"c":{"M":{}}}},"s":{"S":"x"}}`))
	for text, want := range map[string]string{
		"s":                    `{"s":{"S":"x"}}`,
		"l[2], l[0]":           `{"l":{"L":[{"S":"0"},{"S":"2"}]}}`,
		"l[1].y, m.a":          `{"l":{"L":[{"M":{"y":{"N":"2"}}}]},"m":{"M":{"a":{"S":"b"}}}}`,
		"l[9], m.zz, s.x, m.c": `{"m":{"M":{"c":{"M":{}}}}}`,
		"absent":               `{}`,
	} {
		p, err := NewScope(nil, nil).Projection("ProjectionExpression", text)
		require.NoError(t, err, text)
		require.Equal(t, want, string(p.Of(item).Append(nil)), text)
	}
	_, err := NewScope(nil, nil).Projection("ProjectionExpression", "m, m.a")
	require.ErrorContains(t, err, "Two document paths overlap")
}

func TestScopeCheck(t *testing.T) {
	t.Parallel()
	for _, scope := range []*Scope{
		NewScope(map[string]string{}, nil), NewScope(map[string]string{"a": "b"}, nil), NewScope(map[string]string{"#": "b"}, nil),
		NewScope(nil, map[string]Value{}), NewScope(nil, map[string]Value{"v": {}}), NewScope(nil, map[string]Value{":a-b": {}}),
	} {
		require.Error(t, scope.Check())
	}
	require.NoError(t, NewScope(map[string]string{"#a_1": "b"}, map[string]Value{":v": {}}).Check())
}

func TestNestedTooDeep(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("(", 5000)
	_, err := NewScope(nil, nil).Condition("ConditionExpression", text)
	require.ErrorContains(t, err, "Expression size has exceeded")
	_, err = ParseItem([]byte(`{"a":` + strings.Repeat(`{"L":[`, 9000)))
	require.Error(t, err)
}
