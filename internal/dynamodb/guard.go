package dynamodb

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// verdict is what a guard has decided about a call that DynamoDB has not answered as itself, or not on its merits. classify
// repeats it, whichever client made the call.
type verdict struct {
	class    fault.Class
	throttle fault.Throttle
	reason   string
	advice   string
	err      error
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// guard judges the answers that a table's clients get, ours and the SDK's, before they do: whether they are DynamoDB's at
// all, and whether they refuse the credentials or the clock. A proxy, a load balancer or a sign-in page may stand between
// us and the service; one answer of such a thing says nothing about the table, and many in a row are a matter
// for people.
type guard struct {
	credentials *chain

	strange atomic.Bool                     // runs is not empty; so that a good answer costs nothing as a rule
	known   atomic.Pointer[map[string]bool] // hosts that have answered as DynamoDB; what it points to is never changed
	seed    maphash.Seed
	mu      sync.Mutex
	runs    map[string]run // of a host, or of one request there: its strange answers without a good one since
	swept   time.Time      // when runs that are over were last left out
}

// run is a run of strange answers.
type run struct{ first, last time.Time }

// maxStrange bounds how many requests are told apart.
const maxStrange = 1024

func newGuard(c *chain) *guard {
	return &guard{credentials: c, seed: maphash.MakeSeed(), runs: map[string]run{}}
}

// judge returns a verdict about an answer, or nil if it is for the caller to read. sent is the request's body, where it is at hand;
// failure is what the answer says when its status is not 200.
func (g *guard) judge(r *http.Request, sent []byte, response *http.Response, answer []byte, failure *answerError) error {
	if !own(response, answer, failure) {
		return g.foreign(r, sent, response.StatusCode, answer)
	}
	g.good(r, sent)
	if failure == nil {
		g.credentials.accept(r.Header)
		return nil
	}
	switch {
	case refusesClock(failure):
		return &verdict{class: fault.Retry, reason: failure.code, err: fmt.Errorf("%w (%s)", failure, skew(response.Header.Get("Date"), time.Now()))}
	case refusesCredentials(failure):
		return g.credentials.refuse(r.Context(), r.Header, failure)
	case failure.status < 500:
		g.credentials.accept(r.Header)
	}
	return nil
}

// own reports whether an answer is DynamoDB's, or that of a server that is compatible with it. A good one is an object of
// its type of JSON, an error names its type. When the service is not well it may have no more than an id to give.
func own(response *http.Response, answer []byte, failure *answerError) bool {
	if failure != nil {
		return failure.typed || response.Header.Get(requestID) != "" && response.StatusCode >= 500
	}
	answer = bytes.TrimSpace(answer)
	return marked(response.Header) && bytes.HasPrefix(answer, []byte("{")) && bytes.HasSuffix(answer, []byte("}"))
}

// requestID is the header of the id that DynamoDB gives a request.
const requestID = "X-Amzn-Requestid"

// marked reports whether a header is such as DynamoDB's. Of an answer that is not, no more is wanted than its first words.
func marked(h http.Header) bool {
	return h.Get(requestID) != "" || strings.HasPrefix(h.Get("Content-Type"), "application/x-amz-json")
}

// foreign is the verdict about an answer that is not DynamoDB's.
func (g *guard) foreign(r *http.Request, sent []byte, status int, answer []byte) error {
	err := fmt.Errorf("an answer that is not DynamoDB's from %s: status %d, %q", r.URL.Host, status, firstWords(answer))
	reason := "HTTP" + strconv.Itoa(status)
	if status == http.StatusTooManyRequests {
		return &verdict{class: fault.Retry, throttle: fault.UnnamedThrottled, reason: reason, err: err}
	}
	return g.bear(r, sent, reason, err, "check the endpoint, and what is between here and there (a proxy, a load balancer, a firewall)")
}

// bear is a verdict that is to try again, and the end once that has lasted too long.
func (g *guard) bear(r *http.Request, sent []byte, reason string, err error, advice string) *verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strange.Store(true)
	now := time.Now()
	g.sweep(now)
	first := now
	for _, key := range g.keys(r, sent) {
		own, found := g.runs[key]
		if !found {
			if len(g.runs) >= maxStrange {
				continue // the host's own run is among them
			}
			own.first = now
		}
		own.last = now
		g.runs[key] = own
		if own.first.Before(first) {
			first = own.first
		}
	}
	if now.Sub(first) < patience {
		return &verdict{class: fault.Retry, reason: reason, err: err}
	}
	return &verdict{class: fault.Fatal, reason: reason, err: fmt.Errorf("%w; so it has been since %s", err, first.UTC().Format(time.RFC3339)), advice: advice}
}

