package dynamodb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
	"github.com/crossfadedb/crossfade/internal/expression/legacy"
)

// maxRequestBytes is DynamoDB's limit of a request.
const maxRequestBytes = 16 << 20

// Server is a DynamoDB with its streams. It is an http.Handler, safe for concurrent use.
type Server struct {
	options  Options
	sequence sequence
	calls    atomic.Uint64 // for request ids

	mu      sync.RWMutex
	tables  map[string]*table
	streams []*stream // of all tables, also of those that are gone; the oldest first
	tokens  map[string]token

	listening sync.Mutex
	http      *http.Server
	served    sync.WaitGroup
}

// New returns an empty server. It starts nothing. It panics if Options.FirstSequence is no decimal number.
func New(o Options) *Server {
	o = o.withDefaults()
	return &Server{
		options:  o,
		sequence: newSequence(o.FirstSequence),
		tables:   map[string]*table{},
		tokens:   map[string]token{},
	}
}

// Start listens on a free port of 127.0.0.1 and serves until Close. It returns the endpoint, such as
// "http://127.0.0.1:8000".
func (s *Server) Start() (endpoint string, err error) {
	s.listening.Lock()
	defer s.listening.Unlock()
	if s.http != nil {
		return "", fmt.Errorf("start dynamodb: already listening")
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.http = server
	s.served.Go(func() { _ = server.Serve(listener) }) // it ends by Close, and says so
	return "http://" + listener.Addr().String(), nil
}

// Close ends what Start began, cutting connections. The data stays.
func (s *Server) Close() error {
	s.listening.Lock()
	defer s.listening.Unlock()
	if s.http == nil {
		return nil
	}
	err := s.http.Close()
	s.served.Wait()
	s.http = nil
	return err
}

func (s *Server) now() time.Time { return s.options.Clock() }

// call is one request on its way through the server.
type call struct {
	server    *Server
	ctx       context.Context //nolint:containedctx // a call is a request, and lives as long
	operation string
	agent     string
	host      string
	fault     Fault  // what Options.Fault said of the whole call
	body      []byte // the request as it came
}

// given reports whether the request has a parameter, as far as words tell: for the texts of errors, in which the older
// parameters have names of their own.
func (c *call) given(parameter string) bool { return bytes.Contains(c.body, []byte(`"`+parameter+`"`)) }

// operation runs one request.
type operation func(c *call, body []byte) (answer []byte, err error)

// targeted requests name one table, and perhaps an item or key in it.
type targeted interface {
	target() (table string, key expression.Item)
}

// rawList is an answer with one list of ready-made JSON values, which is not encoded again.
type rawList interface {
	list() (name string, values [][]byte)
}

// handle makes an operation of a typed function. A parameter that the request type does not have is refused: what is
// not covered must not be ignored in silence.
func handle[In, Out any](run func(c *call, in *In) (Out, error)) operation {
	return func(c *call, body []byte) ([]byte, error) {
		c.body = body
		body, err := legacy.Request(c.operation, body)
		if err != nil {
			return nil, err
		}
		if jsontext.Value(body).Kind() != '{' {
			return nil, &Error{Code: "SerializationException"}
		}
		in := new(In)
		err = json.Unmarshal(body, in, jsontext.AllowInvalidUTF8(true), json.RejectUnknownMembers(true))
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return nil, validation("The request has a parameter that this server does not cover: %v", err)
		case err != nil:
			return nil, err
		}
		if err := violated(in, body); err != nil {
			return nil, err
		}
		if err := c.ask(in); err != nil {
			return nil, err
		}
		out, err := run(c, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
}

// ask asks for the fault of the whole call, and does what comes before it.
func (c *call) ask(in any) error {
	s := c.server
	if s.options.Fault == nil {
		return nil
	}
	about := Call{Operation: c.operation, Agent: c.agent}
	if t, ok := in.(targeted); ok {
		table, key := t.target()
		about.Table = tableName(table)
		about.Key = s.keyText(about.Table, key)
	}
	c.fault = s.options.Fault(about)
	if err := wait(c.ctx, c.fault.Delay); err != nil {
		return err
	}
	if c.fault.Refuse != nil {
		return c.fault.Refuse
	}
	return nil
}

func encode(out any) ([]byte, error) {
	if _, ok := out.(noAnswer); ok {
		return nil, nil // an empty body, without braces
	}
	answer, err := json.Marshal(out, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	l, ok := out.(rawList)
	if !ok {
		return answer, nil
	}
	name, values := l.list()
	if name == "" {
		return answer, nil
	}
	size := len(answer) + len(name) + 8
	for _, v := range values {
		size += len(v) + 1
	}
	answer = append(make([]byte, 0, size), answer[:len(answer)-1]...)
	if len(answer) > 1 {
		answer = append(answer, ',')
	}
	answer = append(append(append(answer, '"'), name...), `":[`...)
	for i, v := range values {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, v...)
	}
	return append(answer, "]}"...), nil
}

// ServeHTTP answers one call of DynamoDB's JSON protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c := &call{server: s, ctx: r.Context(), operation: name, agent: r.UserAgent(), host: r.Host}
	answer, err := c.answer(r, version)
	if c.fault.Lose || r.Context().Err() != nil { // in the second case nobody waits for the answer
		panic(http.ErrAbortHandler)
	}
	if c.fault.Refuse == nil && c.fault.Answer != nil {
		err = c.fault.Answer
	}
	status := http.StatusOK
	if err != nil {
		e := asError(err)
		status, answer = max(e.Status, http.StatusBadRequest), e.body(strings.HasPrefix(version, "DynamoDBStreams_"))
	}
	encoding := ""
	if s.options.Compress {
		answer, encoding = compressed(answer, r.Header.Get("Accept-Encoding"))
	}
	h := w.Header()
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Server", "Server")
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", fmt.Sprintf("%032X", s.calls.Add(1)))
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10))
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a client that is gone needs no answer
}

func (c *call) answer(r *http.Request, version string) ([]byte, error) {
	run, ok := operations[version][c.operation]
	if r.Method != http.MethodPost || !ok {
		return nil, &Error{Code: "UnknownOperationException", Message: "The operation is not known, or not covered: " + r.Header.Get("X-Amz-Target")}
	}
	if r.Header.Get("Authorization") == "" {
		return nil, &Error{Code: "MissingAuthenticationTokenException", Message: "Request must contain either a valid (registered) AWS access key ID or X.509 certificate."}
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	return run(c, body)
}

// part asks for the fault of one part of a batch.
func (c *call) part(table string, key expression.Item) *Error {
	s := c.server
	if s.options.Fault == nil {
		return nil
	}
	return s.options.Fault(Call{Operation: c.operation, Table: table, Key: s.keyText(table, key), Agent: c.agent, Part: true}).Refuse
}

// keyText is the key attributes in item as DynamoDB JSON, or "" if the table or one of them is not there.
func (s *Server) keyText(table string, item expression.Item) string {
	if s.options.Fault == nil || item == nil {
		return ""
	}
	s.mu.RLock()
	t := s.tables[table]
	s.mu.RUnlock()
	if t == nil {
		return ""
	}
	return string(t.schema.keyJSON(item))
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// token is what a TransactWriteItems with a client request token did.
type token struct {
	request string
	at      time.Time
}
