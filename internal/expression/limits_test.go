package expression

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpressionLimits(t *testing.T) {
	t.Parallel()
	values := map[string]Value{":s": {Kind: String, Text: "abc"}, ":n": {Kind: Num, Text: "3"}}
	for text, want := range map[string]string{
		"a<b" + strings.Repeat(" OR a<b", 149):           "", // 299 operators
		"(a<b)" + strings.Repeat(" OR (a<b)", 149):       "", // parentheses are none
		"a<b" + strings.Repeat(" OR a<b", 150):           "too many operators; operator count: 301",
		strings.Repeat("NOT ", 301) + "a<b":              "too many operators; operator count: 301",
		"size(:s) = :n":                                  "",
		"size(:n) = :n":                                  "operator or function: size, operand type: N",
		"size(a, b) = :n":                                "operator or function: size, number of operands: 2",
		"size(a,) = :n":                                  "Syntax error; token: \")\"",
		"_a = :n":                                        "Syntax error; token: \"_\"",
		"a._b = :n":                                      "Syntax error; token: \"_\"",
		"a[99999999999999] = :n":                         "List index is not within the allowable range",
		strings.Repeat(" ", maxExpressionBytes) + "a=:n": "Expression size has exceeded the maximum allowed size",
	} {
		_, err := NewScope(nil, values).Condition("ConditionExpression", text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestNamesOfAttributes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "", strings.Repeat("a", 65535): "", "": "Empty attribute name", strings.Repeat("a", 65536): "Attribute name is too large",
	} {
		err := NewScope(map[string]string{"#a": name}, nil).Check()
		_, alsoErr := ParseItem([]byte(`{"` + name + `":{"S":"x"}}`))
		if want == "" {
			require.NoError(t, err)
			require.NoError(t, alsoErr)
			continue
		}
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, alsoErr, want)
	}
}

func TestPathsOfACondition(t *testing.T) {
	t.Parallel()
	c, err := NewScope(nil, map[string]Value{":v": {Kind: String, Text: "x"}}).Condition("FilterExpression",
		"a = :v AND NOT (b.c IN (:v, d) OR size(e[0]) > f) AND begins_with(g, h) AND contains(:v, i) AND attribute_type(j, :v) OR attribute_exists(k) OR l BETWEEN :v AND m")
	require.ErrorContains(t, err, "Invalid attribute type name")
	require.Nil(t, c)
	c, err = NewScope(nil, map[string]Value{":v": {Kind: String, Text: "S"}}).Condition("FilterExpression",
		"a = :v AND NOT (b.c IN (:v, d) OR size(e[0]) > f) AND begins_with(g, h) AND contains(:v, i) AND attribute_type(j, :v) OR attribute_exists(k) OR l BETWEEN :v AND m")
	require.NoError(t, err)
	var tops []string
	for _, p := range c.Paths() {
		tops = append(tops, p.Top())
	}
	require.Equal(t, strings.Split("a b d e f g h i j k l l m", " "), tops)
}
