package dynamodb

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/lab/services"
)

// DynamoDB Local answers every check of create, and nothing of it changes the table.
func TestChecksOnDynamoDBLocal(t *testing.T) {
	name := fmt.Sprintf("checks-%d", os.Getpid())
	table, err := Open(t.Context(), Options{Table: name, Region: "us-east-1", Endpoint: services.SharedDynamoDB(t)})
	require.NoError(t, err)
	must(t, table, "CreateTable", fmt.Sprintf(`{"TableName":%q,"BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`, name))
	d, err := table.Describe(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, d.ARN)
	require.NotEmpty(t, d.ID)
	require.NoError(t, table.CheckRemove(t.Context(), schema))
	require.NoError(t, table.CheckLookup(t.Context(), schema))
	require.NoError(t, table.CheckInsert(t.Context(), schema))
	require.NoError(t, table.CheckStreamToCome(t.Context(), d.ARN))
	shown, err := table.CheckUpdate(t.Context())
	require.NoError(t, err)
	t.Log("the answer to an update that cannot succeed shows the permission:", shown)
	ttl, err := table.TimeToLive(t.Context())
	require.NoError(t, err)
	require.False(t, ttl.Removes())
	after, err := table.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, d, after)

	arn, err := table.EnableStream(t.Context())
	require.NoError(t, err)
	read, err := NewStream(table, arn, schema).CheckStream(t.Context())
	require.NoError(t, err)
	require.True(t, read)
}
