package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/go-json-experiment/json/jsontext"
)

// maxAnswer bounds an answer: DynamoDB's pages are 1 MB of items, which JSON can make several times as large.
const maxAnswer = 64 << 20

// wire makes signed calls with bodies that are bytes already.
type wire struct {
	http        aws.HTTPClient
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	region      string
	timeout     time.Duration
	endpoint    string // of DynamoDB
	streams     string // of DynamoDB Streams
}

func newWire(ctx context.Context, c aws.Config, endpoint string, timeout time.Duration) (*wire, error) {
	w := &wire{
		http: c.HTTPClient, credentials: c.Credentials, signer: v4.NewSigner(), region: c.Region, timeout: timeout,
		endpoint: endpoint, streams: endpoint,
	}
	if endpoint != "" {
		return w, nil
	}
	table, err := sdk.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sdk.EndpointParameters{Region: &c.Region})
	if err != nil {
		return nil, fmt.Errorf("endpoint of DynamoDB in %s: %w", c.Region, err)
	}
	streams, err := dynamodbstreams.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, dynamodbstreams.EndpointParameters{Region: &c.Region})
	if err != nil {
		return nil, fmt.Errorf("endpoint of DynamoDB Streams in %s: %w", c.Region, err)
	}
	w.endpoint, w.streams = table.URI.String(), streams.URI.String()
	return w, nil
}

// answerError is an error that the service answered.
type answerError struct {
	code    string // without the namespace
	message string
	status  int
	reasons []string // of throttling
	item    []byte   // the stored item, where a condition failed and was asked for
}

func (e *answerError) Error() string { return fmt.Sprintf("%s: %s", e.code, e.message) }

// call posts body to the operation that target names, such as DynamoDB_20120810.PutItem, and returns the answer.
func (w *wire) call(ctx context.Context, target string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	endpoint := w.endpoint
	if strings.HasPrefix(target, "DynamoDBStreams") {
		endpoint = w.streams
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Accept-Encoding", "identity") // the checksum is of the bytes as sent
	credentials, err := w.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	sum := sha256.Sum256(body)
	// Both services sign as "dynamodb".
	if err := w.signer.SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), "dynamodb", w.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	response, err := w.http.Do(request)
	if err != nil {
		return nil, err
	}
	return read(response)
}

// read returns the whole answer, verified, or the error that it carries.
func read(response *http.Response) ([]byte, error) {
	defer response.Body.Close() //nolint:errcheck // the answer has been read or given up
	buffer := bytes.NewBuffer(make([]byte, 0, max(512, min(response.ContentLength+bytes.MinRead, maxAnswer))))
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer+1)); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	answer := buffer.Bytes()
	if len(answer) > maxAnswer {
		return nil, &answerError{code: "AnswerTooLarge", message: fmt.Sprintf("over %d bytes", maxAnswer), status: response.StatusCode}
	}
	if want := response.Header.Get("X-Amz-Crc32"); want != "" {
		if n, err := strconv.ParseUint(want, 10, 32); err != nil || uint32(n) != crc32.ChecksumIEEE(answer) {
			return nil, fmt.Errorf("answer of %d bytes does not have the checksum %s", len(answer), want)
		}
	}
	if response.StatusCode == http.StatusOK {
		return answer, nil
	}
	return nil, parseError(answer, response.StatusCode)
}

func parseError(answer []byte, status int) error {
	var body struct {
		Type              string `json:"__type"`
		Message           string `json:"message"` // any case
		Item              json.RawMessage
		ThrottlingReasons []struct {
			Reason string `json:"reason"`
		}
	}
	if err := json.Unmarshal(answer, &body); err != nil {
		return &answerError{code: "HTTP" + strconv.Itoa(status), message: string(answer[:min(len(answer), 200)]), status: status}
	}
	e := &answerError{code: body.Type[strings.LastIndexByte(body.Type, '#')+1:], message: body.Message, status: status, item: body.Item}
	for _, r := range body.ThrottlingReasons {
		e.reasons = append(e.reasons, r.Reason)
	}
	return e
}

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		// Only invalid UTF-8 fails, and names come from JSON that has been validated or from the configuration.
		panic(fmt.Sprintf("dynamodb: quote %q: %v", s, err))
	}
	return b
}
