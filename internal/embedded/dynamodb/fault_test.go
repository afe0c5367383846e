package dynamodb_test

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// faults is a Fault hook that a test sets, and what it was asked.
type faults struct {
	mu    sync.Mutex
	fault func(dynamodb.Call) dynamodb.Fault
	calls []dynamodb.Call
}

func (f *faults) ask(c dynamodb.Call) dynamodb.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	if f.fault == nil {
		return dynamodb.Fault{}
	}
	return f.fault(c)
}

func (f *faults) set(fault func(dynamodb.Call) dynamodb.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = fault, nil
}

func always(fault dynamodb.Fault) func(dynamodb.Call) dynamodb.Fault {
	return func(dynamodb.Call) dynamodb.Fault { return fault }
}

func faulty(t *testing.T) (*faults, *sdk.Client, *dynamodbstreams.Client) {
	t.Helper()
	f := &faults{}
	db, streams := clients(dynamodb.New(dynamodb.Options{Fault: f.ask}))
	createTable(t, db, "orders", types.StreamViewTypeNewImage)
	return f, db, streams
}

func TestThrottlingReasons(t *testing.T) {
	t.Parallel()
	f, db, _ := faulty(t)
	in := &sdk.PutItemInput{TableName: new("orders"), Item: attrs{"pk": str("a"), "sk": num("1.0")}}
	const arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"

	f.set(always(dynamodb.Fault{Refuse: dynamodb.Throttled("TableWriteKeyRangeThroughputExceeded", arn)}))
	_, err := db.PutItem(t.Context(), in)
	provisioned, ok := errors.AsType[*types.ProvisionedThroughputExceededException](err)
	require.True(t, ok, "%v", err)
	require.Len(t, provisioned.ThrottlingReasons, 1)
	require.Equal(t, "TableWriteKeyRangeThroughputExceeded", *provisioned.ThrottlingReasons[0].Reason)
	require.Equal(t, arn, *provisioned.ThrottlingReasons[0].Resource)
	require.Len(t, f.calls, 1)
	require.Contains(t, f.calls[0].Agent, "aws-sdk-go-v2/")
	f.calls[0].Agent = ""
	require.Equal(t, []dynamodb.Call{{Operation: "PutItem", Table: "orders", Key: `{"pk":{"S":"a"},"sk":{"N":"1"}}`}}, f.calls)

	f.set(always(dynamodb.Fault{Refuse: dynamodb.ThrottledOnDemand("TableWriteMaxOnDemandThroughputExceeded", arn)}))
	_, err = db.PutItem(t.Context(), in)
	onDemand, ok := errors.AsType[*types.ThrottlingException](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "TableWriteMaxOnDemandThroughputExceeded", *onDemand.ThrottlingReasons[0].Reason)

	f.set(nil)
	out, err := db.Scan(t.Context(), &sdk.ScanInput{TableName: new("orders")})
	require.NoError(t, err)
	require.Empty(t, out.Items, "a refused call is not applied")
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	f, db, _ := faulty(t)
	for sk, fault := range map[string]dynamodb.Fault{
		"1": {Lose: true},
		"2": {Answer: dynamodb.InternalError()},
	} {
		key := attrs{"pk": str("a"), "sk": num(sk)}
		f.set(always(fault))
		_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: new("orders"), Item: key})
		require.Error(t, err)
		f.set(nil)
		out, err := db.GetItem(t.Context(), &sdk.GetItemInput{TableName: new("orders"), Key: key})
		require.NoError(t, err)
		require.Equal(t, key, out.Item, "the write was applied")
	}
	f.set(always(dynamodb.Fault{Answer: dynamodb.InternalError()}))
	_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: new("orders"), Item: attrs{"pk": str("a"), "sk": num("3")}})
	_, ok := errors.AsType[*types.InternalServerError](err)
	require.True(t, ok, "%v", err)
}

func TestLostAnswerClosesConnection(t *testing.T) {
	t.Parallel()
	f := &faults{}
	s := dynamodb.New(dynamodb.Options{Fault: f.ask})
	endpoint, err := s.Start()
	require.NoError(t, err)
	transport := &http.Transport{}
	c := config(&http.Client{Transport: transport})
	c.BaseEndpoint = &endpoint
	db := sdk.NewFromConfig(c)
	createTable(t, db, "orders", "")
	f.set(always(dynamodb.Fault{Lose: true}))
	_, err = db.PutItem(t.Context(), &sdk.PutItemInput{TableName: new("orders"), Item: attrs{"pk": str("a"), "sk": num("1")}})
	require.ErrorContains(t, err, "EOF")
	f.set(nil)
	out, err := db.Scan(t.Context(), &sdk.ScanInput{TableName: new("orders")})
	require.NoError(t, err)
	require.Len(t, out.Items, 1)
	transport.CloseIdleConnections()
	require.NoError(t, s.Close())
}

