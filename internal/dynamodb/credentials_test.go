package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/capture"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// refusal is how a service refuses a token.
const refusal = `{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}`

// tokens lets requests with the token through that is accepted now.
type tokens struct {
	service  http.RoundTripper
	accepted func(token string) bool
	calls    atomic.Int64
}

func (k *tokens) RoundTrip(r *http.Request) (*http.Response, error) {
	k.calls.Add(1)
	if !k.accepted(r.Header.Get("X-Amz-Security-Token")) {
		return answered(http.StatusBadRequest, itsJSON, refusal), nil
	}
	return k.service.RoundTrip(r)
}

// newTokens returns a table behind such a gate, opened with the credentials that the environment of the process says.
func newTokens(t *testing.T, accepted func(token string) bool) (*Table, *tokens) {
	t.Helper()
	service := embedded.New(embedded.Options{}).Transport()
	k := &tokens{service: service, accepted: func(string) bool { return true }}
	table := open(t, "orders", k)
	must(t, table, "CreateTable", createTable)
	k.accepted = accepted
	return table, k
}

// byBoth are the calls that are tried: by the SDK, and by the wire client.
func byBoth(t *testing.T, table *Table) map[string]func(context.Context) error {
	t.Helper()
	key, item := decoded(t, `{"pk":{"S":"a"},"sk":{"N":"1"}}`)
	return map[string]func(context.Context) error{
		"describe, by the SDK": func(ctx context.Context) error { _, err := table.Describe(ctx); return err },
		"put": func(ctx context.Context) error {
			return NewTarget(table, schema, names, Plain).Put(ctx, events.Event{Key: key, Op: events.Write, Item: item}).Err
		},
	}
}

// inFile makes the shared files the source of credentials, and returns a function that writes them.
func inFile(t *testing.T) (write func(text string, args ...any)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	return func(text string, args ...any) {
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, text, args...), 0o600))
	}
}

const static = "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=secret\naws_session_token=%s\n"

// Another program renews the file when the credentials in it have run out.
func TestRenewedFileIsTaken(t *testing.T) {
	write := inFile(t)
	for _, client := range []string{"describe, by the SDK", "put"} {
		synctest.Test(t, func(t *testing.T) {
			write(static, "first")
			good := "first"
			table, _ := newTokens(t, func(token string) bool { return token == good })
			call := byBoth(t, table)[client]
			require.NoError(t, call(t.Context()))
			good = "second" // and the first has run out
			require.Equal(t, fault.Retry, fault.Of(call(t.Context())), client)
			time.Sleep(patience / 2)
			require.Equal(t, fault.Retry, fault.Of(call(t.Context())), client)
			write(static, "second")
			began := time.Now()
			require.NoError(t, fault.Do(t.Context(), nil, call), client)
			require.LessOrEqual(t, time.Since(began), patience/2, "as soon as they are there")
		})
	}
}

// Renewed while nothing was asked, after a refusal.
func TestFileRenewedInAPause(t *testing.T) {
	write := inFile(t)
	synctest.Test(t, func(t *testing.T) {
		write(static, "first")
		good := "first"
		table, _ := newTokens(t, func(token string) bool { return token == good })
		call := byBoth(t, table)["put"]
		require.NoError(t, call(t.Context()))
		for _, good = range []string{"second", "third"} {
			require.Equal(t, fault.Retry, fault.Of(call(t.Context())))
			time.Sleep(loadEvery)
			write(static, good)
			time.Sleep(2 * restless)
			require.NoError(t, fault.Do(t.Context(), nil, call))
		}
	})
}

// A file that is being written when it is read is read again.
func TestFileThatIsBrokenForAMoment(t *testing.T) {
	write := inFile(t)
	synctest.Test(t, func(t *testing.T) {
		write(static, "first")
		good := "first"
		table, _ := newTokens(t, func(token string) bool { return token == good })
		call := byBoth(t, table)["put"]
		require.NoError(t, call(t.Context()))
		good = "second"
		write("[default]\naws_access_key_id=AKIA1\n")
		require.Equal(t, fault.Retry, fault.Of(call(t.Context())))
		time.Sleep(loadEvery)
		require.Equal(t, fault.Retry, fault.Of(call(t.Context())))
		write(static, "second")
		require.NoError(t, fault.Do(t.Context(), nil, call))
	})
}

// A session may be revoked long before the end that a process said.
func TestProcessIsAskedAgain(t *testing.T) {
	write := inFile(t)
	said := filepath.Join(t.TempDir(), "said")
	write("[default]\ncredential_process = cat %s\n", said)
	say := func(token string) {
		require.NoError(t, os.WriteFile(said, fmt.Appendf(nil,
			`{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"secret","SessionToken":%q,"Expiration":"2100-01-01T00:00:00Z"}`, token), 0o600))
	}
	good := "first"
	say("first")
	table, _ := newTokens(t, func(token string) bool { return token == good })
	for client, call := range byBoth(t, table) {
		require.NoError(t, call(t.Context()), client)
		table.wire.guard.credentials.loaded = time.Time{} // for the second client, as if time had passed
		good += "+"
		say(good)
		require.Equal(t, fault.Retry, fault.Of(call(t.Context())), client)
		require.NoError(t, call(t.Context()), client)
	}
}

