package dynamodb

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a RoundTripper that calls the server in the caller's goroutine: no socket and no goroutine, so
// that it works in a testing/synctest bubble. A lost answer is io.ErrUnexpectedEOF.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}}
	lost := t.serve(w, r)
	if err := r.Body.Close(); err != nil {
		return nil, fmt.Errorf("close request: %w", err)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if lost {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.header,
		Body:          io.NopCloser(bytes.NewReader(w.body)),
		ContentLength: int64(len(w.body)),
		Request:       r,
	}, nil
}

// serve reports whether the handler cut the connection.
func (t transport) serve(w http.ResponseWriter, r *http.Request) (lost bool) {
	defer func() {
		if e := recover(); e != nil {
			if e != http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
				panic(e)
			}
			lost = true
		}
	}()
	t.server.ServeHTTP(w, r)
	return false
}

// recorder keeps the answer; the server writes its header and body once each.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header    { return w.header }
func (w *recorder) WriteHeader(status int) { w.status = status }

func (w *recorder) Write(b []byte) (int, error) {
	w.body = b // the server writes once, and keeps no part of it
	return len(b), nil
}
