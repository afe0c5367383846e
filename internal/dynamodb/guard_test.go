package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// between stands between the clients and the service, and answers in its place while it has something to say.
type between struct {
	service http.RoundTripper
	say     atomic.Pointer[func(*http.Request) *http.Response]
}

func (b *between) RoundTrip(r *http.Request) (*http.Response, error) {
	if say := b.say.Load(); say != nil {
		if answer := (*say)(r); answer != nil {
			return answer, nil
		}
	}
	return b.service.RoundTrip(r)
}

func (b *between) says(say func(*http.Request) *http.Response) { b.say.Store(&say) }

// newBetween returns the table of newTable with something before it.
func newBetween(t *testing.T) (*Table, *between) {
	t.Helper()
	_, server, _ := newTable(t, embedded.Options{})
	b := &between{service: server.Transport()}
	return open(t, "orders", b), b
}

// clients are calls by each of the clients and to each of the services.
func clients(t *testing.T, table *Table) map[string]func(context.Context) error {
	t.Helper()
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	first := iterator(t, stream, shards[0].ID, capture.From{At: shards[0].Start})
	key, item := decoded(t, `{"pk":{"S":"a"},"sk":{"N":"1"}}`)
	target := NewTarget(table, schema, names, Versioned)
	return map[string]func(context.Context) error{
		"describe, by the SDK": func(ctx context.Context) error { _, err := table.Describe(ctx); return err },
		"shards, by the SDK":   func(ctx context.Context) error { _, err := stream.Shards(ctx); return err },
		"records":              func(ctx context.Context) error { _, err := stream.Records(ctx, first); return err },
		"put": func(ctx context.Context) error {
			return target.Put(ctx, events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}).Err
		},
	}
}

// strangers are answers of what may stand between: with statuses that DynamoDB uses for something else, or in its form.
var strangers = map[string]struct {
	status            int
	contentType, body string
}{
	"a sign-in page":             {200, "text/html", "<html> <b>sign in</b>\nhere</html>"},
	"an object of another":       {200, "application/json", `{"sign in":"<b>sign in</b> here"}`},
	"nothing":                    {200, "", ""},
	"a move":                     {302, "text/html", "<b>sign in</b> here"},
	"a bad request":              {400, "text/plain", "<b>sign in</b> here"},
	"forbidden":                  {403, "text/html", "<b>sign in</b> here"},
	"forbidden, in JSON":         {403, "application/json", `{"message":"<b>sign in</b> here"}`},
	"not found":                  {404, "text/html", "<b>sign in</b> here"},
	"a proxy's own sign-in":      {407, "text/html", "<b>sign in</b> here"},
	"too large for the way":      {413, "text/html", "<b>sign in</b> here"},
	"too many, says the way":     {429, "text/html", "<b>sign in</b> here"},
	"an error of the way":        {500, "text/html", "<b>sign in</b> here"},
	"a bad gateway":              {502, "text/html", "<b>sign in</b> here"},
	"unavailable":                {503, "text/html", "<b>sign in</b> here"},
	"unavailable, in JSON":       {503, "application/json", `{"message":"<b>sign in</b> here"}`},
	"a gateway that waits":       {504, "", ""},
	"nobody knows this status":   {299, "text/html", "<b>sign in</b> here"},
	"no content, and no failure": {204, "", ""},
}

func TestOneStrangeAnswerIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, s := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, b := newBetween(t)
			for client, call := range clients(t, table) {
				b.says(func(*http.Request) *http.Response { return answered(s.status, s.contentType, s.body) })
				throttle := fault.NotThrottled
				if s.status == http.StatusTooManyRequests {
					throttle = fault.UnnamedThrottled
				}
				requireClass(t, call(t.Context()), fault.Retry, throttle, fmt.Sprintf("HTTP%d", s.status))
				b.says(func(*http.Request) *http.Response { return nil })
				require.NoError(t, call(t.Context()), client)
			}
		})
	}
}

