package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Traces of the application in a table whose other items are a migration's.
func TestFindTouched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		item          string
		alone, either bool // found by its attributes alone; or also by its missing version
	}{
		"nothing":                       {"", false, false},
		"a row of its own":              {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"x"}}`, false, true},
		"a marker of its own":           {`{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1"}}`, false, true},
		"an updated marker":             {marker("a", version(5), `,"x":{"S":"x"}`), true, true},
		"an updated marker of its own":  {`{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1"},"x":{"S":"x"}}`, true, true},
		"a version that is none":        {`{"pk":{"S":"a"},"sk":{"N":"1"},"cf:v":{"N":"1"},"cf:d":{"S":"?"},"x":{"S":"x"}}`, true, true},
		"an updated row leaves nothing": {stored("a", "updated", version(5)), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{})
			for i := range 8 { // of several pages, when they are in one segment
				put(t, table, stored(fmt.Sprintf("row %d", i), strings.Repeat("x", 300<<10), version(1)))
				put(t, table, marker(fmt.Sprintf("dead %d", i), version(2), `,"cf:t":{"BOOL":true}`))
			}
			if c.item != "" {
				put(t, table, c.item)
			}
			for unversioned, want := range map[bool]bool{false: c.alone, true: c.either} {
				for _, segments := range []int{1, touchedSegments} {
					key, found, err := table.findTouched(t.Context(), names, schema, unversioned, segments)
					require.NoError(t, err)
					require.Equal(t, want, found)
					if found {
						require.Equal(t, keyAt("a", 1), key)
					} else {
						require.Equal(t, events.Key(""), key)
					}
				}
			}
		})
	}
	table, _, f := newTable(t, embedded.Options{})
	f.always(embedded.Fault{Refuse: &embedded.Error{Code: "AccessDeniedException", Message: "m"}})
	_, _, err := table.FindTouched(t.Context(), names, schema, true)
	require.Equal(t, fault.Fatal, fault.Of(err), "%v", err)
}
