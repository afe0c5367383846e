package dynamodb

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// compressFrom is how many bytes an answer needs to be compressed at all.
const compressFrom = 4096

// readBody reads a request's body, in clear: gzip and deflate (which is zlib's form) are understood, as the service does.
// A body that is not what Content-Encoding says is an internal error there, and so it is here.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := small(body); err != nil {
		return nil, err
	}
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	var clear io.Reader
	switch encoding {
	case "", "identity", "aws-chunked":
		return body, nil
	case "gzip":
		clear, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		clear, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, InternalError()
	}
	if err != nil {
		return nil, InternalError()
	}
	if body, err = io.ReadAll(io.LimitReader(clear, maxRequestBytes+1)); err != nil {
		return nil, InternalError()
	}
	return body, small(body)
}

// small refuses a body that is too large.
func small(body []byte) error {
	if len(body) > maxRequestBytes {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException", Message: "The request is larger than 16 MB"}
	}
	return nil
}

// compressed is an answer as the caller accepts it, and the name of its encoding; "" for none.
func compressed(answer []byte, accept string) ([]byte, string) {
	if len(answer) < compressFrom || accept == "" {
		return answer, ""
	}
	var b bytes.Buffer
	var w io.WriteCloser
	encoding := acceptedEncoding(accept)
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		return answer, ""
	}
	_, _ = w.Write(answer) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes(), encoding
}

// acceptedEncoding is gzip or deflate, whichever Accept-Encoding weighs more; the first one of equals, "" if it wants
// neither. The star stands for those that are not named, gzip before deflate.
func acceptedEncoding(accept string) string {
	best, most := "", 0.0
	consider := func(encoding string, weight float64) {
		if weight > most {
			best, most = encoding, weight
		}
	}
	named, others := map[string]bool{}, 0.0
	for part := range strings.SplitSeq(strings.ToLower(accept), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		switch name = strings.TrimSpace(name); name {
		case "gzip", "deflate":
			named[name] = true
			consider(name, weightOf(parameters))
		case "*":
			others = weightOf(parameters)
		}
	}
	for _, encoding := range []string{"gzip", "deflate"} {
		if !named[encoding] {
			consider(encoding, others)
		}
	}
	return best
}

// weightOf reads the weight, q=0.5, of one accepted encoding; without one, or with one that is no number, it is 1.
func weightOf(parameters string) float64 {
	_, text, ok := strings.Cut(parameters, "q=")
	if !ok {
		return 1
	}
	text, _, _ = strings.Cut(text, ";")
	weight, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 1
	}
	return min(weight, 1)
}