// An assumed role is assumed again, with the credentials as they are then.
func TestRoleIsAssumedAgain(t *testing.T) {
	var assumed atomic.Int64
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "Action=AssumeRole") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
			<SessionToken>token-%d</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, assumed.Add(1))
	}))
	defer sts.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	k := &tokens{accepted: func(token string) bool { return token == "token-2" }, service: embedded.New(embedded.Options{}).Transport()}
	table, err := Open(t.Context(), Options{
		Table: "orders", Region: "us-east-1", Endpoint: "http://dynamodb.test", Transport: k, RoleARN: "arn:aws:iam::123456789012:role/reader",
	})
	require.NoError(t, err)
	requireClass(t, table.CheckRead(t.Context()), fault.Retry, fault.NotThrottled, "ExpiredTokenException")
	requireClass(t, table.CheckRead(t.Context()), fault.Fatal, fault.NotThrottled, "ResourceNotFoundException")
	require.EqualValues(t, 2, assumed.Load())
}

// Credentials that nobody renews are the end, after the time that a service may need to know a key: what watches over the
// process can do more than the process.
func TestCredentialsThatStayRefusedEnd(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA1")
	t.Setenv("AWS_SESSION_TOKEN", "one")
	for code, message := range map[string]string{
		"ExpiredTokenException":       "The security token included in the request is expired",
		"UnrecognizedClientException": "The security token included in the request is invalid.",
		"InvalidClientTokenId":        "The security token included in the request is invalid.",
		"InvalidSignatureException":   "The request signature we calculated does not match the signature you provided.",
	} {
		for _, client := range []string{"describe, by the SDK", "put"} {
			synctest.Test(t, func(t *testing.T) {
				table := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
					return answered(http.StatusBadRequest, itsJSON, fmt.Sprintf(`{"__type":"x#%s","message":%q}`, code, message)), nil
				}))
				began := time.Now()
				err := fault.Do(t.Context(), nil, byBoth(t, table)[client])
				requireClass(t, err, fault.Fatal, fault.NotThrottled, code)
				require.GreaterOrEqual(t, time.Since(began), patience)
				require.Less(t, time.Since(began), 2*patience)
				for _, words := range []string{
					message, "temporary credentials, access key AKIA1, from EnvConfigCredentials", "do not say when they end",
					"refused since 2000-01-01T00:00:00Z", "renew the credentials, and start again",
				} {
					require.ErrorContains(t, err, words)
				}
			})
		}
	}
}

// A service that has not heard everywhere of a new key refuses it for a moment.
func TestNewKeyIsGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		table, _ := newTokens(t, func(string) bool {
			calls++
			return time.Since(began) > patience/2 && calls%3 == 0 || time.Since(began) > 3*patience
		})
		for time.Since(began) < 4*patience {
			for client, call := range byBoth(t, table) {
				require.NoError(t, fault.Do(t.Context(), nil, call), client)
			}
			time.Sleep(time.Second)
		}
	})
}

// Credentials that are others each time, and none of them accepted, are the end too.
func TestOtherCredentialsEachTimeEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newChain(func(load int) aws.Credentials {
			return aws.Credentials{AccessKeyID: fmt.Sprint("AKIA", load), SecretAccessKey: "s"}
		})
		began := time.Now()
		require.Equal(t, fault.Fatal, refusedFor(t, c, 2*restless))
		require.GreaterOrEqual(t, time.Since(began), restless)
	})
}

// newChain returns a chain whose loads are counted, and give what given says.
func newChain(given func(load int) aws.Credentials) (c *chain, loads *atomic.Int64) {
	loads = &atomic.Int64{}
	c = &chain{load: func(context.Context) (aws.CredentialsProvider, error) {
		g := given(int(loads.Add(1)))
		return aws.NewCredentialsCache(credentials.StaticCredentialsProvider{Value: g}), nil
	}}
	c.provider, _ = c.load(context.Background())
	loads.Store(0)
	return c, loads
}

// refusedFor has the chain's credentials refused once a second, for so long or until that is the end, and returns the class at last.
func refusedFor(t *testing.T, c *chain, long time.Duration) fault.Class {
	t.Helper()
	var class fault.Class
	for began := time.Now(); time.Since(began) < long; time.Sleep(time.Second) {
		given, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		signed := http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=" + given.AccessKeyID + "/day"}}
		if given.SessionToken != "" {
			signed.Set("X-Amz-Security-Token", given.SessionToken)
		}
		if class = c.refuse(t.Context(), signed, &answerError{code: "ExpiredToken"}).class; class == fault.Fatal {
			break
		}
	}
	return class
}

