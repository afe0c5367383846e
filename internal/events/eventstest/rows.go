// Package eventstest draws rows for property tests: items of all ten types that DynamoDB takes, with the names and
// values that are easy to damage on the way.
package eventstest

import (
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// MaxNesting is how many maps and lists DynamoDB allows inside each other, in an attribute.
const MaxNesting = 31

// Names are attribute names that some part of a system could take for something else: for syntax of JSON, of an
// expression or of PartiQL, for a reserved word, for a type, for a member of an answer.
var Names = []string{
	"a", "a.b", "a[0]", "#n", ":v", "it's", "''", "'", `"`, `""`, `\`, `\"`, "?", "':?", "{}", "],", "sp ace", " ", "\t", "\n", "\x00", "\x1f", "\x7f", "name", "status",
	"select", "S", "N", "M", "Item", "Items", "LastEvaluatedKey", "Keys", "NewImage", "op", "é", "e\u0301", "ключ", "键", "🔑", "\u2028", "\ufeff", "\ufffd", "null", "1", "-",
	"<&>", "%s", "${x}", "--", "/*", "crossfade",
}

// Texts are strings that are easy to damage.
var Texts = []string{
	"", "text", `"`, `\`, `\\"`, "'", "''", "it's", "/", `\/`, "\x00", "\b\f\n\r\t\x1f\x7f", "é", "e\u0301", "😀", "\U0010ffff", "\u2028\u2029", "\ufeff", "\ufffd", "<&>", "{}", `{"S":"x"}`,
	"null", "true", "1.0", " space ", "?", "%00",
}

// Numbers are within DynamoDB's limits, and mostly not what a binary float can hold.
var Numbers = []string{
	"0", "-0", "0.0", "1", "1.0", "1e0", "+1", "01", "1.50", "-1.5", ".5", "5.", "12345678901234567890123456789012345678", "-99999999999999999999999999999999999999",
	"0.1", "0.30000000000000004", "9007199254740993", "1E125", "9.9999999999999999999999999999999999999E125", "-9.9999999999999999999999999999999999999E+125", "1E-130",
	"-1e-130", "0.00000000000000000000000000000000000001", "1234567890123456789012345678901234567800",
}

// Binaries are base64.
var Binaries = []string{"", "AA==", "/+8=", "AAEC/w==", "YQ==", "gICA", "eyJTIjoieCJ9"}

// Quote is the JSON text of s; with escape, each rune of it is escaped.
func Quote(s string, escape bool) string {
	if !escape {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err) // no string fails
		}
		return string(b)
	}
	var w strings.Builder
	w.WriteByte('"')
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&w, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		} else {
			fmt.Fprintf(&w, `\u%04x`, r)
		}
	}
	w.WriteByte('"')
	return w.String()
}

func quoted(t *rapid.T, s string) string {
	return Quote(s, rapid.IntRange(0, 9).Draw(t, "escape") == 0)
}

// Text draws a string.
func Text(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom(Texts), rapid.String()).Draw(t, "text")
}

// Name draws an attribute's name.
func Name(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom(Names), rapid.StringN(1, 20, 60)).Draw(t, "name")
}

// Number draws the text of a number.
func Number(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom(Numbers), rapid.StringMatching(`-?[1-9][0-9]{0,18}(\.[0-9]{1,19})?`)).Draw(t, "number")
}

// Value draws a value of any type as DynamoDB JSON, with up to depth maps and lists inside each other.
func Value(t *rapid.T, depth int) string {
	kinds := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"}
	if depth > 0 {
		kinds = append(kinds, "M", "L")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "S":
		return `{"S":` + quoted(t, Text(t)) + `}`
	case "N":
		return `{"N":` + Quote(Number(t), false) + `}`
	case "B":
		return `{"B":` + Quote(rapid.SampledFrom(Binaries).Draw(t, "binary"), false) + `}`
	case "BOOL":
		return fmt.Sprintf(`{"BOOL":%t}`, rapid.Bool().Draw(t, "bool"))
	case "NULL":
		return `{"NULL":true}`
	case "SS":
		return set(t, kind, Texts)
	case "NS":
		return set(t, kind, []string{"-1.5", "0", "1.0", "2", "0.30000000000000004", "12345678901234567890123456789012345678"})
	case "BS":
		return set(t, kind, Binaries)
	case "L":
		return list(t, depth)
	default:
		return `{"M":{` + Attributes(t, depth-1, rapid.IntRange(0, 3).Draw(t, "members")) + `}}`
	}
}

func list(t *rapid.T, depth int) string {
	var all []string
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		all = append(all, Value(t, depth-1))
	}
	return `{"L":[` + strings.Join(all, ",") + `]}`
}

func set(t *rapid.T, kind string, of []string) string {
	all := rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, 4, rapid.ID[string]).Draw(t, "set")
	for i, e := range all {
		all[i] = Quote(e, false)
	}
	return `{"` + kind + `":[` + strings.Join(all, ",") + `]}`
}

// Deep is a value nested as deeply as DynamoDB allows.
func Deep() string {
	return strings.Repeat(`{"M":{"m":{"L":[`, MaxNesting/2) + `{"L":[{"S":"bottom"}]}` + strings.Repeat(`]}}}`, MaxNesting/2)
}

// Attributes draws n attributes with different names, none of them among except: the members of an item.
func Attributes(t *rapid.T, depth, n int, except ...string) string {
	used := map[string]bool{}
	for _, name := range except {
		used[name] = true
	}
	var all []string
	for range n {
		name := Name(t)
		if used[name] {
			continue // drawn twice
		}
		used[name] = true
		all = append(all, quoted(t, name)+":"+Value(t, depth))
	}
	return strings.Join(all, ",")
}

// Item draws the JSON of an item: the members of its key, then up to most others.
func Item(t *rapid.T, key string, most int, except ...string) string {
	others := Attributes(t, 4, rapid.IntRange(0, most).Draw(t, "attributes"), except...)
	if rapid.IntRange(0, 15).Draw(t, "deep") == 0 {
		key += `,"as deep as can be":` + Deep()
	}
	switch {
	case others == "":
		return "{" + key + "}"
	case rapid.Bool().Draw(t, "key first"):
		return "{" + key + "," + others + "}"
	default:
		return "{" + others + "," + key + "}"
	}
}
