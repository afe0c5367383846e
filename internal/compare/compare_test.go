package compare

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

var schema = events.KeySchema{{Name: "id", Type: "S"}}

var names = newtable.Attributes{Version: "v", Deleted: "d", Shard: "sh", Tombstone: "t"}

var _ Reader = (*dynamodb.Table)(nil)

// fixed is a table of these items.
type fixed struct {
	items []string
	err   error
}

func (f fixed) Name() string { return "fixed" }

func (f fixed) Items(_ context.Context, _ int, visit func([]byte) error) error {
	for _, item := range f.items {
		if err := visit([]byte(item)); err != nil {
			return err
		}
	}
	return f.err
}

func item(id int, more string) string { return fmt.Sprintf(`{"id":{"S":"%d"}%s}`, id, more) }

func TestCompareCountsEachKind(t *testing.T) {
	old := fixed{items: []string{
		item(1, `,"a":{"N":"1"}`),
		item(2, `,"a":{"N":"2"}`),
		item(3, `,"a":{"N":"3"}`),
		item(4, ``),
	}}
	fresh := fixed{items: []string{
		item(1, `,"a":{"N":"1"},"v":{"S":"x"}`),                // equal, but for what is ours
		item(2, `,"a":{"N":"2.0"},"v":{"S":"x"}`),              // numbers compare as text
		item(4, `,"d":{"N":"1"},"v":{"S":"x"},"sh":{"S":"s"}`), // a marker in place of a row; and 3 is not there
		item(5, `,"d":{"N":"1"},"t":{"BOOL":true}`),            // a marker
		item(6, `,"v":{"S":"x"}`),                              // deleted, and here
		item(7, `,"v":{"S":"x"}`),                              // never heard of
	}}
	deleted := func(key string) bool { return strings.Contains(key, `"6"`) || strings.Contains(key, `"5"`) }
	c, err := Tables(t.Context(), old, fresh, Options{schema, names, deleted})
	require.NoError(t, err)
	require.False(t, c.OK())
	require.Len(t, c.Examples, 7)
	c.Examples = nil
	require.Equal(t, Comparison{Compared: 4, Missing: 2, Different: 1, Extra: 1, Back: 1, Markers: 2}, c)

	c, err = Tables(t.Context(), old, old, Options{schema, names, deleted})
	require.NoError(t, err)
	require.Equal(t, Comparison{Compared: 4}, c)
	require.True(t, c.OK())
}

// Each key of either table has an outcome. A marker in place of a row has two: it is there, and the row is not.
func TestEachKeyHasAnOutcome(t *testing.T) {
	old := fixed{items: []string{item(1, ""), item(2, ""), item(3, ""), item(4, "")}}
	fresh := fixed{items: []string{
		item(1, `,"v":{"S":"x"}`), item(2, `,"a":{"S":"x"}`), item(4, `,"d":{"N":"1"}`), item(5, ""), item(6, ""), item(7, `,"d":{"N":"1"}`),
	}}
	deleted := func(key string) bool { return strings.Contains(key, `"6"`) || strings.Contains(key, `"7"`) }
	got := map[string][]Outcome{}
	rows, err := Each(t.Context(), old, fresh, Options{schema, names, deleted}, func(f Finding) {
		require.Equal(t, f.Outcome == Missing, f.New == nil)
		got[string(f.Key)] = append(got[string(f.Key)], f.Outcome)
	})
	require.NoError(t, err)
	require.Equal(t, 4, rows)
	require.Equal(t, map[string][]Outcome{
		item(1, ""): {Equal}, item(2, ""): {Differs}, item(3, ""): {Missing}, item(4, ""): {Marker, Missing},
		item(5, ""): {Extra}, item(6, ""): {Undeleted}, item(7, ""): {Marker},
	}, got)
}

func TestCompareKnowsOneItemInAllItsTexts(t *testing.T) {
	const a = `{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]},"b":{"N":"1"}}},"s":{"SS":["b","a\u0041","/"]},"ns":{"NS":["2","10"]}}`
	for text, same := range map[string]bool{
		`{"ns":{"NS":["10","2"]},"s":{"SS":["\/","aA","b"]},"m":{"M":{"b":{"N":"1"},"SS":{"L":[{"S":"y"},{"S":"x"}]}}},"id":{"S":"1"}}`:    true,
		` { "id" : {"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]},"b":{"N":"1"}}},"s":{"SS":["b","aA","/"]},"ns":{"NS":["2","10"]}}`: true,
		`{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"x"},{"S":"y"}]},"b":{"N":"1"}}},"s":{"SS":["b","aA","/"]},"ns":{"NS":["2","10"]}}`:     false, // a list has an order
		`{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]},"b":{"S":"1"}}},"s":{"SS":["b","aA","/"]},"ns":{"NS":["2","10"]}}`:     false, // another type
		`{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]},"b":{"N":"1"}}},"s":{"SS":["b","aA"]},"ns":{"NS":["2","10"]}}`:         false, // an element less
		`{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]}}},"s":{"SS":["b","aA","/"]},"ns":{"NS":["2","10"]}}`:                   false,
		`{"id":{"S":"1"},"m":{"M":{"SS":{"L":[{"S":"y"},{"S":"x"}]},"b":{"N":"1"}}},"s":{"SS":["b","aA","/"]}}`:                            false,
	} {
		c, err := Tables(t.Context(), fixed{items: []string{a}}, fixed{items: []string{text}}, Options{schema, names, nil})
		require.NoError(t, err, text)
		require.Equal(t, same, c.OK(), text)
	}
}

func TestCompareKeepsFirstExamples(t *testing.T) {
	var old fixed
	for i := range 100 {
		old.items = append(old.items, item(i, ""))
	}
	long := fixed{items: []string{item(0, `,"a":{"S":"`+strings.Repeat("é", 1000)+`"}`)}}
	c, err := Tables(t.Context(), old, long, Options{schema, names, nil})
	require.NoError(t, err)
	require.Equal(t, 99, c.Missing)
	require.Len(t, c.Examples, maxExamples+1)
	require.LessOrEqual(t, len(c.Examples[0]), maxExample+5)
	require.Equal(t, `missing: {"id":{"S":"1"}}`, c.Examples[1])
}

func TestCompareEndsWithErrors(t *testing.T) {
	broken := errors.New("broken")
	good := fixed{items: []string{item(1, "")}}
	for _, pair := range [][2]fixed{
		{{err: broken}, good},
		{good, {err: broken}},
	} {
		_, err := Tables(t.Context(), pair[0], pair[1], Options{schema, names, func(string) bool { return false }})
		require.ErrorIs(t, err, broken)
	}
	for _, bad := range []string{`{`, `{"id":{"N":"1"}}`, `{"other":{"S":"1"}}`, `{"id":{"S":"1"},"a":{"L":[1]}}`} {
		_, err := Tables(t.Context(), fixed{items: []string{bad}}, good, Options{schema, names, nil})
		require.Error(t, err, bad)
		_, err = Tables(t.Context(), good, fixed{items: []string{bad}}, Options{schema, names, nil})
		require.Error(t, err, bad)
	}
}
