package dynamodb_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(client *http.Client) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: new("http://dynamodb.test"),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   client,
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// clients returns the SDK on the server without a socket.
func clients(s *dynamodb.Server) (*sdk.Client, *dynamodbstreams.Client) {
	c := config(&http.Client{Transport: s.Transport()})
	return sdk.NewFromConfig(c), dynamodbstreams.NewFromConfig(c)
}

type attrs = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// createTable makes a table with the keys pk (S) and sk (N), and a stream unless view is empty.
func createTable(t *testing.T, c *sdk.Client, name string, view types.StreamViewType) {
	t.Helper()
	in := &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: new("sk"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: new("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: new("sk"), KeyType: types.KeyTypeRange},
		},
	}
	if view != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: view}
	}
	_, err := c.CreateTable(t.Context(), in)
	require.NoError(t, err)
}

func put(ctx context.Context, t *testing.T, c *sdk.Client, table string, item attrs) {
	t.Helper()
	_, err := c.PutItem(ctx, &sdk.PutItemInput{TableName: &table, Item: item})
	require.NoError(t, err)
}

func TestListeningServer(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{})
	endpoint, err := s.Start()
	require.NoError(t, err)
	_, err = s.Start()
	require.Error(t, err)
	transport := &http.Transport{}
	c := config(&http.Client{Transport: transport})
	c.BaseEndpoint = &endpoint
	client := sdk.NewFromConfig(c)
	createTable(t, client, "orders", "")
	put(t.Context(), t, client, "orders", attrs{"pk": str("a"), "sk": num("1.50")})
	got, err := client.GetItem(t.Context(), &sdk.GetItemInput{TableName: new("orders"), Key: attrs{"pk": str("a"), "sk": num("1.5")}})
	require.NoError(t, err)
	require.Equal(t, attrs{"pk": str("a"), "sk": num("1.5")}, got.Item)
	transport.CloseIdleConnections()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}
