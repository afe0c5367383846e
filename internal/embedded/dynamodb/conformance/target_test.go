package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite ends DynamoDB Local before leaks are looked for.
type suite struct{ *testing.M }

func (s suite) Run() int { return services.Main(s.M) }

// target is a server that the tests run on.
type target struct {
	*sdk.Client
	streams *dynamodbstreams.Client
	local   bool // DynamoDB Local
}

// on runs a test on every server there is.
func on(t *testing.T, test func(t *testing.T, db target)) {
	t.Helper()
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		server := dynamodb.New(dynamodb.Options{})
		test(t, newTarget(server.Transport(), "http://dynamodb.test", false))
	})
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		endpoint := services.SharedDynamoDB(t)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		test(t, newTarget(transport, endpoint, true))
	})
}

func newTarget(transport http.RoundTripper, endpoint string, local bool) target {
	c := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   &http.Client{Transport: transport, Timeout: time.Minute},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
	noChecksum := func(o *sdk.Options) { o.DisableValidateResponseChecksum = local } // Local sends none with errors
	return target{sdk.NewFromConfig(c, noChecksum), dynamodbstreams.NewFromConfig(c), local}
}

// agrees says which server real DynamoDB agrees with.
type agrees string

const (
	withEmbedded agrees = "embedded"
	withLocal    agrees = "local"
	unknown      agrees = "unknown"
)

// difference is an expectation that is not the same on both servers.
type difference[T any] struct {
	embedded, local T
	real            agrees
	why             string
}

func (d difference[T]) of(t *testing.T, db target) T {
	t.Helper()
	require.NotEmpty(t, d.why)
	require.Contains(t, []agrees{withEmbedded, withLocal, unknown}, d.real)
	if db.local {
		return d.local
	}
	return d.embedded
}

func same[T any](v T) difference[T] {
	return difference[T]{v, v, unknown, "they agree"}
}

type attrs = map[string]types.AttributeValue

func str(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue   { return &types.AttributeValueMemberN{Value: s} }
func bin(s string) types.AttributeValue   { return &types.AttributeValueMemberB{Value: []byte(s)} }
func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }
func null() types.AttributeValue          { return &types.AttributeValueMemberNULL{Value: true} }
func obj(m attrs) types.AttributeValue    { return &types.AttributeValueMemberM{Value: m} }

func list(l ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: append([]types.AttributeValue{}, l...)}
}
func strs(s ...string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
func nums(s ...string) types.AttributeValue { return &types.AttributeValueMemberNS{Value: s} }

func bins(s ...string) types.AttributeValue {
	v := &types.AttributeValueMemberBS{}
	for _, b := range s {
		v.Value = append(v.Value, []byte(b))
	}
	return v
}

var tableNumber atomic.Int64

// table makes a table, with the keys pk (S), and sk of the given type unless it is empty, and deletes it afterwards.
func (db target) table(t *testing.T, sk types.ScalarAttributeType, view types.StreamViewType) string {
	t.Helper()
	name := fmt.Sprintf("conformance-%d-%d", os.Getpid(), tableNumber.Add(1))
	in := &sdk.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: new("pk"), KeyType: types.KeyTypeHash}},
	}
	if sk != "" {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: new("sk"), AttributeType: sk})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: new("sk"), KeyType: types.KeyTypeRange})
	}
	if view != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: view}
	}
	_, err := db.CreateTable(t.Context(), in)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.DeleteTable(context.WithoutCancel(t.Context()), &sdk.DeleteTableInput{TableName: &name})
		require.NoError(t, err)
	})
	return name
}

func (db target) put(t *testing.T, table string, item attrs) {
	t.Helper()
	_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: item})
	require.NoError(t, err)
}

func (db target) get(t *testing.T, table string, key attrs) attrs {
	t.Helper()
	out, err := db.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, Key: key, ConsistentRead: new(true)})
	require.NoError(t, err)
	return out.Item
}

// failure is "" for success, else the error's code and message.
func failure(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSpace(e.ErrorCode() + ": " + e.ErrorMessage())
	}
	return err.Error()
}
