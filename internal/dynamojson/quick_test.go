package dynamojson

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

// What DynamoDB sends goes the quick way.
func TestQuickTakesTheUsual(t *testing.T) {
	d := NewSplitter()
	for _, text := range []string{
		`{"pk":{"S":"1"}}`, `{"pk":{"S":"Québec"},"é":{"S":""}}`, `{"pk":{"S":"a\"b\\c\/\b\f\n\r\t"}}`,
		`{"n":{"N":"-1.5E3"},"b":{"B":"AA=="},"t":{"BOOL":true},"f":{"BOOL":false},"0":{"NULL":true}}`,
		`{"ss":{"SS":["a","b"]},"ns":{"NS":["1"]},"bs":{"BS":["AA=="]},"l":{"L":[]},"m":{"M":{}}}`,
		`{"m":{"M":{"a":{"S":"1"},"b":{"L":[{"N":"1"},{"M":{"a":{"S":"2"}}}]}}}}`,
		`{"pk":{"S":1}}`, `{"pk":{"S":null}}`, `{"pk":{"M":{"a":0,"b":-1.50,"c":10E+2,"d":0.1e-07}}}`,
		`{"l":` + strings.Repeat(`{"L":[`, 31) + `{"S":"x"}` + strings.Repeat(`]}`, 31) + `}`,
	} {
		quick, ok := d.quick([]byte(text), nil)
		require.True(t, ok, text)
		full, err := d.full([]byte(text), nil)
		require.NoError(t, err, text)
		require.Equal(t, full, quick, text)
	}
}

// The limits of the quick way are no limits of the decoder, and no name comes twice at either side of them.
func TestQuickGivesUp(t *testing.T) {
	members := func(n int, value string) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`"a%d":`, i) + value
		}
		return all
	}
	for _, n := range []int{1, quickNested - 1, quickNested, quickNested + 1, quickNames - 1, quickNames, quickNames + 1, 1000} {
		d := NewSplitter()
		for _, nested := range []bool{false, true} {
			limit, around := quickNames, "{%s}"
			if nested {
				limit, around = quickNested, `{"m":{"M":{%s}}}`
			}
			text := fmt.Sprintf(around, strings.Join(members(n, `{"S":"x"}`), ","))
			_, ok := d.quick([]byte(text), nil)
			require.Equal(t, n <= limit, ok, "%d names", n)
			for range 2 { // the second time they are the usual ones
				_, err := d.Item([]byte(text))
				require.NoError(t, err, "%d names", n)
			}
			twice := fmt.Sprintf(around, strings.Join(append(members(n, `{"S":"x"}`), members(1, `{"S":"y"}`)...), ","))
			_, err := d.Item([]byte(twice))
			require.Error(t, err, "%d names and one of them again", n)
		}
	}
	d := NewSplitter()
	for _, text := range []string{
		``, `{`, `{}`, `{"pk":{"S":"1"}`, `{"pk":{"S":"1"}} `, `{"pk":{"S":"1"},}`, `{"pk":{"S":"1","N":"1"}}`, `{"pk":{"S":"\u0041"}}`, `{"p\nk":{"S":"1"}}`,
		`{"pk":{"X":"1"}}`, `{"pk":{"S":tru}}`, `{"pk":{"L":["1"}}`, `{"pk":{"L":["1",]}}`,
		`{"pk":{"S":01}}`, `{"pk":{"S":1.}}`, `{"pk":{"S":-}}`, `{"pk":{"S":.1}}`, `{"pk":{"S":1e}}`, `{"pk":{"S":+1}}`,
		"{\"pk\":{\"S\":\"\x1f\"}}", "{\"pk\":{\"S\":\"\xff\"}}", `{"pk":{"S":"\`, `{"pk":{"S":"`, `{"pk":{"M":{"a":"1","a":"2"}}}`,
		`{"a":` + strings.Repeat(`{"L":[`, 100) + strings.Repeat(`]}`, 100) + `}`,
	} {
		_, ok := d.quick([]byte(text), nil)
		require.False(t, ok, text)
	}
}

// Whatever the quick way takes, damaged or not, jsontext takes too, and finds the same in it.
func TestQuickIsRight(t *testing.T) {
	d := NewSplitter()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "pk", "é"}), 0, 4).Draw(t, "names")
		all := make([]string, len(names))
		for i, name := range names {
			var compact strings.Builder
			require.NoError(t, json.NewEncoder(&compact).Encode(json.RawMessage(eventstest.TypedValue(t, 3))))
			all[i] = `"` + name + `":` + strings.TrimSpace(compact.String())
		}
		raw := []byte("{" + strings.Join(all, ",") + "}")
		if rapid.Bool().Draw(t, "damaged") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "where")] = rapid.SampledFrom([]byte(`{}[],:"\ SNM01tn`+"\x00\xc3")).Draw(t, "by")
		}
		full, err := d.full(raw, nil)
		if quick, ok := d.quick(raw, nil); ok {
			require.NoError(t, err, string(raw))
			require.Equal(t, full, quick, string(raw))
		}
		if q, ok := AsQuick(append([]byte("x"), raw...)); ok {
			if item, end := d.At(q, 1, nil); end >= 0 {
				require.NoError(t, err, string(raw))
				require.Equal(t, len(q), end, string(raw))
				require.Equal(t, full, item, string(raw))
			}
		}
		_, usualErr := d.Item(raw)
		require.Equal(t, err, usualErr)
	})
}
