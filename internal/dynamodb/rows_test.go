package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

func rowsOf(table *Table) *Rows {
	return NewRows(table, schema, names, NewTarget(table, schema, names, Versioned))
}

// olderOf reads all pages of all segments.
func olderOf(t *testing.T, r *Rows, than events.Version, segments int) map[events.Key]snapshot.Stored {
	t.Helper()
	all := map[events.Key]snapshot.Stored{}
	for segment := range segments {
		for after, first := []byte(nil), true; first || after != nil; first = false {
			page, err := r.Older(t.Context(), than, segment, segments, after)
			require.NoError(t, err)
			for _, item := range page.Items {
				require.NotContains(t, all, item.Key)
				all[item.Key] = item
			}
			after = page.Last
		}
	}
	return all
}

func TestOlder(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	first := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(5)}
	rerun := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(5), Rerun: 3}
	second := events.Version{Generation: 2}
	put(t, table, stored("older", "x", first))
	put(t, table, stored("rerun", "x", rerun))
	put(t, table, marker("dead", first, ""))
	put(t, table, marker("updated", first, `,"x":{"S":"of the application"}`))
	put(t, table, stored("read", "x", second))
	put(t, table, stored("changed", "x", events.Version{Generation: 2, Class: events.Live, Position: events.PositionAt(0)}))
	put(t, table, `{"pk":{"S":"own"},"sk":{"N":"1"}}`)
	put(t, table, `{"pk":{"S":"a number"},"sk":{"N":"1"},"cf:v":{"N":"1"}}`)
	for i := range 40 { // of several pages
		put(t, table, stored(fmt.Sprintf("more%d", i), strings.Repeat("x", 100<<10), second))
	}
	want := map[events.Key]snapshot.Stored{
		keyAt("older", 1): {Key: keyAt("older", 1), Version: first},
		keyAt("rerun", 1): {Key: keyAt("rerun", 1), Version: rerun},
		keyAt("dead", 1):  {Key: keyAt("dead", 1), Version: first, Marker: true},
		// The search leaves it, as it leaves every marker: what the application has written in it is not overwritten.
		keyAt("updated", 1): {Key: keyAt("updated", 1), Version: first, Marker: true},
	}
	for _, segments := range []int{1, 3} {
		require.Equal(t, want, olderOf(t, rowsOf(table), second, segments))
	}

	// A version that nobody of ours has written cannot be judged, and is not passed over.
	odd, _, _ := newTable(t, embedded.Options{})
	put(t, odd, `{"pk":{"S":"odd"},"sk":{"N":"1"},"cf:v":{"S":"0"}}`)
	_, err := rowsOf(odd).Older(t.Context(), second, 0, 1, nil)
	require.ErrorContains(t, err, `not a version: "0"`)
}

// A marker stands under the condition of every other write.
func TestMark(t *testing.T) {
	t.Parallel()
	first := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(5)}
	second := events.Version{Generation: 2}
	newer := events.Version{Generation: 2, Class: events.Live, Position: events.PositionAt(1)}
	for name, c := range map[string]struct {
		before string
		marked bool
	}{
		"an older row":      {stored("a", "x", first), true},
		"gone":              {"", true},
		"a newer change":    {stored("a", "x", newer), false},
		"a newer marker":    {marker("a", newer, ""), false},
		"marked already":    {fmt.Sprintf(`{"pk":{"S":"a"},"sk":{"N":"1"},"cf:v":{"S":%q},"cf:d":{"N":"1"}}`, second), true},
		"the application's": {`{"pk":{"S":"a"},"sk":{"N":"1"},"v":{"S":"own"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{})
			if c.before != "" {
				put(t, table, c.before)
			}
			marked, err := rowsOf(table).Mark(t.Context(), events.Event{Key: keyAt("a", 1), Op: events.Delete, Version: second})
			require.NoError(t, err)
			require.Equal(t, c.marked, marked)
			after := get(t, table, keyAt("a", 1))
			if !c.marked {
				require.JSONEq(t, c.before, after)
				return
			}
			require.Contains(t, after, second.String())
			require.Contains(t, after, names.Deleted)
			require.NotContains(t, after, names.Shard, "no fact of a shard could ever let the sweep remove it")
		})
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	put(t, table, stored("a", strings.Repeat("x", 10<<10), events.Version{Generation: 1}))
	source := NewSource(table, schema)
	found, units, err := source.Lookup(t.Context(), keyAt("a", 1))
	require.NoError(t, err)
	require.True(t, found)
	require.GreaterOrEqual(t, units, 3.0, "the whole item is read, whatever is asked for")
	found, _, err = source.Lookup(t.Context(), keyAt("a", 2))
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, table.CheckLookup(t.Context(), schema))
	for code, class := range map[string]fault.Class{
		"ThrottlingException": fault.Retry, "AccessDeniedException": fault.Fatal, "ValidationException": fault.Fatal,
	} {
		f.always(embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "m"}})
		_, _, err := source.Lookup(t.Context(), keyAt("a", 1))
		require.Error(t, err, code)
		require.Equal(t, class, fault.Of(err), "%v", err)
		_, err = rowsOf(table).Older(t.Context(), events.Version{Generation: 2}, 0, 1, nil)
		require.Equal(t, class, fault.Of(err), "%v", err)
		_, err = rowsOf(table).Mark(t.Context(), events.Event{Key: keyAt("a", 1), Op: events.Delete, Version: events.Version{Generation: 2}})
		require.Equal(t, class, fault.Of(err), "%v", err)
		require.Equal(t, class, fault.Of(table.CheckLookup(t.Context(), schema)))
	}
}