// However many calls are refused, the source of the credentials is asked once in a while.
func TestLoadsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, loads := newChain(func(int) aws.Credentials { return aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"} })
		_, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		signed := http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIA/day"}}
		for range 100 {
			go func() { c.refuse(t.Context(), signed, &answerError{code: "ExpiredToken"}) }()
		}
		synctest.Wait()
		require.EqualValues(t, 1, loads.Load())
		require.Equal(t, fault.Retry, refusedFor(t, c, patience/2))
		require.LessOrEqual(t, loads.Load(), int64(1+patience/2/loadEvery))
	})
}

// A late refusal of credentials that have been replaced says nothing of those that are used now.
func TestLateRefusalOfReplacedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newChain(func(load int) aws.Credentials {
			return aws.Credentials{AccessKeyID: fmt.Sprint("AKIA", min(load, 2)), SecretAccessKey: "s"}
		})
		_, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		old := http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIA1/day"}}
		require.Equal(t, fault.Retry, c.refuse(t.Context(), old, &answerError{code: "ExpiredToken"}).class)
		time.Sleep(loadEvery)
		c.again(t.Context(), time.Now())
		given, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "AKIA2", given.AccessKeyID)
		time.Sleep(restless)
		require.Equal(t, fault.Retry, c.refuse(t.Context(), old, &answerError{code: "ExpiredToken"}).class)
	})
}

// A machine without any credentials is told at once.
func TestNoCredentials(t *testing.T) {
	write := inFile(t)
	write("")
	table := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("nothing is sent without credentials")
		return nil, errors.New("no")
	}))
	for client, call := range byBoth(t, table) {
		err := call(t.Context())
		requireClass(t, err, fault.Fatal, fault.NotThrottled, "no-credentials")
		require.ErrorContains(t, err, "there are no AWS credentials", client)
	}
}

// A process that gives credentials may fail once; if it keeps failing, that is said.
func TestProcessThatFails(t *testing.T) {
	write := inFile(t)
	said := filepath.Join(t.TempDir(), "said")
	write("[default]\ncredential_process = cat %s\n", said)
	for _, client := range []string{"describe, by the SDK", "put"} {
		table := open(t, "orders", roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("nothing is sent without credentials")
			return nil, errors.New("no")
		}))
		call := byBoth(t, table)[client]
		requireClass(t, call(t.Context()), fault.Retry, fault.NotThrottled, "no-credentials")
		table.wire.guard.credentials.failing = time.Now().Add(-patience) // as if that had been then
		err := call(t.Context())
		requireClass(t, err, fault.Fatal, fault.NotThrottled, "no-credentials")
		require.ErrorContains(t, err, "check where the credentials come from")
	}
}

// A file that is missing is no network that is away.
func TestTokenFileThatIsMissing(t *testing.T) {
	inFile(t)("")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "token"))
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
	table := open(t, "orders", answering(`{"Items":[]}`))
	requireClass(t, table.CheckRead(t.Context()), fault.Retry, fault.NotThrottled, "no-credentials")
	table.wire.guard.credentials.failing = time.Now().Add(-patience) // as if that had been then
	requireClass(t, table.CheckRead(t.Context()), fault.Fatal, fault.NotThrottled, "no-credentials")
}

// Whoever gives credentials may be away for long: that passes.
func TestCredentialsFromAwayAreWaitedFor(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", gone.URL)
	table, err := Open(t.Context(), Options{
		Table: "orders", Region: "us-east-1", Endpoint: "http://dynamodb.test", RoleARN: "arn:aws:iam::123456789012:role/reader",
	})
	require.NoError(t, err)
	table.wire.guard.credentials.failing = time.Now().Add(-restless)
	for client, call := range byBoth(t, table) {
		err := call(t.Context())
		requireClass(t, err, fault.Retry, fault.NotThrottled, "no-credentials")
		require.ErrorContains(t, err, "connection refused", client)
	}
}

// What a service that gives credentials says is about no row, and about no shard.
func TestCodesOfOtherServices(t *testing.T) {
	for code, class := range map[string]fault.Class{
		"ValidationError": fault.Retry, "ValidationException": fault.Retry, "ResourceNotFoundException": fault.Retry,
		"TrimmedDataAccessException": fault.Retry, "ConditionalCheckFailedException": fault.Retry, "ExpiredTokenException": fault.Retry,
		"AccessDenied": fault.Fatal, "Throttling": fault.Retry,
	} {
		sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>m</Message></Error></ErrorResponse>`, code)
		}))
		defer sts.Close()
		t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
		table, err := Open(t.Context(), Options{
			Table: "orders", Region: "us-east-1", Endpoint: "http://dynamodb.test", RoleARN: "arn:aws:iam::123456789012:role/reader",
		})
		require.NoError(t, err)
		for _, call := range byBoth(t, table) {
			requireClass(t, call(t.Context()), class, fault.NotThrottled, "no-credentials")
		}
		stream := NewStream(table, "arn", schema)
		_, err = stream.Iterator(t.Context(), "s", capture.From{At: events.PositionAt(1)})
		requireClass(t, err, class, fault.NotThrottled, "no-credentials")
		_, err = stream.Records(t.Context(), "i")
		requireClass(t, err, class, fault.NotThrottled, "no-credentials")
	}
}
