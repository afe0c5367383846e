package dynamodb

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// values makes typed values; with holes, an empty map has lost its type, as in DynamoDB Local's images.
type values struct {
	random *rand.Rand
	holes  bool
}

func (v values) typed(depth int) string {
	texts := []string{"", "a", "{}", `{\"M\":{}}`, "é😀", `\\`, `\u0000`, `\u00e9`, "M"}
	text := texts[v.random.IntN(len(texts))]
	kinds := 10
	if depth == 0 {
		kinds = 8
	}
	switch v.random.IntN(kinds) {
	case 0:
		return fmt.Sprintf(`{"S":"%s"}`, text)
	case 1:
		return fmt.Sprintf(`{"N":"%d.%d"}`, v.random.IntN(99), v.random.IntN(99))
	case 2:
		return `{"B":"AA=="}`
	case 3:
		return fmt.Sprintf(`{"SS":["%s","b"]}`, text)
	case 4:
		return `{"NS":["1","2"]}`
	case 5:
		return `{"BS":["AA==","AQ=="]}`
	case 6:
		return fmt.Sprintf(`{"BOOL":%t}`, v.random.IntN(2) == 0)
	case 7:
		return `{"NULL":true}`
	case 8:
		list := make([]string, v.random.IntN(4))
		for i := range list {
			list[i] = v.typed(depth - 1)
		}
		return `{"L":[` + strings.Join(list, ",") + `]}`
	default:
		attributes := v.attributes(depth - 1)
		if attributes == "{}" && v.holes {
			return "{}"
		}
		return `{"M":` + attributes + `}`
	}
}

func (v values) attributes(depth int) string {
	members := make([]string, v.random.IntN(4))
	for i := range members {
		name := []string{"M", "L", "", "{}", `\"`, "ж", "S"}[v.random.IntN(7)]
		members[i] = fmt.Sprintf(`"%s%d":%s`, name, i, v.typed(depth))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// The same seed with and without holes gives the image as it is and as it should be.
func TestRepairProperty(t *testing.T) {
	t.Parallel()
	damaged := 0
	for seed := range uint64(5_000) {
		whole := values{rand.New(rand.NewPCG(seed, 1)), false}.attributes(5)
		holed := values{rand.New(rand.NewPCG(seed, 1)), true}.attributes(5)
		require.True(t, json.Valid([]byte(whole)), whole)
		require.JSONEq(t, whole, string(repairEmptyMaps([]byte(whole))), "a right image is not touched")
		require.JSONEq(t, whole, string(repairEmptyMaps([]byte(holed))), holed)
		if whole != holed {
			damaged++
		}
	}
	require.Greater(t, damaged, 100, "the images have holes to repair")
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		`{}`:                                   `{}`,
		`{"m":{}}`:                             `{"m":{"M":{}}}`,
		`{"m":{"M":{}}}`:                       `{"m":{"M":{}}}`,
		`{"m":{"M":{"n":{}}}}`:                 `{"m":{"M":{"n":{"M":{}}}}}`,
		`{"l":{"L":[{},{"S":"{}"},{}]}}`:       `{"l":{"L":[{"M":{}},{"S":"{}"},{"M":{}}]}}`,
		`{"M":{"M":{"M":{}}},"n":{"N":"1E9"}}`: `{"M":{"M":{"M":{"M":{}}}},"n":{"N":"1E9"}}`,
		`{"s":{"S":"{}"}, "t":{"S":"\u0061"}}`: `{"s":{"S":"{}"}, "t":{"S":"\u0061"}}`,
		`{"m":{}`:                              `{"m":{}`, // not JSON: as it was
		`["{}"]`:                               `["{}"]`,
		`{"x":"{}"}`:                           `{"x":"{}"}`,
	} {
		got := string(repairEmptyMaps([]byte(image)))
		if json.Valid([]byte(want)) {
			require.JSONEq(t, want, got, image)
		} else {
			require.Equal(t, want, got)
		}
	}
	require.Nil(t, repairEmptyMaps(nil), "no image stays no image")
}

// FuzzRepair: whatever comes in, what comes out is no worse; and a second repair finds nothing to do.
func FuzzRepair(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"m":{}}`, `{"m":{"M":{}}}`, `{"l":{"L":[{}]}}`, `{"s":{"S":"{}"}}`, `[{}]`, `{"m":{}`, `{"a":{"SS":["{}"]},"b":{"L":[]}}`, `{"a":{"S":"b","N":{}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		out := repairEmptyMaps([]byte(image))
		if !strings.Contains(image, "{}") || !jsontext.Value(image).IsValid() {
			require.Equal(t, image, string(out))
			return
		}
		require.True(t, jsontext.Value(out).IsValid(), "%s became %s", image, out)
		again := repairEmptyMaps(out)
		require.JSONEq(t, string(out), string(again))
	})
}
