package dynamodb

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/snapshot"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// What is under a key of the new table before the application makes a call on it.
var underAKey = map[string]string{
	"a row":     stored("a", "migrated", version(5)),
	"a marker":  marker("a", version(5), ""),
	"nothing":   "",
	"its own":   `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"before"}}`,
	"all there": "", // each of the above
}

// Calls of the application on the new table.
const (
	setX       = `"UpdateExpression":"SET x = :x","ExpressionAttributeValues":{":x":{"S":"application"}}`
	removeOurs = `"UpdateExpression":"SET x = :x REMOVE #v, #d, #s, #t","ExpressionAttributeValues":{":x":{"S":"application"}},` +
		`"ExpressionAttributeNames":{"#v":"cf:v","#d":"cf:d","#s":"cf:s","#t":"cf:t"}`
	notDead = `"UpdateExpression":"SET x = :x","ExpressionAttributeValues":{":x":{"S":"application"}},` +
		`"ConditionExpression":"attribute_exists(pk) AND attribute_not_exists(#d)","ExpressionAttributeNames":{"#d":"cf:d"}`
)

var applicationCalls = map[string]struct{ operation, body string }{
	"PutItem, whole":            {"PutItem", `"Item":{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"application"}}`},
	"PutItem, our attributes":   {"PutItem", `"Item":` + stored("a", "application", version(5))},
	"PutItem, a marker":         {"PutItem", `"Item":{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1700000009"}}`},
	"UpdateItem":                {"UpdateItem", `"Key":` + string(keyAt("a", 1)) + `,` + setX},
	"UpdateItem, removing ours": {"UpdateItem", `"Key":` + string(keyAt("a", 1)) + `,` + removeOurs},
	"UpdateItem, if not dead":   {"UpdateItem", `"Key":` + string(keyAt("a", 1)) + `,` + notDead},
	"DeleteItem":                {"DeleteItem", `"Key":` + string(keyAt("a", 1))},
}

// What the migration may do after that.
var migrationActs = map[string]func(*testing.T, *Table){
	"an older record": func(t *testing.T, table *Table) { arrive(t, table, writeOf(t, 4)) },
	"the same record": func(t *testing.T, table *Table) { arrive(t, table, writeOf(t, 5)) },
	"a rerun": func(t *testing.T, table *Table) {
		again := writeOf(t, 5)
		again.Version.Rerun = 1
		arrive(t, table, again)
	},
	"a newer write":  func(t *testing.T, table *Table) { arrive(t, table, writeOf(t, 6)) },
	"a newer delete": func(t *testing.T, table *Table) { arrive(t, table, dead("a", events.Delete, version(6))) },
	"a restart": func(t *testing.T, table *Table) { // whose search does not find the row at the source
		lowest := snapshot.MarkerVersion(2)
		for _, item := range olderOf(t, rowsOf(table), lowest, 1) {
			if snapshot.Vanished(item, 2, false) {
				arrive(t, table, events.Event{Key: item.Key, Op: events.Delete, Version: lowest})
			}
		}
	},
	"a sweep": func(t *testing.T, table *Table) {
		m := NewMarkers(table, schema, names)
		page, err := m.Scan(t.Context(), 0, 1, nil)
		require.NoError(t, err)
		for _, found := range page.Markers {
			was, err := m.Look(t.Context(), found)
			require.NoError(t, err)
			require.Equal(t, sweep.Same, was)
			_, _, err = m.Remove(t.Context(), found)
			require.NoError(t, err)
		}
	},
}

func writeOf(t *testing.T, position uint64) events.Event {
	t.Helper()
	key, item := decoded(t, `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"migrated"}}`)
	return events.Event{Key: key, Op: events.Write, Item: item, Version: version(position)}
}

func arrive(t *testing.T, table *Table, e events.Event) {
	t.Helper()
	require.NoError(t, NewTarget(table, schema, names, Versioned).Put(t.Context(), e).Err)
}

