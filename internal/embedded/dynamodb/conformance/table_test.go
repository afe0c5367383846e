package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func TestTables(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeB, types.StreamViewTypeOldImage)
		db.put(t, table, attrs{"pk": str("a"), "sk": bin("\x00")})
		out, err := db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: &table})
		require.NoError(t, err)
		require.Equal(t, types.TableStatusActive, out.Table.TableStatus)
		require.EqualValues(t, 1, *out.Table.ItemCount)
		require.EqualValues(t, 6, *out.Table.TableSizeBytes)
		require.Equal(t, types.BillingModePayPerRequest, out.Table.BillingModeSummary.BillingMode)
		require.Equal(t, types.StreamViewTypeOldImage, out.Table.StreamSpecification.StreamViewType)
		require.Len(t, out.Table.KeySchema, 2)
		require.Contains(t, *out.Table.LatestStreamArn, *out.Table.TableArn+"/stream/"+*out.Table.LatestStreamLabel)

		names, err := db.ListTables(t.Context(), &sdk.ListTablesInput{})
		require.NoError(t, err)
		require.Contains(t, names.TableNames, table)
		_, err = db.CreateTable(t.Context(), &sdk.CreateTableInput{
			TableName: &table, BillingMode: types.BillingModePayPerRequest, AttributeDefinitions: out.Table.AttributeDefinitions, KeySchema: out.Table.KeySchema,
		})
		require.Contains(t, failure(err), "ResourceInUseException: ")
		_, err = db.DescribeTable(t.Context(), &sdk.DescribeTableInput{TableName: new("not-there")})
		require.Equal(t, difference[string]{
			"ResourceNotFoundException: Requested resource not found: Table: not-there not found",
			"ResourceNotFoundException: Cannot do operations on a non-existent table", withEmbedded, "the text is that of real answers",
		}.of(t, db), failure(err))
	})
}

func TestTimeToLive(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		status := func() types.TimeToLiveStatus {
			out, err := db.DescribeTimeToLive(t.Context(), &sdk.DescribeTimeToLiveInput{TableName: &table})
			require.NoError(t, err)
			return out.TimeToLiveDescription.TimeToLiveStatus
		}
		require.Equal(t, types.TimeToLiveStatusDisabled, status())
		_, err := db.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{
			TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new("ttl"), Enabled: new(true)},
		})
		require.NoError(t, err)
		require.Equal(t, types.TimeToLiveStatusEnabled, status())
	})
}
