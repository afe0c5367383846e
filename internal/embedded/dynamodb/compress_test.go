package dynamodb_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// answered is an answer, its body as it went over the wire.
type answered struct {
	status   int
	encoding string
	body     []byte
}

// call makes one call by hand.
func call(t *testing.T, s *dynamodb.Server, operation string, body []byte, header http.Header) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://dynamodb.test/", bytes.NewReader(body))
	require.NoError(t, err)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("Authorization", "test")
	answer, err := s.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, answer.Header.Get("X-Amz-Crc32"), strconv.FormatUint(uint64(crc32.ChecksumIEEE(text)), 10), "of the bytes on the wire")
	return answered{answer.StatusCode, answer.Header.Get("Content-Encoding"), text}
}

const createPlain = `{"TableName":"plain","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`

// packed is text compressed by a writer.
func packed(t *testing.T, text string, writer func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := writer(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func gzipped(w io.Writer) io.WriteCloser  { return gzip.NewWriter(w) }
func deflated(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }

func TestCompressedRequests(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{})
	answer := call(t, s, "CreateTable", packed(t, createPlain, gzipped), http.Header{"Content-Encoding": {"gzip"}})
	require.Equal(t, http.StatusOK, answer.status, string(answer.body))
	item := `{"TableName":"plain","Item":{"pk":{"S":"a"}}}`
	half := append(packed(t, item[:9], gzipped), packed(t, item[9:], gzipped)...)
	whole := packed(t, item, gzipped)
	for _, c := range []struct {
		what, encoding string
		body           []byte
		status         int
	}{
		{"two members are one body", "gzip", half, http.StatusOK},
		{"deflate", "deflate", packed(t, item, deflated), http.StatusOK},
		{"not compressed", "gzip", []byte(item), http.StatusInternalServerError},
		{"cut off", "gzip", whole[:len(whole)-1], http.StatusInternalServerError},
		{"junk behind", "gzip", append(bytes.Clone(whole), "junk"...), http.StatusInternalServerError},
		{"empty", "gzip", nil, http.StatusInternalServerError},
		{"another encoding", "br", []byte(item), http.StatusInternalServerError},
		{"large in clear", "gzip", packed(t, item+strings.Repeat(" ", 17<<20), gzipped), http.StatusRequestEntityTooLarge},
	} {
		answer := call(t, s, "PutItem", c.body, http.Header{"Content-Encoding": {c.encoding}})
		require.Equal(t, c.status, answer.status, "%s: %s", c.what, answer.body)
	}
}

func TestCompressedAnswers(t *testing.T) {
	t.Parallel()
	s := dynamodb.New(dynamodb.Options{Compress: true})
	call(t, s, "CreateTable", []byte(createPlain), nil)
	call(t, s, "PutItem", []byte(`{"TableName":"plain","Item":{"pk":{"S":"a"},"x":{"S":"`+strings.Repeat("x", 5000)+`"}}}`), nil)
	get := []byte(`{"TableName":"plain","Key":{"pk":{"S":"a"}}}`)
	plain := call(t, s, "GetItem", get, nil).body
	for _, c := range []struct{ accept, want string }{
		{"", ""},
		{"identity", ""},
		{"br", ""},
		{"gzip", "gzip"},
		{"deflate", "deflate"},
		{"GZIP, identity", "gzip"},
		{"gzip, deflate", "gzip"},
		{"deflate, gzip", "deflate"},
		{"gzip;q=0.2, deflate;q=0.5", "deflate"},
		{"gzip;q=0", ""},
		{"*", "gzip"},
		{"*, deflate", "deflate"},
		{"*, gzip;q=0.5", "deflate"},
		{"*;q=0", ""},
		{"gzip;q=none", "gzip"},
	} {
		answer := call(t, s, "GetItem", get, http.Header{"Accept-Encoding": {c.accept}})
		require.Equal(t, c.want, answer.encoding, c.accept)
		var r io.Reader = bytes.NewReader(answer.body)
		var err error
		switch c.want {
		case "gzip":
			r, err = gzip.NewReader(r)
		case "deflate":
			r, err = zlib.NewReader(r)
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, string(plain), string(text), c.accept)
	}
	answer := call(t, s, "GetItem", []byte(`{"TableName":"plain","Key":{"pk":{"S":"b"}}}`), http.Header{"Accept-Encoding": {"gzip"}})
	require.Empty(t, answer.encoding, "a small answer")
}
