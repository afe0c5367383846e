package dynamodb

import (
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

func TestTimeToLiveIsToldAndItsAbsenceIsNoFact(t *testing.T) {
	t.Parallel()
	table, _, faults := newTable(t, embedded.Options{})
	ttl, err := table.TimeToLive(t.Context())
	require.NoError(t, err)
	require.Equal(t, TimeToLive{Status: "DISABLED"}, ttl)
	require.False(t, ttl.Removes())

	must(t, table, "UpdateTimeToLive", `{"TableName":"orders","TimeToLiveSpecification":{"AttributeName":"until","Enabled":true}}`)
	ttl, err = table.TimeToLive(t.Context())
	require.NoError(t, err)
	require.Equal(t, TimeToLive{Status: "ENABLED", Attribute: "until"}, ttl)
	require.True(t, ttl.Removes())
	for _, status := range []string{"ENABLING", "DISABLING"} {
		require.True(t, TimeToLive{Status: status}.Removes(), status)
	}

	for code, kind := range map[string]func(error) bool{"AccessDeniedException": NotPermitted, "UnknownOperationException": NotKnown} {
		faults.always(embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "no"}})
		_, err = table.TimeToLive(t.Context())
		require.Error(t, err, code)
		require.True(t, kind(err), code)
		require.False(t, NotPermitted(err) && NotKnown(err), code)
	}
	faults.always(embedded.Fault{Refuse: &embedded.Error{Code: "InternalServerError", Message: "no"}})
	_, err = table.TimeToLive(t.Context())
	require.Error(t, err)
	require.False(t, NotPermitted(err) || NotKnown(err))
}