func TestPartsOfBatches(t *testing.T) {
	t.Parallel()
	f, db, _ := faulty(t)
	hot := `{"pk":{"S":"hot"},"sk":{"N":"1"}}`
	f.set(func(c dynamodb.Call) dynamodb.Fault {
		if c.Part && c.Key == hot {
			return dynamodb.Fault{Refuse: dynamodb.Throttled("TableWriteKeyRangeThroughputExceeded", "arn")}
		}
		return dynamodb.Fault{}
	})
	statement := new(`INSERT INTO "orders" VALUE {'pk': ?, 'sk': ?}`)
	out, err := db.BatchExecuteStatement(t.Context(), &sdk.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{
		{Statement: statement, Parameters: []types.AttributeValue{str("hot"), num("1")}},
		{Statement: statement, Parameters: []types.AttributeValue{str("cold"), num("1")}},
	}})
	require.NoError(t, err)
	require.Equal(t, types.BatchStatementErrorCodeEnumProvisionedThroughputExceeded, out.Responses[0].Error.Code)
	require.Nil(t, out.Responses[1].Error)

	write := func(pk string) types.WriteRequest {
		return types.WriteRequest{PutRequest: &types.PutRequest{Item: attrs{"pk": str(pk), "sk": num("1")}}}
	}
	written, err := db.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"orders": {write("hot"), write("warm")}}})
	require.NoError(t, err)
	require.Equal(t, map[string][]types.WriteRequest{"orders": {write("hot")}}, written.UnprocessedItems)

	keys := []attrs{{"pk": str("hot"), "sk": num("1")}, {"pk": str("warm"), "sk": num("1")}}
	got, err := db.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"orders": {Keys: keys}}})
	require.NoError(t, err)
	require.Equal(t, keys[1:], got.Responses["orders"])
	require.Equal(t, keys[:1], got.UnprocessedKeys["orders"].Keys)
}

func TestStreamCallsNameTheirTable(t *testing.T) {
	t.Parallel()
	f, db, streams := faulty(t)
	r := newReader(t, db, streams, "orders")
	f.set(nil)
	_, next := r.all(r.shards()[0])
	require.NotNil(t, next)
	for _, c := range f.calls {
		require.Equal(t, "orders", c.Table, c.Operation)
	}
	f.set(always(dynamodb.Fault{Refuse: &dynamodb.Error{Code: "ExpiredIteratorException", Message: "too old"}}))
	_, err := streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: next})
	require.ErrorContains(t, err, "ExpiredIteratorException")
}

// TestDelay runs in fake time: nothing but the timer may block.
func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, db, _ := faulty(t)
		f.set(always(dynamodb.Fault{Delay: time.Hour}))
		began := time.Now()
		put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1")})
		require.Equal(t, time.Hour, time.Since(began))

		client := config(&http.Client{Transport: dynamodb.New(dynamodb.Options{Fault: f.ask}).Transport(), Timeout: time.Second})
		began = time.Now()
		_, err := sdk.NewFromConfig(client).ListTables(t.Context(), &sdk.ListTablesInput{})
		require.Error(t, err)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{})
	for name, c := range map[string]struct{ target, authorization, want string }{
		"unknown":    {"DynamoDB_20120810.CreateBackup", "AWS4-HMAC-SHA256 x", "UnknownOperationException"},
		"not signed": {"DynamoDB_20120810.ListTables", "", "MissingAuthenticationTokenException"},
		"not JSON":   {"DynamoDB_20120810.ListTables", "AWS4-HMAC-SHA256 x", "SerializationException"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://dynamodb.test/", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("X-Amz-Target", c.target)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		answer, err := s.Transport().RoundTrip(r)
		require.NoError(t, err, name)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		require.Contains(t, string(body), c.want, name)
		require.NotEmpty(t, answer.Header.Get("X-Amz-Crc32"))
	}
}

func TestEmptyPage(t *testing.T) {
	t.Parallel()
	f, db, streams := faulty(t)
	put(t.Context(), t, db, "orders", attrs{"pk": str("a"), "sk": num("1")})
	r := newReader(t, db, streams, "orders")
	f.set(always(dynamodb.Fault{Empty: true}))
	records, next := r.all(r.shards()[0])
	require.Empty(t, records)
	require.NotNil(t, next, "an empty page is not the end")
	f.set(nil)
	records, _ = r.read(next, 10)
	require.Len(t, records, 1)
}

func TestParameterNotCovered(t *testing.T) {
	t.Parallel()
	_, db, _ := faulty(t)
	_, err := db.UpdateTable(t.Context(), &sdk.UpdateTableInput{TableName: new("orders"), SSESpecification: &types.SSESpecification{Enabled: new(true)}})
	require.ErrorContains(t, err, "ValidationException: The request has a parameter that this server does not cover")
	require.ErrorContains(t, err, "SSESpecification")
}