// The table of GUARANTEES.md about the application's calls on the new table: what each call did is still so after
// whatever the migration does, but for what is named.
func TestCallsOfTheApplicationOnTheNewTable(t *testing.T) {
	t.Parallel()
	newer := []string{"a newer delete", "a newer write", "a rerun"}
	back := []string{"a newer write", "a rerun", "an older record", "the same record"}
	for _, c := range []struct {
		call, on string
		undone   []string // by these acts; by none of the others
	}{
		{"PutItem, whole", "all there", nil},
		{"PutItem, a marker", "all there", nil},
		{"UpdateItem, removing ours", "all there", nil},
		{"PutItem, our attributes", "all there", append(newer, "a restart")},
		{"UpdateItem", "a row", append(newer, "a restart")},
		{"UpdateItem, if not dead", "a row", append(newer, "a restart")},
		{"UpdateItem", "a marker", newer}, // and it is hidden from whoever takes markers for absent
		{"UpdateItem", "nothing", nil},    // and it holds nothing but that
		{"UpdateItem", "its own", nil},
		{"UpdateItem, if not dead", "its own", nil},
		{"DeleteItem", "a row", back},
		{"DeleteItem", "a marker", back},
		{"DeleteItem", "its own", back},
	} {
		for on, before := range underAKey {
			if on == "all there" || c.on != "all there" && c.on != on {
				continue
			}
			for act, do := range migrationActs {
				t.Run(strings.Join([]string{c.call, on, act}, "/"), func(t *testing.T) {
					t.Parallel()
					table, _, _ := newTable(t, embedded.Options{})
					if before != "" {
						put(t, table, before)
					}
					call := applicationCalls[c.call]
					must(t, table, call.operation, fmt.Sprintf(`{"TableName":"orders",%s}`, call.body))
					did := get(t, table, keyAt("a", 1))
					do(t, table)
					after := get(t, table, keyAt("a", 1))
					undone := slices.Contains(c.undone, act)
					if c.call == "DeleteItem" || c.call == "PutItem, a marker" {
						require.Equal(t, undone, isRow(after), "%s", after)
						return
					}
					require.Contains(t, did, "application")
					require.Equal(t, undone, !sameItem(t, did, after), "%s, then %s", did, after)
				})
			}
		}
	}
}

// sameItem reports whether two items are the same, in whatever order.
func sameItem(t *testing.T, a, b string) bool {
	t.Helper()
	if a == "" || b == "" {
		return a == b
	}
	var left, right map[string]any
	require.NoError(t, json.Unmarshal([]byte(a), &left))
	require.NoError(t, json.Unmarshal([]byte(b), &right))
	return reflect.DeepEqual(left, right)
}

// isRow reports whether an application takes what is there for a row.
func isRow(item string) bool { return item != "" && !strings.Contains(item, `"cf:d"`) }

// The condition that GUARANTEES.md names keeps an update from a marker and from a row that is not there yet.
func TestAnUpdateUnderItsConditionTouchesNoMarker(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"a marker", "nothing"} {
		table, _, _ := newTable(t, embedded.Options{})
		if underAKey[on] != "" {
			put(t, table, underAKey[on])
		}
		before := get(t, table, keyAt("a", 1))
		call := applicationCalls["UpdateItem, if not dead"]
		_, err := table.wire.call(t.Context(), "DynamoDB_20120810."+call.operation, fmt.Appendf(nil, `{"TableName":"orders",%s}`, call.body))
		_, refused := conditionFailed(err)
		require.True(t, refused, "%v", err)
		require.True(t, sameItem(t, before, get(t, table, keyAt("a", 1))))
	}
}

// In the form none the application's calls are the only ones that change what is there: a copied row is put where nothing is.
func TestCallsOfTheApplicationInTheFormNone(t *testing.T) {
	t.Parallel()
	for call, back := range map[string]bool{
		"PutItem, whole": false, "PutItem, a marker": false, "UpdateItem": false, "DeleteItem": true,
	} {
		for _, before := range []string{underAKey["its own"], `{"pk":{"S":"a"},"sk":{"N":"1"},"cf:d":{"N":"1700000000"}}`} {
			table, _, _ := newTable(t, embedded.Options{})
			put(t, table, before)
			made := applicationCalls[call]
			must(t, table, made.operation, fmt.Sprintf(`{"TableName":"orders",%s}`, made.body))
			did := get(t, table, keyAt("a", 1))
			require.NoError(t, NewTarget(table, schema, names, Plain).Put(t.Context(), writeOf(t, 0)).Err)
			require.Equal(t, back, !sameItem(t, did, get(t, table, keyAt("a", 1))), "%s on %s", call, before)
		}
	}
}
