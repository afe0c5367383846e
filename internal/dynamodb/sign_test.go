package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bySDK is the header that the SDK's signer gives the same request, and the host that it sends it to.
func bySDK(t require.TestingT, endpoint, region, operation string, body []byte, c aws.Credentials, now time.Time) (http.Header, string) {
	request, err := http.NewRequest(http.MethodPost, endpoint, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", operation)
	request.Header.Set("Accept-Encoding", "identity")
	sum := sha256.Sum256(body)
	require.NoError(t, v4.NewSigner().SignHTTP(context.Background(), c, request, hex.EncodeToString(sum[:]), "dynamodb", region, now))
	return request.Header, request.Host
}

// One signer signs as the SDK's does, whatever the endpoint, the credentials and the hour.
func TestSignerIsTheSDKs(t *testing.T) {
	endpoints := []string{
		"http://127.0.0.1:8000", "http://localhost:80", "https://dynamodb.eu-west-1.amazonaws.com", "https://dynamodb.eu-west-1.amazonaws.com:443/",
		"https://example.com:80", "http://example.com:443", "http://[::1]:8000", "https://proxy.example.com/a%20b/c+d~e/", "HTTP://Example.com",
	}
	rapid.Check(t, func(t *rapid.T) {
		endpoint, region := rapid.SampledFrom(endpoints).Draw(t, "endpoint"), rapid.StringMatching(`[a-z]{2}(-[a-z]{4,9}){1,2}-[1-9]`).Draw(t, "region")
		parsed, err := url.Parse(endpoint)
		require.NoError(t, err)
		s := newSigner(parsed, region)
		now := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 0)
		c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
		for range rapid.IntRange(1, 4).Draw(t, "calls") {
			switch rapid.SampledFrom([]string{"same", "later", "secret", "key", "token"}).Draw(t, "change") {
			case "later":
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "later")))
			case "secret": // of the same access key
				c.SecretAccessKey = rapid.StringMatching(`[A-Za-z0-9/+]{1,80}`).Draw(t, "secret")
			case "key":
				c.AccessKeyID = rapid.StringMatching(`[A-Z0-9]{16,32}`).Draw(t, "key")
			case "token":
				c.SessionToken = rapid.StringMatching(`([A-Za-z0-9/+=]{1,900})?`).Draw(t, "token")
			}
			operation := rapid.SampledFrom([]string{"DynamoDB_20120810.PutItem", "DynamoDBStreams_20120810.GetRecords"}).Draw(t, "operation")
			body := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "body")
			want, host := bySDK(t, endpoint, region, operation, body, c, now)
			require.Equal(t, want, s.header(operation, body, c, now))
			require.Equal(t, host, s.host)
		}
	})
}

// Calls at once, with credentials that change meanwhile, each have the signature of their own.
func TestSignerAtOnce(t *testing.T) {
	const endpoint = "https://dynamodb.us-east-1.amazonaws.com"
	parsed, err := url.Parse(endpoint)
	require.NoError(t, err)
	s := newSigner(parsed, "us-east-1")
	var group sync.WaitGroup
	defer group.Wait()
	for caller := range 8 {
		group.Go(func() {
			for i := range 200 {
				c := aws.Credentials{AccessKeyID: "A", SecretAccessKey: string(rune('a' + (caller+i)%3))}
				body := bytes.Repeat([]byte{byte(caller)}, i)
				now := time.Unix(int64(i%2*86400), 0)
				want, _ := bySDK(t, endpoint, "us-east-1", "DynamoDB_20120810.PutItem", body, c, now)
				if !equalHeader(want, s.header("DynamoDB_20120810.PutItem", body, c, now)) {
					t.Errorf("call %d of caller %d has another signature", i, caller)
				}
			}
		})
	}
}

func equalHeader(a, b http.Header) bool {
	return a.Get("Authorization") == b.Get("Authorization") && len(a) == len(b)
}
