package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// write is the event that writes the row pk, 1 with this value.
func write(t *testing.T, pk, value string, v events.Version) events.Event {
	t.Helper()
	key, item := decoded(t, fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"},"x":{"S":%q}}`, pk, value))
	return events.Event{Key: key, Op: events.Write, Item: item, Version: v}
}

// dead is the event that deletes the row pk, 1.
func dead(pk string, op events.Op, v events.Version) events.Event {
	return events.Event{Key: keyAt(pk, 1), Op: op, Version: v, Time: time.Unix(1_700_000_000, 0), Source: "shard 7"}
}

func stored(pk, value string, v events.Version) string {
	return fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"},"x":{"S":%q},"cf:v":{"S":%q}}`, pk, value, v)
}

func marker(pk string, v events.Version, more string) string {
	return fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"},"cf:v":{"S":%q},"cf:d":{"N":"1700000000"},"cf:s":{"S":"shard 7"}%s}`, pk, v, more)
}

// Each case writes an event over what was stored before, by Put and, where that is allowed, by Insert.
func TestCondition(t *testing.T) {
	t.Parallel()
	snapshot := events.Version{Generation: 1}
	rerun := version(5)
	rerun.Rerun = 1
	second := events.Version{Generation: 2}
	for name, c := range map[string]struct {
		before string // "": nothing
		event  events.Event
		want   apply.Outcome
		after  string
	}{
		"nothing there":               {"", write(t, "a", "new", version(5)), apply.Applied, stored("a", "new", version(5))},
		"newer":                       {stored("a", "old", version(5)), write(t, "a", "new", version(6)), apply.Applied, stored("a", "new", version(6))},
		"more digits":                 {stored("a", "old", version(9)), write(t, "a", "new", version(10)), apply.Applied, stored("a", "new", version(10))},
		"equal":                       {stored("a", "old", version(5)), write(t, "a", "new", version(5)), apply.Duplicate, stored("a", "old", version(5))},
		"older":                       {stored("a", "old", version(5)), write(t, "a", "new", version(4)), apply.Stale, stored("a", "old", version(5))},
		"snapshot under a change":     {stored("a", "old", version(0)), write(t, "a", "new", snapshot), apply.Stale, stored("a", "old", version(0))},
		"change over the snapshot":    {stored("a", "old", snapshot), write(t, "a", "new", version(0)), apply.Applied, stored("a", "new", version(0))},
		"rerun":                       {stored("a", "old", version(5)), write(t, "a", "new", rerun), apply.Applied, stored("a", "new", rerun)},
		"next generation":             {stored("a", "old", version(99)), write(t, "a", "new", second), apply.Applied, stored("a", "new", second)},
		"delete":                      {stored("a", "old", version(5)), dead("a", events.Delete, version(6)), apply.Applied, marker("a", version(6), "")},
		"delete of nothing":           {"", dead("a", events.Delete, version(6)), apply.Applied, marker("a", version(6), "")},
		"older delete":                {stored("a", "old", version(5)), dead("a", events.Delete, version(4)), apply.Stale, stored("a", "old", version(5))},
		"tombstone":                   {stored("a", "old", version(5)), dead("a", events.Tombstone, version(6)), apply.Applied, marker("a", version(6), `,"cf:t":{"BOOL":true}`)},
		"older write under a marker":  {marker("a", version(6), ""), write(t, "a", "new", version(5)), apply.Stale, marker("a", version(6), "")},
		"snapshot under a marker":     {marker("a", version(6), ""), write(t, "a", "new", snapshot), apply.Stale, marker("a", version(6), "")},
		"newer write over a marker":   {marker("a", version(6), ""), write(t, "a", "new", version(7)), apply.Applied, stored("a", "new", version(7))},
		"redelivered delete":          {marker("a", version(6), ""), dead("a", events.Delete, version(6)), apply.Duplicate, marker("a", version(6), "")},
		"the application's own":       {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"own"}}`, write(t, "a", "new", version(5)), apply.AppOwned, `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"own"}}`},
		"delete of the application's": {`{"pk":{"S":"a"},"sk":{"N":"1"}}`, dead("a", events.Delete, version(5)), apply.AppOwned, `{"pk":{"S":"a"},"sk":{"N":"1"}}`},
		"an attribute of that name":   {`{"pk":{"S":"a"},"sk":{"N":"1"},"cf:v":{"N":"1"}}`, write(t, "a", "new", version(5)), apply.AppOwned, `{"pk":{"S":"a"},"sk":{"N":"1"},"cf:v":{"N":"1"}}`},
		"another row of its partition": {
			`{"pk":{"S":"a"},"sk":{"N":"2"},"cf:v":{"S":"999999"}}`, write(t, "a", "new", version(5)), apply.Applied, stored("a", "new", version(5)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{})
			if c.before != "" {
				put(t, table, c.before)
			}
			result := NewTarget(table, schema, names, Versioned).Put(t.Context(), c.event)
			require.NoError(t, result.Err)
			require.Equal(t, c.want, result.Outcome, "%s", result.Outcome)
			require.JSONEq(t, c.after, get(t, table, c.event.Key))
			if c.want == apply.Applied {
				require.Positive(t, result.Units)
			}
		})
	}
}

func TestMarkerOfADeleteWithoutTimeOrSource(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	before := time.Now().Unix()
	result := NewTarget(table, schema, names, Versioned).Put(t.Context(), events.Event{Key: keyAt("a", 1), Op: events.Delete, Version: version(1)})
	require.Equal(t, apply.Result{Outcome: apply.Applied, Units: result.Units}, result)
	page, err := NewMarkers(table, schema, names).Scan(t.Context(), 0, 1, nil)
	require.NoError(t, err)
	require.Len(t, page.Markers, 1)
	require.Empty(t, page.Markers[0].Shard)
	var at int64
	_, err = fmt.Sscan(page.Markers[0].Deleted, &at)
	require.NoError(t, err)
	require.GreaterOrEqual(t, at, before)
}

// Items that are easy to damage come out of both ways in as they went in, with the version.
func TestOddItemsByBothWays(t *testing.T) {
	t.Parallel()
	for way, insert := range map[string]bool{"put": false, "insert": true} {
		table, _, _ := newTable(t, embedded.Options{})
		target := NewTarget(table, schema, names, Versioned)
		for name, attributes := range oddItems() {
			if name == "large" {
				attributes = `"s":{"S":"` + strings.Repeat("x", 400<<10-200) + `"}` // room for the version
			}
			raw := fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"}`, name)
			if attributes != "" {
				raw += "," + attributes
			}
			raw += "}"
			key, item := decoded(t, raw)
			event := events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}
			result := target.Put
			if insert {
				result = func(ctx context.Context, e events.Event) apply.Result {
					return target.Insert(ctx, []events.Event{e})[0]
				}
			}
			first := result(t.Context(), event)
			require.NoError(t, first.Err, "%s: %s", way, name)
			require.Equal(t, apply.Applied, first.Outcome, "%s: %s", way, name)
			require.JSONEq(t, raw[:len(raw)-1]+fmt.Sprintf(`,"cf:v":{"S":%q}}`, version(1)), get(t, table, key), "%s: %s", way, name)
			require.Equal(t, apply.Duplicate, result(t.Context(), event).Outcome, "%s: %s", way, name)
		}
	}
}

