package dynamodb

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Both clients, ours and the SDK's, must say the same of one answer.
func TestClassOfAnAnswer(t *testing.T) {
	t.Parallel()
	const message = "as the service says it"
	for name, c := range map[string]struct {
		answer   *embedded.Error
		class    fault.Class
		throttle fault.Throttle
	}{
		"provisioned throughput": {answer: embedded.Throttled("TableWriteProvisionedThroughputExceeded", "arn"), class: fault.Retry, throttle: fault.TableThrottled},
		"one range of keys":      {answer: embedded.Throttled("TableWriteKeyRangeThroughputExceeded", "arn"), class: fault.Retry, throttle: fault.RangeThrottled},
		"on demand":              {answer: embedded.ThrottledOnDemand("TableWriteMaxOnDemandThroughputExceeded", "arn"), class: fault.Retry, throttle: fault.TableThrottled},
		"on demand, one range":   {answer: embedded.ThrottledOnDemand("TableReadKeyRangeThroughputExceeded", "arn"), class: fault.Retry, throttle: fault.RangeThrottled},
		"a range and the table": {
			answer: &embedded.Error{Code: "ThrottlingException", Message: message, Reasons: []embedded.ThrottlingReason{
				{Reason: "TableWriteKeyRangeThroughputExceeded"}, {Reason: "TableWriteAccountLimitExceeded"},
			}}, class: fault.Retry, throttle: fault.TableThrottled,
		},
		"throttled for no reason": {answer: &embedded.Error{Code: "ThrottlingException", Message: message}, class: fault.Retry, throttle: fault.UnnamedThrottled},
		"request limit":           {answer: &embedded.Error{Code: "RequestLimitExceeded", Message: message}, class: fault.Retry, throttle: fault.UnnamedThrottled},
		"internal error":          {answer: embedded.InternalError(), class: fault.Retry},
		"unavailable":             {answer: &embedded.Error{Status: 503, Code: "ServiceUnavailable", Message: message}, class: fault.Retry},
		"unknown 5xx":             {answer: &embedded.Error{Status: 502, Code: "Whatever", Message: message}, class: fault.Retry},
		"transaction conflict":    {answer: &embedded.Error{Code: "TransactionConflictException", Message: message}, class: fault.Retry},
		"token ran out":           {answer: &embedded.Error{Code: "ExpiredTokenException", Message: message}, class: fault.Retry},
		"clocks differ":           {answer: &embedded.Error{Code: "InvalidSignatureException", Message: "Signature expired: 1 is now earlier than 2"}, class: fault.Retry},
		"no such table":           {answer: &embedded.Error{Code: "ResourceNotFoundException", Message: message}, class: fault.Fatal},
		"access denied":           {answer: &embedded.Error{Code: "AccessDeniedException", Message: message}, class: fault.Fatal},
		"unknown credentials":     {answer: &embedded.Error{Code: "UnrecognizedClientException", Message: message}, class: fault.Retry},
		"another secret":          {answer: &embedded.Error{Code: "InvalidSignatureException", Message: "The request signature we calculated does not match"}, class: fault.Retry},
		"not signed":              {answer: &embedded.Error{Code: "MissingAuthenticationTokenException", Message: message}, class: fault.Fatal},
		"unknown 4xx":             {answer: &embedded.Error{Code: "Whatever", Message: message}, class: fault.Fatal},
		"validation":              {answer: &embedded.Error{Code: "ValidationException", Message: message}, class: fault.Record},
		"serialization":           {answer: &embedded.Error{Code: "SerializationException", Message: message}, class: fault.Record},
		"collection too large":    {answer: &embedded.Error{Code: "ItemCollectionSizeLimitExceededException", Message: message}, class: fault.Record},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, f := newTable(t, embedded.Options{})
			f.always(embedded.Fault{Refuse: c.answer})
			_, err := table.Describe(t.Context())
			requireClass(t, err, c.class, c.throttle, c.answer.Code)
			key, item := decoded(t, `{"pk":{"S":"a"},"sk":{"N":"1"}}`)
			err = NewTarget(table, schema, names, Versioned).Put(t.Context(), events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}).Err
			requireClass(t, err, c.class, c.throttle, c.answer.Code)
			require.ErrorContains(t, err, "orders", "it says which table")
			_, record := errors.AsType[*events.Invalid](err)
			require.Equal(t, c.class == fault.Record, record, "exactly a record's error says why the record is not valid")

			// Of a request without a record no record can be to blame.
			_, err = table.scan(t.Context(), scanRequest{total: 1})
			class := c.class
			if class == fault.Record {
				class = fault.Fatal
			}
			require.Equal(t, class, fault.Of(err), "%v", err)
		})
	}
}

