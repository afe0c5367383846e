package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var pkOnly = KeySchema{{Name: "pk", Type: "S"}}

func requireReason(t require.TestingT, err error, want Reason) {
	invalid, ok := errors.AsType[*Invalid](err)
	require.True(t, ok, "%v is no *Invalid", err)
	require.Equal(t, want, invalid.Reason, err.Error())
	require.NotEmpty(t, invalid.Error())
}

// space draws white space as JSON allows it, often none.
func space(t *rapid.T) string {
	return rapid.StringMatching(`([ \t\r\n]{0,3})?`).Draw(t, "space")
}

// quoted draws one of the JSON texts of s.
func quoted(t *rapid.T, s string) string {
	b, err := json.Marshal(s)
	require.NoError(t, err)
	if rapid.Bool().Draw(t, "escape") {
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
		return w.String() + `"`
	}
	return string(b)
}

var strangeStrings = rapid.OneOf(
	rapid.String(),
	rapid.SampledFrom([]string{"", "pk", "S", `"`, `\`, "é", "e\u0301", "😀", "\x00", "a.b#c", "it's", "{}", "],", `{"S":"x"}`, "\u2028", "<&>"}),
)

// typedValue draws one of the ten types, nested to a depth, spaced at will.
func typedValue(t *rapid.T, depth int) string {
	kinds := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"}
	if depth > 0 {
		kinds = append(kinds, "M", "L")
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	var value string
	switch kind {
	case "S":
		value = quoted(t, strangeStrings.Draw(t, "string"))
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
			all = append(all, typedValue(t, depth-1))
		}
		value = "[" + space(t) + strings.Join(all, space(t)+",") + "]"
	case "M":
		var all []string
		for i := range rapid.IntRange(0, 3).Draw(t, "members") {
			name := strangeStrings.Draw(t, "name") + fmt.Sprint(i)
			all = append(all, quoted(t, name)+space(t)+":"+typedValue(t, depth-1))
		}
		value = "{" + strings.Join(all, ","+space(t)) + space(t) + "}"
	}
	return "{" + space(t) + `"` + kind + `"` + space(t) + ":" + space(t) + value + space(t) + "}"
}

// Item finds exactly the bytes that stand between the commas, whatever the names, spaces and values are.
func TestItemKeepsBytes(t *testing.T) {
	d := NewDecoder(pkOnly)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(strangeStrings, 0, 12, func(s string) string { return s }).Draw(t, "names")
		values := make([]string, len(names))
		var text strings.Builder
		text.WriteString(space(t) + "{")
		for i, name := range names {
			values[i] = typedValue(t, 3)
			if i > 0 {
				text.WriteString(",")
			}
			text.WriteString(space(t) + quoted(t, name) + space(t) + ":" + space(t) + values[i] + space(t))
		}
		text.WriteString("}" + space(t))

		raw := []byte(text.String())
		item, err := d.Item(raw)
		require.NoError(t, err, text.String())
		require.Equal(t, text.String(), string(raw), "decoding must not write to its input")
		require.Equal(t, text.String(), string(item.Raw))
		require.Len(t, item.Attributes, len(names))
		for i, a := range item.Attributes {
			require.Equal(t, names[i], a.Name)
			require.Equal(t, values[i], string(a.Value))
			require.Equal(t, len(a.Value), cap(a.Value), "appending to a value must not reach the next")
			require.Equal(t, values[i], string(item.Attribute(names[i])))
		}
		require.Nil(t, item.Attribute("no such name"))
	})
}

func TestItemRefuses(t *testing.T) {
	d := NewDecoder(pkOnly)
	for name, text := range map[string]string{
		"nothing":                    ``,
		"space":                      ` `,
		"null":                       `null`,
		"an array":                   `[]`,
		"a string":                   `"pk"`,
		"not closed":                 `{"pk":{"S":"1"}`,
		"value not closed":           `{"pk":{"S":"1"`,
		"string not closed":          `{"pk":{"S":"1}}`,
		"garbage behind":             `{"pk":{"S":"1"}} x`,
		"two items":                  `{"pk":{"S":"1"}}{"pk":{"S":"1"}}`,
		"a closing brace behind":     `{"pk":{"S":"1"}}}`,
		"a comma at the end":         `{"pk":{"S":"1"},}`,
		"no comma":                   `{"pk":{"S":"1"}"a":{"S":"1"}}`,
		"a duplicate name":           `{"pk":{"S":"1"},"pk":{"S":"1"}}`,
		"a duplicate name, escaped":  `{"pk":{"S":"1"},"p\u006b":{"S":"2"}}`,
		"a nested duplicate":         `{"pk":{"M":{"a":{"S":"1"},"a":{"S":"1"}}}}`,
		"the type twice":             `{"pk":{"S":"1","S":"2"}}`,
		"two types":                  `{"pk":{"S":"1","N":"2"}}`,
		"a type and an unknown one":  `{"pk":{"S":"1","x":"2"}}`,
		"an unknown type first":      `{"pk":{"x":"2","S":"1"}}`,
		"two types of nested values": `{"pk":{"L":[{"S":"1"},{"S":"2"}],"S":"x"}}`,
		"no type":                    `{"pk":{}}`,
		"an unknown type":            `{"pk":{"X":"1"}}`,
		"a type in small letters":    `{"pk":{"s":"1"}}`,
		"a longer name":              `{"pk":{"SSS":["1"]}}`,
		"an untyped string":          `{"pk":"1"}`,
		"an untyped number":          `{"pk":1}`,
		"an untyped array":           `{"pk":["S","1"]}`,
		"null as a value":            `{"pk":null}`,
		"invalid UTF-8":              "{\"pk\":{\"S\":\"\xff\"}}",
		"invalid UTF-8 in a name":    "{\"p\xff\":{\"S\":\"1\"}}",
		"half a surrogate pair":      `{"pk":{"S":"\ud83d"}}`,
		"a raw control character":    "{\"pk\":{\"S\":\"\x00\"}}",
		"a byte order mark":          "\ufeff" + `{"pk":{"S":"1"}}`,
		"a bad escape":               `{"pk":{"S":"\x"}}`,
		"a name that is no string":   `{1:{"S":"1"}}`,
		"a comment":                  `{"pk":/**/{"S":"1"}}`,
		"NaN":                        `{"pk":{"N":NaN}}`,
		"a bottomless value":         `{"pk":` + strings.Repeat(`{"L":[`, 20_000),
	} {
		item, err := d.Item([]byte(text))
		require.Error(t, err, name)
		requireReason(t, err, Undecodable)
		require.Zero(t, item, name)
	}
	_, err := d.Item([]byte(`{"pk":{"S":"1"}}`))
	require.NoError(t, err, "a decoder must go on after an error")
}

func TestItemTakesWhatLooksStrange(t *testing.T) {
	d := NewDecoder(pkOnly)
	for _, value := range []string{
		`{"S":"}"}`, `{"S":"a,b"}`, `{"S":"\",\""}`, `{"S":"\\"}`, `{"S":"\\\","}`, `{"S":"{\"N\":\"1\"},"}`,
		`{"M":{"S":{"S":"1"},"N":{"N":"1"}}}`, `{"L":[{"S":"1"},{"N":"2"}]}`, `{"SS":["a,b","c"]}`, `{"M":{}}`, `{"L":[]}`, `{"NULL":true}`,
		"{\r\n\t \"S\" \r\n:\t \"1\"\n}", `{"M":{",":{"S":"]"},"}":{"S":"["}}}`,
		strings.Repeat(`{"L":[`, 32) + strings.Repeat(`]}`, 32),
	} {
		item, err := d.Item([]byte(`{"a":` + value + `,"z":{"S":"1"}}`))
		require.NoError(t, err, value)
		require.Equal(t, value, string(item.Attribute("a")))
	}
	empty, err := d.Item([]byte(`{ }`))
	require.NoError(t, err)
	require.Empty(t, empty.Attributes)
}

// Any number of different names is decoded, and only a bounded part of them is remembered.
func TestDecoderBoundsNames(t *testing.T) {
	d := NewDecoder(pkOnly)
	for i := range maxTexts + 100 {
		name := fmt.Sprintf("name-%d", i)
		item, err := d.Item([]byte(`{"` + name + `":{"S":"1"}}`))
		require.NoError(t, err)
		require.Equal(t, name, item.Attributes[0].Name)
	}
	require.Equal(t, maxTexts, len(d.names))

	long := strings.Repeat("n", 64<<10)
	d = NewDecoder(pkOnly)
	item, err := d.Item([]byte(`{"` + long + `":{"S":"1"}}`))
	require.NoError(t, err)
	require.Equal(t, len(long), len(item.Attributes[0].Name))
	require.Zero(t, len(d.names), "long names would make the memory of a decoder depend on the table")
}

// A name must not change when the buffer that it was read from is used again.
func TestDecoderNamesAreCopies(t *testing.T) {
	d := NewDecoder(pkOnly)
	raw := []byte(`{"abc":{"S":"1"}}`)
	item, err := d.Item(raw)
	require.NoError(t, err)
	copy(raw, bytes.Repeat([]byte("x"), len(raw)))
	require.Equal(t, "abc", item.Attributes[0].Name)
	again, err := d.Item([]byte(`{"abc":{"S":"2"}}`))
	require.NoError(t, err)
	require.Equal(t, "abc", again.Attributes[0].Name)
}

func FuzzItem(f *testing.F) {
	for _, s := range []string{
		`{"pk":{"S":"1"},"a":{"M":{"b":{"L":[{"N":"1"},{"BOOL":true}]}}}}`, `{}`, ` { "a" : { "SS" : [ "x" , "y" ] } } `,
		`{"a":{"SS":["x"]},"b":{"NS":["1"]},"c":{"BS":["AA=="]},"d":{"NULL":true},"e":{"B":""},"f":{"L":[]},"g":{"M":{}}}`, `{"\ud83d\ude00":{"S":"\ude00"}}`, "{\"\x00\":{\"S\":\"\"}}",
		`{"a":` + strings.Repeat(`{"L":[`, 31) + `{"S":"x"}` + strings.Repeat(`]}`, 31) + `}`, `{"a":` + strings.Repeat(`{"M":{"a":`, 40) + `1` + strings.Repeat(`}}`, 40) + `}`, `{"a":{"M":{"b":1,"b":2}}}`,
		`{"a":{"S":"\u00e9\"}\\"}}`, `{"a":{"S":"1","N":"2"}}`, `{"a":{"S":"1"},"\u0061":{"S":"2"}}`, `{"a":{}}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	d := NewDecoder(pkOnly)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		item, err := d.Item(raw)
		require.Equal(t, before, raw)
		require.Equal(t, plainItem(raw), err == nil, "%q: %v", raw, err)
		full, fullErr := d.full(raw, []Attribute{})
		require.Equal(t, fullErr, err)
		require.Equal(t, full, item)
		if err != nil {
			requireReason(t, err, Undecodable)
			return // refused
		}
		var want map[string]map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &want), "%s", raw)
		require.Len(t, item.Attributes, len(want))
		rest := raw
		for _, a := range item.Attributes {
			require.Len(t, want[a.Name], 1)
			kind, text, err := typed(a.Value)
			require.NoError(t, err)
			require.Equal(t, string(want[a.Name][kind]), string(text))
			_, after, found := bytes.Cut(rest, a.Value)
			require.True(t, found, "the value is a part of the item, and they stand in its order")
			rest = after
		}
	})
}

// plainItem says with encoding/json alone whether raw is an item: one object of objects with one type each, no name
// twice anywhere, and all of it UTF-8.
func plainItem(raw []byte) bool {
	var item map[string]map[string]json.RawMessage
	if !utf8.Valid(raw) || bytes.Contains(bytes.ToLower(raw), []byte(`\ud`)) && halfSurrogate(raw) || json.Unmarshal(raw, &item) != nil || item == nil {
		return false
	}
	for _, value := range item {
		if len(value) != 1 {
			return false
		}
		for kind := range value {
			if !slices.Contains([]string{"S", "N", "B", "M", "L", "BOOL", "NULL", "SS", "NS", "BS"}, kind) {
				return false
			}
		}
	}
	return distinctNames(json.NewDecoder(bytes.NewReader(raw)))
}

// halfSurrogate reports an escaped surrogate without its other half: encoding/json makes U+FFFD of it.
func halfSurrogate(raw []byte) bool {
	text := []rune(string(raw))
	unit := func(i int) (uint64, bool) {
		if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		return n, err == nil
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue // no escape
		}
		n, ok := unit(i)
		if low, paired := unit(i + 6); ok && n >= 0xd800 && n < 0xdc00 && paired && low >= 0xdc00 && low < 0xe000 {
			i += 11
			continue // a pair
		}
		if ok && n >= 0xd800 && n < 0xe000 {
			return true
		}
		i++ // whatever is escaped
	}
	return false
}

// distinctNames reads one value and reports whether no object in it has a name twice.
func distinctNames(d *json.Decoder) bool {
	token, err := d.Token()
	delimiter, nested := token.(json.Delim)
	if err != nil || !nested {
		return err == nil
	}
	seen := map[any]bool{}
	for d.More() {
		if delimiter == '{' {
			name, err := d.Token()
			if err != nil || seen[name] {
				return false
			}
			seen[name] = true
		}
		if !distinctNames(d) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}
