package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfadedb/crossfade/internal/fault"
)

const (
	// patience bounds how long credentials may be refused, or may not be had, and how long answers that are not DynamoDB's
	// are put up with. The service needs a moment to know a new key; what is between us and the service may be starting.
	patience = 2 * time.Minute
	// restless bounds how long credentials may be refused that are others each time.
	restless = 5 * patience
	// loadEvery is the least time between two loads of credentials.
	loadEvery = 5 * time.Second
	// loadedLately is how old the last load may be for what it gave to be the last word. Longer than the longest wait between
	// two tries, so that there is one that uses it.
	loadedLately = 30 * time.Second
)

// chain hands out credentials, and loads the whole of its source again when the service has refused them. The SDK's own
// cache keeps them until the time that they say; those that are revoked, that another program renews in a file, or
// that say no time, would be used for ever. Safe for concurrent use.
type chain struct {
	load    func(context.Context) (aws.CredentialsProvider, error) // reads files and the environment; what it returns has a cache
	profile string                                                 // for messages; empty: the default chain's

	troubled atomic.Bool // refused is set; so that a good answer costs nothing as a rule

	mu       sync.Mutex
	provider aws.CredentialsProvider // as loaded last
	loaded   time.Time               // again, last
	loadErr  error                   // of the last load
	given    aws.Credentials         // handed out last
	refused  time.Time               // when given was refused first, and has not been accepted since; else zero
	others   time.Time               // likewise, of whatever credentials
	last     time.Time               // when any were last refused
	failing  time.Time               // since when there have been none to be had; else zero
}

// Retrieve implements aws.CredentialsProvider.
func (c *chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c.mu.Lock()
	provider := c.provider
	c.mu.Unlock()
	got, err := provider.Retrieve(ctx)
	if err != nil {
		return got, c.failed(ctx, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = time.Time{}
	if provider == c.provider && !sameCredentials(got, c.given) {
		c.given, c.refused = got, time.Time{} // others have a time of their own
	}
	return got, nil
}

func sameCredentials(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}

// accept notes that the service knows the credentials that a request was signed with.
func (c *chain) accept(signed http.Header) {
	if !c.troubled.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if signedWith(signed, c.given) {
		c.refused, c.others = time.Time{}, time.Time{}
		c.troubled.Store(false)
	}
}

// refuse says what it means that the service has refused the credentials that a request was signed with: to go on with
// others, to ask again, or the end.
func (c *chain) refuse(ctx context.Context, signed http.Header, answer *answerError) *verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := &verdict{class: fault.Retry, reason: answer.code, err: answer}
	if !signedWith(signed, c.given) {
		return v // they have been replaced since
	}
	now := time.Now()
	c.troubled.Store(true)
	if c.others.IsZero() || c.refused.IsZero() && now.Sub(c.last) > patience {
		c.others = now // of these nobody can say yet that they come and go
	}
	if c.refused.IsZero() {
		c.refused = now
	}
	c.last = now
	if now.Sub(c.refused) < patience && now.Sub(c.others) < restless || now.Sub(c.loaded) > loadedLately {
		c.again(ctx, now)
		return v
	}
	v.class = fault.Fatal
	v.err = fmt.Errorf("%w; credentials have been refused since %s: %s", answer, c.others.UTC().Format(time.RFC3339), c.describe())
	v.advice = "renew the credentials, and start again"
	return v
}

// again loads the credentials again, unless that was just now. The caller holds mu.
func (c *chain) again(ctx context.Context, now time.Time) {
	if now.Sub(c.loaded) < loadEvery {
		return
	}
	c.loaded = now
	provider, err := c.load(ctx)
	if c.loadErr = err; err == nil {
		c.provider = provider
	} else if cache, ok := c.provider.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
}

// describe says which credentials were given last. The caller holds mu.
func (c *chain) describe() string {
	g := c.given
	kind := "long-term credentials"
	if g.SessionToken != "" {
		kind = "temporary credentials"
	}
	s := fmt.Sprintf("%s, access key %s, from %s", kind, g.AccessKeyID, g.Source)
	if c.profile != "" {
		s += ", profile " + c.profile
	}
	if g.CanExpire {
		s += ", which say that they end at " + g.Expires.UTC().Format(time.RFC3339)
	} else if g.SessionToken != "" {
		s += ", which do not say when they end"
	}
	if c.loadErr != nil {
		return s + fmt.Sprintf("; they could not be loaded again: %v", c.loadErr)
	}
	return s + "; loading them again has given nothing that is accepted"
}

// signedWith reports whether the header is of a request that was signed with these credentials.
func signedWith(signed http.Header, c aws.Credentials) bool {
	return signed.Get("X-Amz-Security-Token") == c.SessionToken && strings.Contains(signed.Get("Authorization"), "Credential="+c.AccessKeyID+"/")
}

// failed says what it means that there are no credentials. Nobody's codes but DynamoDB's are DynamoDB's: what a
// service that gives credentials answers must never be taken for a word about a row.
func (c *chain) failed(ctx context.Context, err error) error {
	v := &verdict{class: fault.Retry, reason: "no-credentials", err: fmt.Errorf("credentials: %w", err)}
	c.mu.Lock()
	defer c.mu.Unlock()
	had := c.given.AccessKeyID != ""
	_, empty := errors.AsType[*credentials.StaticCredentialsEmptyError](err)
	switch {
	case ctx.Err() != nil:
	case !had && (empty || ofTheInstance(err)):
		// The instance's own role comes last in the chain: nothing before it had any.
		v.class = fault.Fatal
		v.advice = "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of the shared files (source.dynamodb.profile, target.dynamodb.profile), or run where there is a role"
	case codeOf(err) == "AccessDenied" || codeOf(err) == "AccessDeniedException":
		v.class, v.advice = fault.Fatal, "check the role, and who may assume it"
	case elsewhere(err):
		// Whoever gives credentials cannot be reached, or is not well: that passes.
	default:
		now := time.Now()
		if c.failing.IsZero() {
			c.failing = now
		}
		if now.Sub(c.failing) >= patience {
			v.class = fault.Fatal
			v.err = fmt.Errorf("credentials: none could be had since %s: %w", c.failing.UTC().Format(time.RFC3339), err)
			v.advice = "check where the credentials come from (profile, role, process, single sign-on), and start again"
			break
		}
		c.again(ctx, now)
	}
	return v
}

// ofTheInstance reports whether the machine's own role was asked for, in vain.
func ofTheInstance(err error) bool {
	for operation, ok := errors.AsType[*smithy.OperationError](err); ok; operation, ok = errors.AsType[*smithy.OperationError](operation.Err) {
		if operation.Service() == "ec2imds" {
			return true
		}
	}
	return false
}

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// elsewhere reports whether an error is of the network, of the service that gives credentials, or of the time it took.
func elsewhere(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorFault() == smithy.FaultServer || strings.Contains(api.ErrorCode(), "Throttl") || api.ErrorCode() == "RequestLimitExceeded"
	}
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	_, network := errors.AsType[*net.OpError](err)
	return sending || network || ofTheInstance(err) || errors.Is(err, context.DeadlineExceeded)
}