func requireClass(t *testing.T, err error, class fault.Class, throttle fault.Throttle, reason string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, class, fault.Of(err), "%v", err)
	require.Equal(t, throttle, fault.ThrottleOf(err), "%v", err)
	own, ok := errors.AsType[*fault.Error](err)
	require.True(t, ok)
	require.Equal(t, reason, own.Reason)
}

func TestAdviceOfAFatalAnswer(t *testing.T) {
	t.Parallel()
	for code, advice := range map[string]string{
		"ResourceNotFoundException":           "check the table's name, region and account",
		"AccessDeniedException":               "check the credentials and their permissions",
		"MissingAuthenticationTokenException": "check the credentials and their permissions",
	} {
		require.ErrorContains(t, classify(&answerError{code: code}, "try"), advice, code)
	}
}

func TestReasonOfARefusedItem(t *testing.T) {
	t.Parallel()
	for message, reason := range map[string]events.Reason{
		"Item size has exceeded the maximum allowed size":                                   events.TooLarge,
		"Item size to update has exceeded the maximum allowed size":                         events.TooLarge,
		"The provided key element does not match the schema":                                events.KeyMismatch,
		"One or more parameter values were invalid: Type mismatch for key pk":               events.KeyMismatch,
		"One or more parameter values were invalid: Missing the key sk in the item":         events.KeyMismatch,
		"One or more parameter values are not valid. A value specified for a key attribute": events.KeyMismatch,
		"One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_city, IndexKey: city": events.Refused,
		"One or more parameter values were invalid: Type mismatch for Index Key city Expected: S Actual: N IndexName: by_city":                                                                                                      events.Refused,
		"One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk":                                                                                          events.KeyMismatch,
		"Nesting Levels have exceeded supported limits": events.Refused,
	} {
		bad, ok := errors.AsType[*events.Invalid](classify(&answerError{code: "ValidationException", message: message}, "put"))
		require.True(t, ok)
		require.Equal(t, reason, bad.Reason, message)
		require.Contains(t, bad.Detail, message)
	}
}

// Whatever happens on the way, the call may or may not have been carried out, and is made again.
func TestClassWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	response := func(status int, header http.Header, body string) (*http.Response, error) {
		response := answered(status, itsJSON, body)
		maps.Copy(response.Header, header)
		response.ContentLength = -1
		return response, nil
	}
	for name, transport := range map[string]roundTrip{
		"refused connection": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		},
		"no such host": func(*http.Request) (*http.Response, error) { return nil, &net.DNSError{Err: "no such host"} },
		"lost answer":  func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"cut answer":   func(*http.Request) (*http.Response, error) { return response(200, nil, `{"Items":[{"pk":{"S":"a"}`) },
		"wrong checksum": func(*http.Request) (*http.Response, error) {
			return response(200, http.Header{"X-Amz-Crc32": {"1"}}, `{"Items":[],"Count":0}`)
		},
		"no checksum at all": func(*http.Request) (*http.Response, error) {
			return response(200, http.Header{"X-Amz-Crc32": {"x"}}, `{"Items":[],"Count":0}`)
		},
	} {
		_, err := open(t, "orders", transport).scan(t.Context(), scanRequest{total: 1})
		require.Error(t, err, name)
		require.Equal(t, fault.Retry, fault.Of(err), "%s: %v", name, err)
		require.Equal(t, fault.NotThrottled, fault.ThrottleOf(err), name)
	}
}

// A call that nobody answers ends by its own timeout.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := open(t, "orders", roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		for name, call := range map[string]func() error{
			"scan":     func() error { return table.CheckRead(t.Context()) },
			"describe": func() error { _, err := table.Describe(t.Context()); return err },
			"stream":   func() error { _, err := NewStream(table, "arn", schema).Shards(t.Context()); return err },
			"records":  func() error { _, err := NewStream(table, "arn", schema).Records(t.Context(), "i"); return err },
		} {
			began := time.Now()
			err := call()
			require.Equal(t, 10*time.Second, time.Since(began), name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.Equal(t, fault.Retry, fault.Of(err), name)
		}
	})
}

func TestClassifyKeepsWhatIsClassified(t *testing.T) {
	t.Parallel()
	require.NoError(t, classify(nil, "nothing"))
	own := &fault.Error{Class: fault.Record, Reason: "own"}
	require.Same(t, own, classify(own, "again"))
}

// version is the version of a live change.
func version(position uint64) events.Version {
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(position)}
}
