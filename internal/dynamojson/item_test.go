package dynamojson

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

	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

func requireMalformed(t require.TestingT, err error) {
	malformed, ok := errors.AsType[*MalformedError](err)
	require.True(t, ok, "%v is no *MalformedError", err)
	require.NotEmpty(t, malformed.Detail)
	require.Contains(t, malformed.Error(), malformed.Detail)
}

// Item finds exactly the bytes that stand between the commas, whatever the names, spaces and values are.
func TestItemKeepsBytes(t *testing.T) {
	d := NewSplitter()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(eventstest.Strings, 0, 12, func(s string) string { return s }).Draw(t, "names")
		values := make([]string, len(names))
		var text strings.Builder
		text.WriteString(eventstest.Space(t) + "{")
		for i, name := range names {
			values[i] = eventstest.TypedValue(t, 3)
			if i > 0 {
				text.WriteString(",")
			}
			text.WriteString(eventstest.Space(t) + eventstest.Quoted(t, name) + eventstest.Space(t) + ":" + eventstest.Space(t) + values[i] + eventstest.Space(t))
		}
		text.WriteString("}" + eventstest.Space(t))

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
	d := NewSplitter()
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
		requireMalformed(t, err)
		require.Zero(t, item, name)
	}
	_, err := d.Item([]byte(`{"pk":{"S":"1"}}`))
	require.NoError(t, err, "a splitter must go on after an error")
}

func TestItemTakesWhatLooksStrange(t *testing.T) {
	d := NewSplitter()
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
func TestSplitterBoundsNames(t *testing.T) {
	d := NewSplitter()
	for i := range maxTexts + 100 {
		name := fmt.Sprintf("name-%d", i)
		item, err := d.Item([]byte(`{"` + name + `":{"S":"1"}}`))
		require.NoError(t, err)
		require.Equal(t, name, item.Attributes[0].Name)
	}
	require.Equal(t, maxTexts, len(d.names))

	long := strings.Repeat("n", 64<<10)
	d = NewSplitter()
	item, err := d.Item([]byte(`{"` + long + `":{"S":"1"}}`))
	require.NoError(t, err)
	require.Equal(t, len(long), len(item.Attributes[0].Name))
	require.Zero(t, len(d.names), "long names would make the memory of a splitter depend on the table")
}

// A name must not change when the buffer that it was read from is used again.
func TestSplitterNamesAreCopies(t *testing.T) {
	d := NewSplitter()
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
	d := NewSplitter()
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		item, err := d.Item(raw)
		require.Equal(t, before, raw)
		require.Equal(t, plainItem(raw), err == nil, "%q: %v", raw, err)
		full, fullErr := d.full(raw, []Attribute{})
		require.Equal(t, fullErr, err)
		require.Equal(t, full, item)
		if err != nil {
			requireMalformed(t, err)
			return // refused
		}
		var want map[string]map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &want), "%s", raw)
		require.Len(t, item.Attributes, len(want))
		rest := raw
		for _, a := range item.Attributes {
			require.Len(t, want[a.Name], 1)
			kind, text, err := Typed(a.Value)
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
