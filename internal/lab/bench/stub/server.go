package stub

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what the endpoint has.
type Options struct {
	Rows     []Row // row n has Mark(n)
	Segments int
	Shards   int
	Latency  time.Duration // before each answer
}

// Server is the endpoint.
type Server struct {
	options  Options
	segments segments
	shards   [][]answer
	stream   answer
	batches  []answer // by the number of statements
	arrivals arrivals

	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
	serving  sync.WaitGroup
}

// ARN is the stream's.
const ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/bench/stream/2026-01-01T00:00:00.000"

// Start makes the pages and listens on loopback.
func Start(o Options) (*Server, error) {
	s := &Server{
		options: o, segments: cutSegments(o.Rows, o.Segments), shards: cutShards(o.Rows, o.Shards), stream: describeStream(o.Shards),
		open: map[net.Conn]bool{},
	}
	s.arrivals.seen = make([]atomic.Uint64, (len(o.Rows)+63)/64)
	for n := range maxStatements + 1 {
		empties := bytes.TrimSuffix(bytes.Repeat([]byte(`{"TableName":"bench"},`), n), []byte(","))
		s.batches = append(s.batches, ok(fmt.Appendf(nil, `{"Responses":[%s]}`, empties)))
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.serving.Go(s.accept)
	return s, nil
}

// Endpoint is the URL.
func (s *Server) Endpoint() string { return "http://" + s.listener.Addr().String() }

// Reset forgets what has arrived.
func (s *Server) Reset() { s.arrivals.reset() }

// Arrived is how many different rows have been written, and how many writes there were.
func (s *Server) Arrived() (distinct, writes int) {
	return s.arrivals.distinct(), int(s.arrivals.writes.Load())
}

// Close ends the connections and waits for them.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		err = errors.Join(err, c.Close())
	}
	s.open = nil
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.open == nil {
			_ = c.Close() // it came while the server was closed
		} else {
			s.open[c] = true
			s.serving.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

// serve answers the requests of a connection until the client, or Close, ends it.
func (s *Server) serve(c net.Conn) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[c] {
			delete(s.open, c)
			_ = c.Close() // the client has gone, or does not speak HTTP
		}
	}()
	r := newReader(c)
	for {
		operation, body, err := r.request()
		if err != nil {
			return
		}
		reply := s.answer(operation, body)
		if s.options.Latency > 0 {
			time.Sleep(s.options.Latency)
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

func (s *Server) answer(operation string, body []byte) answer {
	switch operation {
	case "PutItem":
		if s.arrivals.add(body) != 1 {
			return refusal("ValidationException", "not one row")
		}
		if bytes.Contains(body, []byte(`"ReturnConsumedCapacity"`)) {
			return putWithUnits
		}
		return put
	case "BatchExecuteStatement":
		n := s.arrivals.add(body)
		if n == 0 || n >= len(s.batches) || n != bytes.Count(body, []byte(`"Statement":`)) {
			return refusal("ValidationException", "not one row in each of 1 to 25 statements")
		}
		return s.batches[n]
	case "Scan":
		return s.scan(body)
	case "GetRecords":
		shard, page, err := shardAndPage(body)
		if err != nil || shard >= len(s.shards) || page >= len(s.shards[shard]) {
			return refusal("ValidationException", "not an iterator of this stream")
		}
		return s.shards[shard][page]
	case "DescribeStream":
		return s.stream
	case "GetShardIterator":
		return s.beginning(body)
	}
	return refusal("UnknownOperationException", operation)
}

const maxStatements = 25

var (
	put          = ok([]byte(`{}`))
	putWithUnits = ok([]byte(`{"ConsumedCapacity":{"CapacityUnits":1.0,"TableName":"bench"}}`))
)

func (s *Server) scan(body []byte) answer {
	if numberAfter(body, `"TotalSegments":`) != len(s.segments) {
		return refusal("ValidationException", "the pages were made for another number of segments")
	}
	n := numberAfter(body, `"Segment":`)
	if n < 0 || n >= len(s.segments) {
		return refusal("ValidationException", "no such segment")
	}
	own := s.segments[n]
	_, after, goesOn := bytes.Cut(body, []byte(`"ExclusiveStartKey":`))
	if !goesOn {
		return own.pages[0]
	}
	page, known := own.after[numberOf(after)]
	if !known {
		return refusal("ValidationException", "no page ended with this key")
	}
	return own.pages[page]
}

// numberAfter is -1 if there is none.
func numberAfter(body []byte, name string) int {
	_, rest, _ := bytes.Cut(body, []byte(name))
	end := 0
	for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(string(rest[:end]))
	if err != nil {
		return -1
	}
	return n
}

// beginning is the first iterator of a shard. The only sequence number that it knows is the one that a shard starts with.
func (s *Server) beginning(body []byte) answer {
	_, rest, _ := bytes.Cut(body, []byte(`"ShardId":"`))
	n := numberAfter(rest, shardPrefix)
	first := bytes.Contains(body, []byte(`"TRIM_HORIZON"`)) || bytes.Contains(body, []byte(sequence(0)))
	if n < 0 || n >= len(s.shards) || !first {
		return refusal("TrimmedDataAccessException", "only the beginning of a shard")
	}
	return ok([]byte(`{"ShardIterator":"` + iterator(n, 0) + `"}`))
}

const shardPrefix = "shardId-"

func describeStream(shards int) answer {
	b := []byte(`{"StreamDescription":{"StreamArn":"` + ARN + `","StreamStatus":"ENABLED","StreamViewType":"NEW_IMAGE","TableName":"bench","Shards":[`)
	for i := range shards {
		b = fmt.Appendf(append(b, separator(i)...), `{"SequenceNumberRange":{"StartingSequenceNumber":"%s"},"ShardId":"%s%020d"}`, sequence(0), shardPrefix, i)
	}
	return ok(append(b, `]}}`...))
}
