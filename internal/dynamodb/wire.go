package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// maxAnswer bounds an answer: DynamoDB's pages are 1 MB of items, which JSON can make several times as large.
const maxAnswer = 64 << 20

// wire makes signed calls with bodies that are bytes already.
type wire struct {
	http        http.RoundTripper
	credentials aws.CredentialsProvider
	guard       *guard
	timeout     time.Duration
	table       service // DynamoDB
	streams     service // DynamoDB Streams
	outside     *fault.Dependency
}

// service is one of the two, at its endpoint.
type service struct {
	signer *signer
	post   *http.Request // what all requests have in common
}

func newService(ctx context.Context, endpoint, region string) (service, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, nil)
	if err == nil && (post.URL.Host == "" || post.URL.RawQuery != "" || post.URL.User != nil) {
		err = errors.New("not of the form http://host:port")
	}
	if err != nil {
		return service{}, fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	s := newSigner(post.URL, region)
	post.Host = s.host
	return service{s, post}, nil
}

func newWire(
	ctx context.Context, c aws.Config, transport http.RoundTripper, guard *guard, endpoint string, timeout time.Duration, outside *fault.Dependency,
) (*wire, error) {
	atTable, atStreams := endpoint, endpoint
	if endpoint == "" {
		table, err := sdk.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sdk.EndpointParameters{Region: &c.Region})
		if err != nil {
			return nil, fmt.Errorf("endpoint of DynamoDB in %s: %w", c.Region, err)
		}
		streams, err := dynamodbstreams.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, dynamodbstreams.EndpointParameters{Region: &c.Region})
		if err != nil {
			return nil, fmt.Errorf("endpoint of DynamoDB Streams in %s: %w", c.Region, err)
		}
		atTable, atStreams = table.URI.String(), streams.URI.String()
	}
	w := &wire{http: transport, credentials: c.Credentials, guard: guard, timeout: timeout, outside: outside}
	var err1, err2 error
	w.table, err1 = newService(ctx, atTable, c.Region)
	w.streams, err2 = newService(ctx, atStreams, c.Region)
	return w, errors.Join(err1, err2)
}

// answerError is an error that the service answered.
type answerError struct {
	code    string // without the namespace
	message string
	status  int
	typed   bool     // the answer names the error's type
	reasons []string // of throttling
	item    []byte   // the stored item, where a condition failed and was asked for
}

func (e *answerError) Error() string { return fmt.Sprintf("%s: %s", e.code, e.message) }

// call posts body to the operation that target names, such as DynamoDB_20120810.PutItem, and returns the answer. The body
// must not be changed any more.
func (w *wire) call(ctx context.Context, target string, body []byte) (_ []byte, err error) {
	operation := target[strings.IndexByte(target, '.')+1:]
	answered := w.outside.Ask(ctx, operation)
	defer func() { answered(unanswered(err, operation)) }()
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	to := w.table
	if strings.HasPrefix(target, "DynamoDBStreams") {
		to = w.streams
	}
	credentials, err := w.credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	request := to.post.WithContext(ctx)
	request.Header = to.signer.header(target, body, credentials, time.Now())
	request.ContentLength = int64(len(body))
	content := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
	request.Body = content()
	request.GetBody = func() (io.ReadCloser, error) { return content(), nil } // where a kept connection is gone already
	// No redirect is followed, nor any cookie kept: a client has nothing to do here.
	response, err := w.http.RoundTrip(request)
	if err != nil {
		return nil, w.guard.unanswered(request, body, err)
	}
	answer, err := whole(response)
	if err != nil && marked(response.Header) {
		return nil, err
	}
	failure := failureOf(response, answer)
	if err := w.guard.judge(request, body, response, answer, failure); err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, failure
	}
	return answer, nil
}

// whole returns the whole answer, verified; or what there is of it, and why it is not that.
func whole(response *http.Response) ([]byte, error) {
	defer response.Body.Close() //nolint:errcheck // the answer has been read or given up
	buffer := bytes.NewBuffer(make([]byte, 0, max(512, min(response.ContentLength+bytes.MinRead, maxAnswer))))
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer+1)); err != nil {
		return buffer.Bytes(), fmt.Errorf("read answer: %w", err)
	}
	answer := buffer.Bytes()
	if len(answer) > maxAnswer {
		return answer, &answerError{code: "AnswerTooLarge", message: fmt.Sprintf("over %d bytes", maxAnswer), status: response.StatusCode}
	}
	if want := response.Header.Get("X-Amz-Crc32"); want != "" {
		if n, err := strconv.ParseUint(want, 10, 32); err != nil || uint32(n) != crc32.ChecksumIEEE(answer) {
			return answer, fmt.Errorf("answer of %d bytes does not have the checksum %s", len(answer), want)
		}
	}
	return answer, nil
}

// failureOf is the error that an answer carries, nil if it is a good one.
func failureOf(response *http.Response, answer []byte) *answerError {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return parseError(answer, response.StatusCode)
}

func parseError(answer []byte, status int) *answerError {
	var body struct {
		Type              string `json:"__type"`
		Message           string `json:"message"` // any case
		Item              json.RawMessage
		ThrottlingReasons []struct {
			Reason string `json:"reason"`
		}
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Type == "" {
		return &answerError{code: "HTTP" + strconv.Itoa(status), message: firstWords(answer), status: status}
	}
	e := &answerError{code: body.Type[strings.LastIndexByte(body.Type, '#')+1:], message: body.Message, status: status, typed: true, item: body.Item}
	for _, r := range body.ThrottlingReasons {
		e.reasons = append(e.reasons, r.Reason)
	}
	return e
}

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte { return dynamojson.Quote(b, s) }
