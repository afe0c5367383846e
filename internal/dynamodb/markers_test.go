package dynamodb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// markersOf reads all pages of a segment.
func markersOf(t *testing.T, m *Markers, segment, total int) (all []sweep.Marker, pages int) {
	t.Helper()
	for after := []byte(nil); ; {
		page, err := m.Scan(t.Context(), segment, total, after)
		require.NoError(t, err)
		all, pages = append(all, page.Markers...), pages+1
		if after = slices.Clone(page.Last); after == nil {
			return all, pages
		}
	}
}

func TestMarkersScan(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	target := NewTarget(table, schema, names, Versioned)
	want := map[events.Key]sweep.Marker{}
	for i := range 60 {
		pk, v := fmt.Sprintf("row %d", i), version(uint64(i))
		put(t, table, fmt.Sprintf(`{"pk":{"S":"alive %d"},"sk":{"N":"1"},"cf:v":{"S":%q},"x":{"S":"%s"}}`, i, v, strings.Repeat("y", 50<<10)))
		op := events.Delete
		if i%3 == 0 {
			op = events.Tombstone
		}
		require.Equal(t, apply.Applied, target.Put(t.Context(), dead(pk, op, v)).Outcome)
		want[keyAt(pk, 1)] = sweep.Marker{Key: keyAt(pk, 1), Version: v, Deleted: "1700000000", Shard: "shard 7", Tombstone: op == events.Tombstone}
	}
	put(t, table, `{"pk":{"S":"application"},"sk":{"N":"1"},"cf:d":{"N":"1700000001"}}`)
	want[keyAt("application", 1)] = sweep.Marker{Key: keyAt("application", 1), Deleted: "1700000001"}
	put(t, table, `{"pk":{"S":"not ours"},"sk":{"N":"1"},"cf:d":{"S":"yesterday"}}`)

	for _, total := range []int{1, 4} {
		got, pages := map[events.Key]sweep.Marker{}, 0
		for segment := range total {
			read, n := markersOf(t, NewMarkers(table, schema, names), segment, total)
			pages += n
			for _, m := range read {
				require.NotContains(t, got, m.Key, "twice")
				got[m.Key] = m
			}
		}
		require.Greater(t, pages, max(2, total-1), "what the filter leaves out counts for the pages all the same")
		require.Equal(t, want, got)
	}
}

// Each case scans a marker, then lets something happen to its row, and then removes the marker.
func TestMarkersRemove(t *testing.T) {
	t.Parallel()
	const own = `{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1700000000"}}`
	for name, c := range map[string]struct {
		before, between string // between "": nothing happens; "gone": the row is deleted
		removed         bool
		after           string
	}{
		"unchanged":                        {marker("a", version(5), ""), "", true, ""},
		"tombstone":                        {marker("a", version(5), `,"cf:t":{"BOOL":true}`), "", true, ""},
		"replaced by a newer row":          {marker("a", version(5), ""), stored("a", "new", version(6)), false, stored("a", "new", version(6))},
		"replaced by a newer marker":       {marker("a", version(5), ""), marker("a", version(6), ""), false, marker("a", version(6), "")},
		"replaced by the application":      {marker("a", version(5), ""), `{"pk":{"S":"a"},"sk":{"N":"1"}}`, false, `{"pk":{"S":"a"},"sk":{"N":"1"}}`},
		"a row of the same version":        {marker("a", version(5), ""), stored("a", "x", version(5)), false, stored("a", "x", version(5))},
		"gone":                             {marker("a", version(5), ""), "gone", false, ""},
		"the application's, unchanged":     {own, "", true, ""},
		"the application's, replaced":      {own, `{"pk":{"S":"a"},"sk":{"N":"1"}}`, false, `{"pk":{"S":"a"},"sk":{"N":"1"}}`},
		"the application's, deleted anew":  {own, strings.Replace(own, "17", "18", 1), false, strings.Replace(own, "17", "18", 1)},
		"the application's, then our own":  {own, marker("a", version(6), ""), false, marker("a", version(6), "")},
		"the application's, gone by then":  {own, "gone", false, ""},
		"the application's, with versions": {own, stored("a", "new", version(6)), false, stored("a", "new", version(6))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{})
			put(t, table, c.before)
			put(t, table, `{"pk":{"S":"a"},"sk":{"N":"2"}}`)
			m := NewMarkers(table, schema, names)
			found, _ := markersOf(t, m, 0, 1)
			require.Len(t, found, 1)
			switch c.between {
			case "":
			case "gone":
				must(t, table, "DeleteItem", `{"TableName":"orders","Key":`+string(keyAt("a", 1))+`}`)
			default:
				put(t, table, c.between)
			}
			was, err := m.Look(t.Context(), found[0])
			require.NoError(t, err)
			require.Equal(t, c.removed, was == sweep.Same)
			was, taken, err := m.Remove(t.Context(), found[0])
			require.NoError(t, err)
			require.Empty(t, taken)
			require.Equal(t, c.removed, was == sweep.Same)
			require.Equal(t, !c.removed, was == sweep.Changed)
			if after := get(t, table, keyAt("a", 1)); c.after == "" {
				require.Empty(t, after)
			} else {
				require.JSONEq(t, c.after, after)
			}
			require.NotEmpty(t, get(t, table, keyAt("a", 2)), "no other row")
		})
	}
}