func TestStrangeAnswersEndWithTheirFirstWords(t *testing.T) {
	t.Parallel()
	for name, s := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				table, b := newBetween(t)
				for client, call := range clients(t, table) {
					b.says(func(*http.Request) *http.Response { return answered(s.status, s.contentType, s.body) })
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					began := time.Now()
					err := fault.Do(ctx, nil, call)
					if s.status == http.StatusTooManyRequests {
						require.ErrorIs(t, err, context.DeadlineExceeded, "%s: throttling has no end: %v", client, err)
					} else {
						require.Equal(t, fault.Fatal, fault.Of(err), "%s: %v", client, err)
						require.GreaterOrEqual(t, time.Since(began), patience, client)
						require.Less(t, time.Since(began), 2*patience, client)
						require.ErrorContains(t, err, fmt.Sprintf("status %d", s.status), client)
						require.ErrorContains(t, err, "check the endpoint, and what is between", client)
						require.Equal(t, s.body != "", strings.Contains(err.Error(), "<b>sign in</b>"), "%s: %v", client, err)
					}
					cancel()
					b.says(func(*http.Request) *http.Response { return nil })
					err = call(t.Context())
					require.True(t, err == nil || errors.Is(err, capture.ErrExpired), "%s: %v", client, err) // the iterator's 15 minutes
				}
			})
		})
	}
}

// The time of strange answers begins anew with each good one, and with a pause in which nobody asked.
func TestStrangeAnswersAmongGoodOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, b := newBetween(t)
		calls := 0
		b.says(func(*http.Request) *http.Response {
			if calls++; calls%10 != 0 {
				return answered(503, "text/html", "starting")
			}
			return nil
		})
		for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(time.Second) {
			if _, err := table.Describe(t.Context()); err != nil {
				require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
			}
		}
		for range 3 {
			time.Sleep(2 * patience)
			_, err := table.Describe(t.Context())
			require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		}
		require.LessOrEqual(t, len(table.wire.guard.runs), 2, "what is over is forgotten")
	})
}

// A firewall that takes all requests but one must not have that one tried for ever.
func TestOneRequestThatIsNeverAnsweredEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, b := newBetween(t)
		target := NewTarget(table, schema, names, Versioned)
		put := func(ctx context.Context, pk string) error {
			key, item := decoded(t, fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"}}`, pk))
			return target.Put(ctx, events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}).Err
		}
		b.says(func(r *http.Request) *http.Response {
			copied, err := r.GetBody()
			require.NoError(t, err)
			body, err := io.ReadAll(copied)
			require.NoError(t, err)
			if strings.Contains(string(body), "attack") {
				return answered(403, "text/html", "this looks like an attack")
			}
			return nil
		})
		began := time.Now()
		err := fault.Do(t.Context(), nil, func(ctx context.Context) error {
			require.NoError(t, put(ctx, "a"))
			return put(ctx, "attack")
		})
		require.Equal(t, fault.Fatal, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "this looks like an attack")
		require.Less(t, time.Since(began), 2*patience)
	})
}

// What is not DynamoDB's word must not be taken for it: a write counts as applied when DynamoDB says so.
func TestStrangeAnswerIsNoSuccess(t *testing.T) {
	t.Parallel()
	for name, s := range strangers {
		table := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
			return answered(s.status, s.contentType, s.body), nil
		}))
		key, item := decoded(t, `{"pk":{"S":"a"},"sk":{"N":"1"}}`)
		row := events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}
		require.NotEqual(t, apply.Applied, NewTarget(table, schema, names, Versioned).Put(t.Context(), row).Outcome, name)
		found, _, err := NewSource(table, schema).Lookup(t.Context(), key)
		require.Error(t, err, "%s: a row that was not looked for is not gone (%t)", name, found)
	}
}

// What DynamoDB itself says when it is not well is tried again without an end.
func TestServiceThatIsNotWellIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, b := newBetween(t)
		for client, call := range clients(t, table) {
			b.says(func(*http.Request) *http.Response {
				answer := answered(503, "", "")
				answer.Header.Set("X-Amzn-Requestid", "1")
				return answer
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			require.ErrorIs(t, fault.Do(ctx, nil, call), context.DeadlineExceeded, client)
			cancel()
		}
	})
}

func TestClockThatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, b := newBetween(t)
		for client, call := range clients(t, table) {
			for code, message := range map[string]string{
				"InvalidSignatureException": "Signature expired: 20000101T000000Z is now earlier than 20000101T000200Z",
				"SignatureDoesNotMatch":     "Signature not yet current: 20000101T000000Z is still later than",
				"RequestTimeTooSkewed":      "The difference between the request time and the current time is too large.",
			} {
				for date, words := range map[string]string{
					time.Now().Add(7*time.Minute + 3*time.Second).UTC().Format(http.TimeFormat): "7m3s behind the service's: set the clock",
					time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):                    "1h0m0s ahead of the service's: set the clock",
					"": "this machine's clock and the service's differ: set the clock",
				} {
					b.says(func(*http.Request) *http.Response {
						answer := answered(400, itsJSON, fmt.Sprintf(`{"__type":"x#%s","message":%q}`, code, message))
						answer.Header.Set("Date", date)
						return answer
					})
					err := call(t.Context())
					requireClass(t, err, fault.Retry, fault.NotThrottled, code)
					require.ErrorContains(t, err, words, client)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, fault.Do(ctx, nil, func(ctx context.Context) error { _, err := table.Describe(ctx); return err }), context.DeadlineExceeded,
			"a clock may be set right")
	})
}

// A mistake in the endpoint's scheme, or a certificate of nobody we know, is said at once, with what to do.
func TestEncryptionThatDoesNotFit(t *testing.T) {
	t.Parallel()
	_, service, _ := newTable(t, embedded.Options{})
	garbage := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: malformed HTTP response %q", "\x15\x03\x01")
	})
	requireClass(t, open(t, "orders", garbage).CheckRead(t.Context()), fault.Retry, fault.NotThrottled, "no-http")
	plain, encrypted := httptest.NewServer(service), httptest.NewUnstartedServer(service)
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail, as they should
	encrypted.StartTLS()
	defer plain.Close()
	defer encrypted.Close()
	opened := func(endpoint string) *Table {
		table, err := Open(t.Context(), Options{Table: "orders", Region: "us-east-1", Endpoint: endpoint})
		require.NoError(t, err)
		return table
	}
	for endpoint, advice := range map[string]string{
		strings.Replace(plain.URL, "http:", "https:", 1): "check whether the endpoint begins with https:// or http://",
		encrypted.URL: "the server's certificate is not trusted",
	} {
		table := opened(endpoint)
		_, err := table.Describe(t.Context())
		require.Equal(t, fault.Fatal, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, advice)
		err = table.CheckRead(t.Context())
		require.Equal(t, fault.Fatal, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, advice)
	}
	_, err := opened(strings.Replace(encrypted.URL, "https:", "http:", 1)).Describe(t.Context())
	require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
}

// An answer that is cut off says what it is all the same, if it is not DynamoDB's.
func TestStrangeAnswerThatIsCutOff(t *testing.T) {
	t.Parallel()
	table := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
		answer := answered(400, "text/plain", "")
		answer.Body = io.NopCloser(io.MultiReader(strings.NewReader("speak TLS"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return answer, nil
	}))
	_, err := table.Describe(t.Context())
	requireClass(t, err, fault.Retry, fault.NotThrottled, "HTTP400")
	require.ErrorContains(t, err, "speak TLS")
	err = table.CheckRead(t.Context())
	requireClass(t, err, fault.Retry, fault.NotThrottled, "HTTP400")
	require.ErrorContains(t, err, "speak TLS")
}

// Where DynamoDB has answered before, a certificate that does not fit may be somebody's on the way, for a moment.
func TestEncryptionThatCeasesToFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, server, _ := newTable(t, embedded.Options{})
		broken := false
		table := open(t, "orders", roundTrip(func(r *http.Request) (*http.Response, error) {
			if broken {
				return nil, fmt.Errorf("x: %w", http.ErrSchemeMismatch)
			}
			return server.Transport().RoundTrip(r)
		}))
		describe := func(ctx context.Context) error { _, err := table.Describe(ctx); return err }
		require.NoError(t, describe(t.Context()))
		broken = true
		require.Equal(t, fault.Retry, fault.Of(describe(t.Context())))
		err := fault.Do(t.Context(), nil, describe)
		require.Equal(t, fault.Fatal, fault.Of(err), "%v", err)
		require.True(t, errors.Is(err, http.ErrSchemeMismatch))
	})
}