// Every row of a batch has its own answer, at its own place.
func TestInsertAnswersEachRow(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	snapshot := events.Version{Generation: 1} // the lowest there is: only such rows are inserted
	put(t, table, stored("stale", "old", version(9)))
	put(t, table, stored("equal", "old", snapshot))
	put(t, table, marker("dead", version(9), ""))
	put(t, table, `{"pk":{"S":"own"},"sk":{"N":"1"}}`)
	f.set(func(c embedded.Call) embedded.Fault {
		for pk, refuse := range map[string]*embedded.Error{
			"hot": embedded.Throttled("TableWriteKeyRangeThroughputExceeded", "arn"), "denied": {Code: "AccessDeniedException", Message: "no"},
			"bad": {Code: "ValidationException", Message: "Item size has exceeded the maximum allowed size"},
		} {
			if c.Part && strings.Contains(c.Key, `"`+pk+`"`) {
				return embedded.Fault{Refuse: refuse}
			}
		}
		return embedded.Fault{}
	})
	pks := []string{"first", "stale", "hot", "equal", "own", "denied", "dead", "bad", "last"}
	rows := make([]events.Event, len(pks))
	for i, pk := range pks {
		rows[i] = write(t, pk, "new", snapshot)
	}
	results := NewTarget(table, schema, names, Versioned).Insert(t.Context(), rows)
	require.Len(t, results, len(rows))
	for i, want := range []apply.Outcome{apply.Applied, apply.Stale, 0, apply.Duplicate, apply.AppOwned, 0, apply.Stale, 0, apply.Applied} {
		require.Equal(t, want, results[i].Outcome, pks[i])
		require.Equal(t, want == 0, results[i].Err != nil, "%s: %v", pks[i], results[i].Err)
	}
	require.Equal(t, fault.Retry, fault.Of(results[2].Err))
	require.Equal(t, fault.UnnamedThrottled, fault.ThrottleOf(results[2].Err), "a statement's answer has no reasons")
	require.Equal(t, fault.Fatal, fault.Of(results[5].Err))
	require.Equal(t, fault.Record, fault.Of(results[7].Err))
	bad, ok := errors.AsType[*events.Invalid](results[7].Err)
	require.True(t, ok)
	require.Equal(t, events.TooLarge, bad.Reason)
	require.JSONEq(t, stored("last", "new", snapshot), get(t, table, keyAt("last", 1)))
	require.JSONEq(t, stored("stale", "old", version(9)), get(t, table, keyAt("stale", 1)))
	require.JSONEq(t, marker("dead", version(9), ""), get(t, table, keyAt("dead", 1)))
	require.Empty(t, get(t, table, keyAt("hot", 1)))
}