// An update by the application changes nothing that the removal's condition could name: neither the version nor the deleted-at.
func TestAnUpdatedMarkerIsNoMarker(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"ours":              marker("a", version(5), ""),
		"a tombstone":       marker("a", version(5), `,"cf:t":{"BOOL":true}`),
		"the application's": `{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1700000000"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{})
			put(t, table, before)
			m := NewMarkers(table, schema, names)
			found, _ := markersOf(t, m, 0, 1)
			require.Len(t, found, 1)
			must(t, table, "UpdateItem", `{"TableName":"orders","Key":`+string(keyAt("a", 1))+
				`,"UpdateExpression":"SET x = :x","ExpressionAttributeValues":{":x":{"S":"of the application"}}}`)
			updated := strings.TrimSuffix(before, "}") + `,"x":{"S":"of the application"}}`
			require.JSONEq(t, updated, get(t, table, keyAt("a", 1)))

			was, err := m.Look(t.Context(), found[0])
			require.NoError(t, err)
			require.Equal(t, sweep.Updated, was)
			page, err := m.Scan(t.Context(), 0, 1, nil)
			require.NoError(t, err)
			require.Empty(t, page.Markers)
			require.Equal(t, []events.Key{keyAt("a", 1)}, page.Updated)

			// The window that no condition closes: the answer tells, and the item comes back as it was.
			was, taken, err := m.Remove(t.Context(), found[0])
			require.NoError(t, err)
			require.Equal(t, sweep.Updated, was)
			require.Empty(t, get(t, table, keyAt("a", 1)))
			for range 2 { // the first answer may be lost
				back, err := m.PutBack(t.Context(), found[0], taken)
				require.NoError(t, err)
				require.True(t, back)
				require.JSONEq(t, updated, get(t, table, keyAt("a", 1)))
			}

			// What the application has written since is not overwritten.
			whole := `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"whole"}}`
			put(t, table, whole)
			back, err := m.PutBack(t.Context(), found[0], taken)
			require.NoError(t, err)
			require.False(t, back)
			require.JSONEq(t, whole, get(t, table, keyAt("a", 1)))
		})
	}
}

// A removal whose answer does not say what was removed is not tried again: it would find nothing, and say nothing.
func TestARemovalThatDoesNotSayWhatItRemovedEndsTheSweep(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	m := NewMarkers(table, schema, names)
	for _, answer := range []string{`{}`, `{"Attributes":{"pk":1}}`, `{`} {
		_, _, err := m.removed(sweep.Marker{Key: keyAt("a", 1), Version: version(5)}, []byte(answer))
		require.ErrorContains(t, err, "what it was is not known", answer)
		require.Equal(t, fault.Fatal, fault.Of(err))
	}
}

func TestMarkersErrors(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	put(t, table, marker("a", version(5), ""))
	m := NewMarkers(table, schema, names)
	found, _ := markersOf(t, m, 0, 1)
	require.Len(t, found, 1)
	for code, class := range map[string]fault.Class{
		"ThrottlingException": fault.Retry, "AccessDeniedException": fault.Fatal, "ValidationException": fault.Fatal,
	} {
		f.always(embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "m"}})
		_, err := m.Scan(t.Context(), 0, 1, nil)
		require.Error(t, err, code)
		require.Equal(t, class, fault.Of(err), "%v", err)
		_, err = m.Look(t.Context(), found[0])
		require.Error(t, err, code)
		require.Equal(t, class, fault.Of(err), "%v", err)
		_, _, err = m.Remove(t.Context(), found[0])
		require.Error(t, err, code)
		require.Equal(t, class, fault.Of(err), "%v", err)
		_, err = m.PutBack(t.Context(), found[0], []byte(marker("a", version(5), "")))
		require.Error(t, err, code)
		require.Equal(t, class, fault.Of(err), "%v", err)
	}
	f.set(nil)
	require.NotEmpty(t, get(t, table, keyAt("a", 1)))

	// A version that nobody of ours has written: a marker that cannot be judged is not passed over.
	put(t, table, `{"pk":{"S":"odd"},"sk":{"N":"1"},"cf:d":{"N":"1"},"cf:v":{"S":"seven"}}`)
	_, err := m.Scan(t.Context(), 0, 1, nil)
	require.ErrorContains(t, err, "not a version")
}
