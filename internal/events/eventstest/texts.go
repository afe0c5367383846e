package eventstest

import (
	"fmt"
	"math/big"
	"strings"

	"pgregory.net/rapid"
)

// Space draws white space as JSON allows it, often none.
func Space(t *rapid.T) string {
	return rapid.StringMatching(`([ \t\r\n]{0,3})?`).Draw(t, "space")
}

// Quoted draws one of the JSON texts of s.
func Quoted(t *rapid.T, s string) string {
	return Quote(s, rapid.Bool().Draw(t, "escape"))
}

// Strings draws any strings, and often those that are easy to damage.
var Strings = rapid.OneOf(
	rapid.String(),
	rapid.SampledFrom([]string{"", "pk", "S", `"`, `\`, "é", "e\u0301", "😀", "\x00", "a.b#c", "it's", "{}", "],", `{"S":"x"}`, "\u2028", "<&>"}),
)

// TypedValue draws one of the ten types, nested to a depth, spaced at will.
func TypedValue(t *rapid.T, depth int) string {
	kinds := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"}
	if depth > 0 {
		kinds = append(kinds, "M", "L")
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	var value string
	switch kind {
	case "S":
		value = Quoted(t, Strings.Draw(t, "string"))
	case "N":
		value = `"` + rapid.StringMatching(`-?[0-9]{1,38}(\.0{1,3})?`).Draw(t, "number") + `"`
	case "B":
		value = rapid.SampledFrom([]string{`""`, `"AA=="`, `"/+8="`}).Draw(t, "binary")
	case "BOOL":
		value = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case "NULL":
		value = "true"
	case "SS", "NS", "BS":
		value = rapid.SampledFrom([]string{`["1"]`, `["1" , "2"]`, `[ "0","1" ]`}).Draw(t, "set")
	case "L":
		var all []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			all = append(all, TypedValue(t, depth-1))
		}
		value = "[" + Space(t) + strings.Join(all, Space(t)+",") + "]"
	case "M":
		var all []string
		for i := range rapid.IntRange(0, 3).Draw(t, "members") {
			name := Strings.Draw(t, "name") + fmt.Sprint(i)
			all = append(all, Quoted(t, name)+Space(t)+":"+TypedValue(t, depth-1))
		}
		value = "{" + strings.Join(all, ","+Space(t)) + Space(t) + "}"
	}
	return "{" + Space(t) + `"` + kind + `"` + Space(t) + ":" + Space(t) + value + Space(t) + "}"
}

// Spelling is a number and one of the many ways to write it.
type Spelling struct {
	Text  string
	Value *big.Rat
}

// Spellings draws ways to write one number: other places of the point, zeros around, a sign, an exponent.
func Spellings(t *rapid.T, sign, digits string, exponent int) string {
	zeros := rapid.IntRange(0, 5)
	back := zeros.Draw(t, "zeros behind")
	digits += strings.Repeat("0", back)
	exponent -= back
	digits = strings.Repeat("0", zeros.Draw(t, "zeros before")) + digits
	point := rapid.IntRange(0, len(digits)).Draw(t, "point")
	exponent += len(digits) - point
	text := digits[:point]
	if point < len(digits) || rapid.Bool().Draw(t, "bare point") {
		text += "." + digits[point:]
	}
	if sign == "" && rapid.Bool().Draw(t, "plus") {
		sign = "+"
	}
	e := rapid.SampledFrom([]string{"e", "E"}).Draw(t, "e")
	if exponent >= 0 && rapid.Bool().Draw(t, "plus of the exponent") {
		e += "+"
	}
	if exponent == 0 && rapid.Bool().Draw(t, "no exponent") {
		return sign + text
	}
	return sign + text + e + big.NewInt(int64(exponent)).String()
}

// DrawSpelling draws a number within DynamoDB's limits, in one of its spellings.
func DrawSpelling(t *rapid.T, name string) Spelling {
	digits := rapid.StringMatching(`[1-9][0-9]{0,37}`).Draw(t, name)
	top := rapid.OneOf(rapid.IntRange(-130, 125), rapid.IntRange(-3, 45)).Draw(t, "top")
	sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
	text := Spellings(t, sign, digits, top-len(digits)+1)
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number to math/big", text)
	}
	return Spelling{text, value}
}
