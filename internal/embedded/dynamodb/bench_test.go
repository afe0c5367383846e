package dynamodb_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// send posts a raw request, so that what is measured is the server and not the SDK.
func send(b *testing.B, transport http.RoundTripper, target, body string) int {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://dynamodb.test/", bytes.NewReader([]byte(body)))
	require.NoError(b, err)
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+target)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x")
	answer, err := transport.RoundTrip(r)
	require.NoError(b, err)
	defer answer.Body.Close()
	require.Equal(b, http.StatusOK, answer.StatusCode)
	return int(answer.ContentLength)
}

func putBody(i int) string {
	return fmt.Sprintf(`{"TableName":"orders","ConditionExpression":"attribute_not_exists(#k) OR #v < :v","ExpressionAttributeNames":{"#k":"pk","#v":"version"},`+
		`"ExpressionAttributeValues":{":v":{"S":"%020d"}},"Item":{"pk":{"S":"customer-%d"},"sk":{"N":"%d"},"version":{"S":"%020d"},"tags":{"SS":["a","b"]},`+
		`"address":{"M":{"street":{"S":"%s"},"n":{"N":"12"}}},"lines":{"L":[{"N":"1.50"},{"S":"%s"}]}}}`, i, i%997, i%50_000, i, strings.Repeat("s", 100), strings.Repeat("t", 150))
}

func newBench(b *testing.B) http.RoundTripper {
	b.Helper()
	transport := dynamodb.New(dynamodb.Options{}).Transport()
	send(b, transport, "CreateTable", `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"},`+
		`"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],`+
		`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`)
	return transport
}

func BenchmarkPutItem(b *testing.B) {
	transport := newBench(b)
	for i := 1; b.Loop(); i++ {
		send(b, transport, "PutItem", putBody(i))
	}
}

// BenchmarkScan reads one page of 1 MB an iteration.
func BenchmarkScan(b *testing.B) {
	transport := newBench(b)
	for i := range 10_000 {
		send(b, transport, "PutItem", putBody(i))
	}
	n := 0
	for b.Loop() {
		n += send(b, transport, "Scan", `{"TableName":"orders","ConsistentRead":true}`)
	}
	b.SetBytes(int64(n / b.N))
}
