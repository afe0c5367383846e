package dynamodb

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Each check asks for what it names, and leaves the table as it was.
func TestPermissionsAreAskedForAndChangeNothing(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	put(t, table, `{"pk":{"S":"a"},"sk":{"N":"1"}}`)
	before := must(t, table, "Scan", `{"TableName":"orders"}`)
	d, err := table.Describe(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, d.ID)
	stream := NewStream(table, d.Stream, schema)
	read := func() error {
		_, err := stream.CheckStream(t.Context())
		return err
	}
	toCome := func() error { return table.CheckStreamToCome(t.Context(), d.ARN) }
	update := func() error {
		_, err := table.CheckUpdate(t.Context())
		return err
	}
	for _, c := range []struct {
		operation string
		check     func() error
	}{
		{"DeleteItem", func() error { return table.CheckRemove(t.Context(), schema) }},
		{"DescribeStream", read},
		{"GetShardIterator", read},
		{"GetRecords", read},
		{"DescribeStream", toCome},
		{"GetShardIterator", toCome},
		{"UpdateTable", update},
	} {
		f.set(nil)
		require.NoError(t, c.check(), c.operation)
		for _, code := range []string{"AccessDeniedException", "InternalServerError"} {
			f.set(func(call embedded.Call) embedded.Fault {
				if call.Operation == c.operation {
					return embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "no"}}
				}
				return embedded.Fault{}
			})
			err := c.check()
			require.Error(t, err, "%s %s", c.operation, code)
			require.Equal(t, code == "AccessDeniedException", NotPermitted(err), "%s: %v", c.operation, err)
			require.NotEqual(t, fault.Record, fault.Of(err), "there is no record to blame")
		}
	}
	f.set(nil)
	require.JSONEq(t, before, must(t, table, "Scan", `{"TableName":"orders"}`))
	after, err := table.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, d, after)
}

// An answer that does not come from the permission does not show it.
func TestUpdatePermissionIsUnknownUnlessTheAnswerShowsIt(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	for code, want := range map[string]bool{"ResourceNotFoundException": true, "ValidationException": false} {
		f.always(embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "no index"}})
		shown, err := table.CheckUpdate(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, shown, code)
	}
}

// A server that knows no PartiQL is told by that, and its rows are written one by one under the same condition.
func TestRowsGoOneByOneWithoutPartiQL(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	f.set(func(c embedded.Call) embedded.Fault {
		if c.Operation == "BatchExecuteStatement" {
			return embedded.Fault{Refuse: &embedded.Error{Code: "UnknownOperationException", Message: "Unsupported operation"}}
		}
		return embedded.Fault{}
	})
	require.True(t, NotKnown(table.CheckInsert(t.Context(), schema)))

	version := events.Version{Generation: 1}
	var rows []events.Event
	for _, raw := range []string{`{"pk":{"S":"a"},"sk":{"N":"1"},"v":{"S":"x"}}`, `{"pk":{"S":"b"},"sk":{"N":"1"},"v":{"S":"x"}}`} {
		key, item := decoded(t, raw)
		rows = append(rows, events.Event{Key: key, Op: events.Write, Item: item, Version: version})
	}
	target := NewTarget(table, schema, names, Versioned)
	for _, result := range target.Insert(t.Context(), rows) {
		require.Error(t, result.Err)
	}
	put(t, table, `{"pk":{"S":"b"},"sk":{"N":"1"},"v":{"S":"the application's"}}`)
	results := target.Singly().Insert(t.Context(), rows)
	require.Len(t, results, 2)
	require.NoError(t, results[0].Err)
	require.Equal(t, apply.Applied, results[0].Outcome)
	require.Positive(t, results[0].Units)
	require.NoError(t, results[1].Err)
	require.Equal(t, apply.AppOwned, results[1].Outcome)
}
