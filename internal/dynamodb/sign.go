package dynamodb

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// signer signs the posts to one endpoint, all of the same form, as the SDK's v4 signer does: that one sorts and joins
// anew for each request what is the same for all of them, and costs a quarter of a call's allocations.
type signer struct {
	region string
	host   string
	path   string // canonical
	key    atomic.Pointer[signingKey]
}

// signsAs is the name of both DynamoDB and its Streams.
const signsAs = "dynamodb"

func newSigner(endpoint *url.URL, region string) *signer {
	host := endpoint.Host
	if port := endpoint.Port(); endpoint.Scheme == "http" && port == "80" || endpoint.Scheme == "https" && port == "443" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	path := endpoint.EscapedPath()
	if path == "" {
		path = "/"
	}
	return &signer{region: region, host: host, path: httpbinding.EscapePath(path, false)}
}

// signingKey is derived from credentials for a day.
type signingKey struct {
	access, secret, day string
	macs                sync.Pool // of *mac
}

// mac is the key at work, and memory for the texts.
type mac struct {
	hash.Hash
	text []byte
}

func (s *signer) keyOf(c aws.Credentials, day []byte) *signingKey {
	if k := s.key.Load(); k != nil && k.day == string(day) && k.access == c.AccessKeyID && k.secret == c.SecretAccessKey {
		return k
	}
	k := &signingKey{access: c.AccessKeyID, secret: c.SecretAccessKey, day: string(day)}
	secret := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{k.day, s.region, signsAs, "aws4_request"} {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(part))
		secret = h.Sum(nil)
	}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret), text: make([]byte, 0, 1024)} }
	s.key.Store(k)
	return k
}

// header is the header of a signed post of this body to an operation.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s *signer) header(operation string, body []byte, c aws.Credentials, now time.Time) http.Header {
	const layout = "20060102T150405Z"
	date := string(now.UTC().AppendFormat(make([]byte, 0, len(layout)), layout))
	day := date[:len("20060102")]
	k := s.keyOf(c, []byte(day))
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)

	const contentType, encoding = "application/x-amz-json-1.0", "identity" // the checksum is of the bytes as sent
	b := append(append(m.text[:0], "POST\n"...), s.path...)
	b = append(b, "\n\naccept-encoding:"+encoding+"\n"...)
	if len(body) > 0 {
		b = append(strconv.AppendInt(append(b, "content-length:"...), int64(len(body)), 10), '\n')
	}
	b = append(append(b, "content-type:"+contentType+"\nhost:"...), s.host...)
	b = append(append(b, "\nx-amz-date:"...), date...)
	if c.SessionToken != "" {
		b = append(append(b, "\nx-amz-security-token:"...), c.SessionToken...)
	}
	b = append(append(b, "\nx-amz-target:"...), operation...)
	b = append(b, "\n\n"...)
	signed := signedHeaders(len(body) > 0, c.SessionToken != "")
	b = append(append(b, signed...), '\n')
	sum := sha256.Sum256(body)
	sum = sha256.Sum256(hex.AppendEncode(b, sum[:]))

	b = append(append(b[:0], "AWS4-HMAC-SHA256\n"...), date...)
	b = s.appendScope(append(b, '\n'), day)
	b = hex.AppendEncode(append(b, '\n'), sum[:])
	m.Reset()
	m.Write(b)
	signature := m.Sum(sum[:0])

	b = append(append(b[:0], "AWS4-HMAC-SHA256 Credential="...), c.AccessKeyID...)
	b = s.appendScope(append(b, '/'), day)
	b = append(append(b, ", SignedHeaders="...), signed...)
	b = hex.AppendEncode(append(b, ", Signature="...), signature)
	m.text = b

	values := [...]string{encoding, contentType, date, operation, string(b), c.SessionToken}
	header := make(http.Header, len(values))
	for i, name := range [...]string{"Accept-Encoding", "Content-Type", "X-Amz-Date", "X-Amz-Target", "Authorization", "X-Amz-Security-Token"} {
		if values[i] != "" {
			header[name] = values[i : i+1 : i+1]
		}
	}
	return header
}

func (s *signer) appendScope(b []byte, day string) []byte {
	b = append(append(append(b, day...), '/'), s.region...)
	return append(b, "/"+signsAs+"/aws4_request"...)
}

// signedHeaders are the names of the headers that the signature covers.
func signedHeaders(body, token bool) string {
	switch {
	case body && token:
		return "accept-encoding;content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
	case body:
		return "accept-encoding;content-length;content-type;host;x-amz-date;x-amz-target"
	case token:
		return "accept-encoding;content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
	}
	return "accept-encoding;content-type;host;x-amz-date;x-amz-target"
}