// sweep leaves runs out that nobody has gone on with: what failed was not tried again. The caller holds mu.
func (g *guard) sweep(now time.Time) {
	if now.Sub(g.swept) < patience/8 {
		return
	}
	g.swept = now
	for key, own := range g.runs {
		if now.Sub(own.last) > patience {
			delete(g.runs, key)
		}
	}
}

// keys are the host's, and the request's: there are firewalls that refuse some bodies and take all others.
func (g *guard) keys(r *http.Request, sent []byte) [2]string {
	host := r.URL.Host
	return [2]string{host, host + " " + r.Header.Get("X-Amz-Target") + " " + strconv.FormatUint(maphash.Bytes(g.seed, sent), 16)}
}

// good notes that a request has got DynamoDB's answer.
func (g *guard) good(r *http.Request, sent []byte) {
	if !g.knows(r.URL.Host) {
		g.learn(r.URL.Host)
	}
	if !g.strange.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range g.keys(r, sent) {
		delete(g.runs, key)
	}
	g.sweep(time.Now())
	g.strange.Store(len(g.runs) > 0)
}

// knows reports whether a host has answered as DynamoDB.
func (g *guard) knows(host string) bool {
	known := g.known.Load()
	return known != nil && (*known)[host]
}

func (g *guard) learn(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := map[string]bool{host: true}
	if known := g.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	g.known.Store(&next)
}

// unanswered is the verdict about a call that the transport could not make because the other side speaks otherwise; else
// err. About encryption, at a host that has never answered it is a matter of the configuration, at once.
func (g *guard) unanswered(r *http.Request, sent []byte, err error) error {
	var advice string
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch) || record:
		advice = "the server does not speak TLS: check whether the endpoint begins with https:// or http://"
	case certificate:
		advice = "the server's certificate is not trusted: check the endpoint, and set AWS_CA_BUNDLE to the file of the authority"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return g.bear(r, sent, "no-http", err, "what answers does not speak HTTP: check the endpoint, and whether it begins with https:// or http://")
	default:
		return err
	}
	if !g.knows(r.URL.Host) {
		return &verdict{class: fault.Fatal, reason: "tls", err: err, advice: advice}
	}
	return g.bear(r, sent, "tls", err, advice)
}

// firstWords are the first words of a text that nobody expected, on one line.
func firstWords(text []byte) string {
	text = text[:min(len(text), 1000)]
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " ")
	if runes := []rune(words); len(runes) > 200 {
		words = string(runes[:200])
	}
	return words
}

// refusesCredentials reports whether the service does not take the credentials, which others may pass.
func refusesCredentials(a *answerError) bool {
	switch a.code {
	case "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired":
		return true
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		return !refusesClock(a) // the secret is another one
	}
	return false
}

// refusesClock reports whether a signature is refused for its time.
func refusesClock(a *answerError) bool {
	switch a.code {
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return true
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		return strings.Contains(a.message, "Signature expired") || strings.Contains(a.message, "Signature not yet current")
	}
	return false
}

// skew says how far this machine's clock is from the service's.
func skew(date string, now time.Time) string {
	const advice = "set the clock of this machine"
	at, err := http.ParseTime(date)
	if err != nil {
		return "this machine's clock and the service's differ: " + advice
	}
	by := at.Sub(now).Round(time.Second)
	if by < 0 {
		return fmt.Sprintf("this machine's clock is %s ahead of the service's: %s", -by, advice)
	}
	return fmt.Sprintf("this machine's clock is %s behind the service's: %s", by, advice)
}

// sdkClient is the SDK's way through the guard.
type sdkClient struct {
	guard *guard
	next  http.RoundTripper
}

// Do implements the SDK's HTTPClient. No redirect is followed.
func (c sdkClient) Do(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, c.guard.unanswered(r, nil, err)
	}
	answer, err := whole(response)
	if err != nil && marked(response.Header) {
		return nil, err
	}
	if err := c.guard.judge(r, nil, response, answer, failureOf(response, answer)); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, nil
}