// A row whose statement would be too long is written alone, and one bad row does not take the others with it.
func TestInsertOfRowsThatNeedAPut(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	target := NewTarget(table, schema, names, Versioned)
	var wide strings.Builder
	wide.WriteString(`{"pk":{"S":"wide"},"sk":{"N":"1"}`)
	for i := range 400 {
		fmt.Fprintf(&wide, `,"attribute number %03d":{"NULL":true}`, i)
	}
	key, item := decoded(t, wide.String()+"}")
	results := target.Insert(t.Context(), []events.Event{
		write(t, "a", "1", version(5)), {Key: key, Op: events.Write, Item: item, Version: version(5)}, write(t, "b", "2", version(5)),
	})
	for _, r := range results {
		require.NoError(t, r.Err)
		require.Equal(t, apply.Applied, r.Outcome)
	}
	require.NotEmpty(t, get(t, table, key))

	f.set(func(c embedded.Call) embedded.Fault {
		if c.Operation == "BatchExecuteStatement" && !c.Part {
			return embedded.Fault{Refuse: &embedded.Error{Code: "ValidationException", Message: "one of them"}}
		}
		return embedded.Fault{}
	})
	key, item = decoded(t, `{"pk":{"S":"bad"},"sk":{"N":"1"},"x":{"N":"no number"}}`)
	results = target.Insert(t.Context(), []events.Event{
		write(t, "c", "1", version(5)), {Key: key, Op: events.Write, Item: item, Version: version(5)}, write(t, "d", "2", version(5)),
	})
	require.Equal(t, apply.Applied, results[0].Outcome)
	require.Equal(t, fault.Record, fault.Of(results[1].Err))
	require.Error(t, results[1].Err)
	require.Equal(t, apply.Applied, results[2].Outcome)

	f.set(func(c embedded.Call) embedded.Fault {
		return embedded.Fault{Lose: c.Operation == "BatchExecuteStatement" && !c.Part}
	})
	rows := []events.Event{write(t, "e", "1", version(5)), write(t, "f", "2", version(5))}
	for _, r := range target.Insert(t.Context(), rows) {
		require.Equal(t, fault.Retry, fault.Of(r.Err))
		require.Error(t, r.Err)
	}
	f.set(nil)
	for _, r := range target.Insert(t.Context(), rows) {
		require.Equal(t, apply.Duplicate, r.Outcome, "the lost call was carried out")
	}
}

