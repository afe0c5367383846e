package stub_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/lab/bench/stub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type attributes = map[string]types.AttributeValue

func rows(n int) []stub.Row {
	made := make([]stub.Row, n)
	for i := range made {
		key := fmt.Sprintf(`"pk":{"S":"a"},"sk":{"N":"%d"}`, i)
		made[i] = stub.Row{Key: "{" + key + "}", Item: "{" + key + `,"mark":{"S":"` + stub.Mark(i) + `"}}`}
	}
	return made
}

func start(t *testing.T, o stub.Options) (*stub.Server, *sdk.Client, *dynamodbstreams.Client) {
	t.Helper()
	s, err := stub.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: new(s.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: stub.Client{HTTP: awshttp.NewBuildableClient()}, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return s, sdk.NewFromConfig(c), dynamodbstreams.NewFromConfig(c)
}

func mark(n int) types.AttributeValue { return &types.AttributeValueMemberS{Value: stub.Mark(n)} }

// The SDK verifies the checksum of each answer.
func TestScanHasEachRowOnce(t *testing.T) {
	const n = 5003
	_, client, _ := start(t, stub.Options{Rows: rows(n), Segments: 2, Shards: 1})
	seen := map[string]bool{}
	for segment := range int32(2) {
		for after, first := attributes(nil), true; first || after != nil; first = false {
			page, err := client.Scan(t.Context(), &sdk.ScanInput{
				TableName: new("bench"), Segment: &segment, TotalSegments: new(int32(2)), ExclusiveStartKey: after,
			})
			require.NoError(t, err)
			for _, item := range page.Items {
				seen[item["mark"].(*types.AttributeValueMemberS).Value] = true
			}
			require.Len(t, page.Items, int(page.Count))
			after = page.LastEvaluatedKey
		}
	}
	require.Len(t, seen, n)
}

func TestStreamHasEachRowOnce(t *testing.T) {
	const n = 5003
	_, _, client := start(t, stub.Options{Rows: rows(n), Segments: 1, Shards: 3})
	described, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: new(stub.ARN)})
	require.NoError(t, err)
	require.Len(t, described.StreamDescription.Shards, 3)
	seen := map[string]bool{}
	for _, shard := range described.StreamDescription.Shards {
		place, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
			StreamArn: new(stub.ARN), ShardId: shard.ShardId, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(t, err)
		for iterator, records := place.ShardIterator, 1; records > 0; {
			page, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: iterator})
			require.NoError(t, err)
			require.NotNil(t, page.NextShardIterator, "the shard is open")
			for _, r := range page.Records {
				seen[r.Dynamodb.NewImage["mark"].(*streams.AttributeValueMemberS).Value] = true
			}
			iterator, records = page.NextShardIterator, len(page.Records)
		}
	}
	require.Len(t, seen, n)
}

func TestWritesAreCounted(t *testing.T) {
	s, client, _ := start(t, stub.Options{Rows: rows(100), Segments: 1, Shards: 1})
	put := func(n int) error {
		_, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: new("bench"), Item: attributes{"mark": mark(n)}})
		return err
	}
	require.NoError(t, put(7))
	require.NoError(t, put(7))
	require.Error(t, put(640), "there is no such row")
	var statements []types.BatchStatementRequest
	for n := range 25 {
		statements = append(statements, types.BatchStatementRequest{
			Statement: new(`INSERT INTO "bench" VALUE {'mark':?}`), Parameters: []types.AttributeValue{mark(n)},
		})
	}
	answer, err := client.BatchExecuteStatement(t.Context(), &sdk.BatchExecuteStatementInput{Statements: statements})
	require.NoError(t, err)
	require.Len(t, answer.Responses, 25)
	distinct, writes := s.Arrived()
	require.Equal(t, []int{25, 27}, []int{distinct, writes})
	s.Reset()
	distinct, writes = s.Arrived()
	require.Equal(t, []int{0, 0}, []int{distinct, writes})
}

func TestUnknownCallsAreRefused(t *testing.T) {
	_, client, _ := start(t, stub.Options{Rows: rows(10), Segments: 1, Shards: 1})
	_, err := client.ListTables(t.Context(), &sdk.ListTablesInput{})
	require.ErrorContains(t, err, "UnknownOperationException")
	_, err = client.Scan(t.Context(), &sdk.ScanInput{TableName: new("bench"), Segment: new(int32(0)), TotalSegments: new(int32(2))})
	require.ErrorContains(t, err, "another number of segments")
}