func TestInsertWithTooFewAnswers(t *testing.T) {
	t.Parallel()
	target := NewTarget(open(t, "orders", answering(`{"Responses":[{}]}`)), schema, names, Versioned)
	for _, r := range target.Insert(t.Context(), []events.Event{write(t, "a", "1", version(5)), write(t, "b", "1", version(5))}) {
		require.Error(t, r.Err)
		require.Zero(t, r.Outcome)
		require.Equal(t, fault.Retry, fault.Of(r.Err))
	}
}

// In the form without versions a row is only ever written where none is, and carries nothing of ours.
func TestPlain(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	target := NewTarget(table, schema, names, Plain)
	snapshot := events.Version{Generation: 1}
	results := target.Insert(t.Context(), []events.Event{write(t, "a", "1", snapshot)})
	require.Equal(t, apply.Applied, results[0].Outcome, "%v", results[0].Err)
	require.Equal(t, apply.Applied, target.Put(t.Context(), write(t, "b", "1", snapshot)).Outcome)
	for _, pk := range []string{"a", "b"} {
		want := fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"},"x":{"S":"1"}}`, pk)
		require.Equal(t, apply.AppOwned, target.Put(t.Context(), write(t, pk, "2", version(9))).Outcome)
		require.Equal(t, apply.AppOwned, target.Insert(t.Context(), []events.Event{write(t, pk, "2", version(9))})[0].Outcome)
		require.JSONEq(t, want, get(t, table, keyAt(pk, 1)))
	}
}

// A database that refuses and does not show the item leaves open what is there, but not that something is.
func TestPresentWithoutTheStoredItem(t *testing.T) {
	t.Parallel()
	row := write(t, "a", "1", events.Version{Generation: 1})
	inserted := open(t, "orders", answering(`{"Responses":[{"Error":{"Code":"DuplicateItem","Message":"Duplicate primary key exists in table"}}]}`))
	require.Equal(t, []apply.Result{{Outcome: apply.Present}}, NewTarget(inserted, schema, names, Versioned).Insert(t.Context(), []events.Event{row}))
	refused := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
		body := `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`
		return answered(http.StatusBadRequest, itsJSON, body), nil
	}))
	require.Equal(t, apply.Result{Outcome: apply.Present}, NewTarget(refused, schema, names, Versioned).Put(t.Context(), row))
}

// The plain copy overwrites what is newer and leaves no marker: that is what it is for.
func TestNaive(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	target := NewNaiveTarget(table)
	rows := []events.Event{write(t, "a", "new", version(5)), write(t, "a", "old", version(4))}
	for _, r := range target.Insert(t.Context(), rows) {
		require.Equal(t, apply.Result{Outcome: apply.Applied}, r)
	}
	require.JSONEq(t, `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"old"}}`, get(t, table, keyAt("a", 1)))
	require.Equal(t, apply.Applied, target.Put(t.Context(), dead("a", events.Delete, version(6))).Outcome)
	require.Empty(t, get(t, table, keyAt("a", 1)))
}
