package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// errDead is what a process meets on the network after it has been killed: nothing that it tries has an effect.
var errDead = errors.New("the process was killed")

// errCut is a connection that broke.
var errCut = errors.New("the connection was cut")

// network is what one process sends through. The world can cut, hold or watch it. Every request, to a broker or to a
// database, passes step twice: before it is sent, and when its answer has come back but the process has not seen it.
type network struct {
	agent string // for faults of the database
	to    *world
	step  func(step, moment) error

	mu     sync.Mutex
	dead   chan struct{} // closed when the process has been killed
	held   chan struct{} // closed when the process goes on; nil when it is not held
	linger time.Duration // how long a request to the database takes to arrive
	wall   step          // requests to brokers that do not arrive as long as the process lives; "" for none
	conns  map[*conn]bool
}

// moment is when in the life of a request.
type moment uint8

const (
	before moment = iota // nothing has happened
	after                // it has been done, and the process does not know
)

// step is a request as the table of steps and the story call it, such as "put new" or "produce facts shard done".
type step string

func newNetwork(w *world, agent string) *network {
	return &network{agent: agent, to: w, dead: make(chan struct{}), conns: map[*conn]bool{}, step: func(step, moment) error { return nil }}
}

// kill makes everything from now on fail.
func (n *network) kill() {
	n.mu.Lock()
	select {
	case <-n.dead:
	default:
		close(n.dead)
	}
	n.mu.Unlock()
	n.cut()
}

// cut breaks the connections to the brokers; new ones can be made.
func (n *network) cut() {
	n.mu.Lock()
	conns := n.conns
	n.conns = map[*conn]bool{}
	n.mu.Unlock()
	for c := range conns {
		_ = c.Close() // it is to be broken
	}
}

// hold lets nothing out and nothing in until release.
func (n *network) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil {
		n.held = make(chan struct{})
	}
}

func (n *network) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held != nil {
		close(n.held)
		n.held = nil
	}
}

// delay sets how long requests to the database take to arrive.
func (n *network) delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.linger = d
}

// obstruct lets no request of this step to a broker through any more.
func (n *network) obstruct(s step) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wall = s
}

// pass returns nil if a request to a broker may go on. Before a wall it waits until the sender gives up, or is dead.
func (n *network) pass(s step, giveUp <-chan struct{}) error {
	n.mu.Lock()
	wall := n.wall
	n.mu.Unlock()
	if wall == "" || wall != s {
		return nil
	}
	select {
	case <-giveUp:
		return errCut
	case <-n.dead:
		return errDead
	}
}

// travel is how long a request takes to arrive: mostly nothing worth speaking of, sometimes longer than others that were
// sent after it.
func (n *network) travel(s step) time.Duration {
	dice := n.to.weather.dice("travel " + n.agent + string(s))
	most := [...]time.Duration{
		time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond,
		30 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 700 * time.Millisecond,
	}[dice%8]
	return time.Duration(dice / 8 % uint64(most))
}

// tell adds a request or its answer to the story.
func (n *network) tell(way direction, s step, bytes []byte) {
	n.to.story.request(way, strings.TrimPrefix(n.agent, agentPrefix), s, bytes)
}

// gate returns once the network is not held, or an error when the process is dead or gave up meanwhile.
func (n *network) gate(giveUp <-chan struct{}, deadline time.Time) error {
	for {
		n.mu.Lock()
		held := n.held
		n.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			late = timer.C
		}
		if held == nil {
			select {
			case <-n.dead:
				return errDead
			default:
				return nil
			}
		}
		select {
		case <-held:
		case <-n.dead:
			return errDead
		case <-giveUp:
			return errCut
		case <-late:
			return os.ErrDeadlineExceeded
		}
	}
}

// Dial connects to a broker.
func (n *network) Dial(ctx context.Context, kind, address string) (net.Conn, error) {
	if err := n.gate(ctx.Done(), time.Time{}); err != nil {
		return nil, err
	}
	inner, err := n.to.wires.DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, network: n, closed: make(chan struct{}), asked: map[int32]step{}}
	n.mu.Lock()
	n.conns[c] = true
	n.mu.Unlock()
	return c, nil
}

// conn is a connection to a broker that knows where a request begins and ends.
type conn struct {
	net.Conn
	network *network

	once   sync.Once
	closed chan struct{}
	out    []byte // written, and not a whole request yet; of the one writer
	in     []byte // received, and not a whole answer yet; of the one reader
	ready  []byte // of an answer, to be read

	mu       sync.Mutex
	deadline time.Time
	asked    map[int32]step // under way, by correlation id
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

// SetDeadline implements net.Conn; both sides have one.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

func (c *conn) gate() error {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	return c.network.gate(c.closed, deadline)
}

// Write sends whole requests; what it returns nil for may wait for its rest.
func (c *conn) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	for {
		frame, rest, ok := cutFrame(c.out)
		if !ok {
			return len(b), nil
		}
		if err := c.send(frame); err != nil {
			return 0, err
		}
		c.out = append(c.out[:0], rest...)
	}
}

func (c *conn) send(frame []byte) error {
	if err := c.gate(); err != nil {
		return err
	}
	s := stepOf(frame)
	if err := c.network.step(s, before); err != nil {
		return err
	}
	if err := c.network.pass(s, c.closed); err != nil {
		return err
	}
	// Only what kafka-go sends without a lock may take its time: fake time stands still while anyone waits for a lock.
	if strings.HasPrefix(string(s), "produce") {
		time.Sleep(c.network.travel(s))
	}
	c.mu.Lock()
	c.asked[int32(binary.BigEndian.Uint32(frame[8:]))] = s
	c.mu.Unlock()
	c.network.tell(request, s, frame)
	_, err := c.Conn.Write(frame)
	return err
}

// Read returns parts of whole answers.
func (c *conn) Read(b []byte) (int, error) {
	for len(c.ready) == 0 {
		frame, rest, ok := cutFrame(c.in)
		if !ok {
			buffer := make([]byte, 16<<10)
			n, err := c.Conn.Read(buffer)
			c.in = append(c.in, buffer[:n]...)
			if err != nil {
				return 0, err
			}
			continue
		}
		c.in = rest
		c.ready = frame
		if err := c.answered(frame); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *conn) answered(frame []byte) error {
	id := int32(binary.BigEndian.Uint32(frame[4:]))
	c.mu.Lock()
	s := c.asked[id]
	delete(c.asked, id)
	c.mu.Unlock()
	c.network.tell(reply, s, frame)
	if err := c.network.step(s, after); err != nil {
		return err
	}
	return c.gate()
}

// cutFrame cuts one size-prefixed message off, which both directions have.
func cutFrame(b []byte) (frame, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, b, false
	}
	end := 4 + int(binary.BigEndian.Uint32(b))
	if len(b) < end {
		return nil, b, false
	}
	return b[:end:end], b[end:], true
}

// stepOf names a request to a broker.
func stepOf(frame []byte) step {
	name := kmsg.Key(int16(binary.BigEndian.Uint16(frame[4:]))).Name()
	if name != "Produce" {
		return step(name)
	}
	topic := ""
	for _, t := range []string{"snapshot", "live", "dlq", "facts", "control"} {
		if bytes.Contains(frame[:min(len(frame), 256)], []byte(migrationName+"."+t)) {
			topic = t
		}
	}
	// Facts and control entries are not compressed.
	has := func(text string) bool { return bytes.Contains(frame, []byte(text)) }
	switch topic {
	case "facts":
		switch {
		case has("applied/"):
			topic += " applied"
		case has("worker/"):
			return "produce facts worker"
		case has("segment/"):
			topic += " segment"
		default:
			topic += " shard"
		}
		switch {
		case has(`"done":true`):
			topic += " done"
		case has(`"parent":"`):
			topic += " child"
		}
	case "control":
		for _, kind := range []string{"created", "closed", "swept"} {
			if has(`"` + kind + `":{`) {
				topic += " " + kind
			}
		}
	}
	return step("produce " + topic)
}

// RoundTrip implements http.RoundTripper. What has been sent arrives, whether or not the sender still waits for the
// answer.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it was in memory
	}
	if err := n.gate(r.Context().Done(), time.Time{}); err != nil {
		return nil, err
	}
	s := callOf(r, body)
	if err := n.step(s, before); err != nil {
		return nil, err
	}
	n.mu.Lock()
	linger := n.linger
	n.mu.Unlock()
	linger += n.travel(s)
	answers := make(chan answer, 1)
	n.to.requests.Go(func() {
		time.Sleep(linger)
		sent := r.Clone(context.WithoutCancel(r.Context()))
		sent.Body = io.NopCloser(bytes.NewReader(body))
		sent.Header.Set("User-Agent", n.agent)
		n.tell(request, s, body)
		response, err := n.to.database.Transport().RoundTrip(sent) //nolint:bodyclose // whoever asked closes it
		answers <- n.taken(s, response, err)
	})
	select {
	case a := <-answers:
		if err := n.step(s, after); err != nil {
			return nil, err
		}
		if err := n.gate(r.Context().Done(), time.Time{}); err != nil {
			return nil, err
		}
		return a.response, a.err
	case <-n.dead:
		return nil, errDead
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

type answer struct {
	response *http.Response
	err      error
}

// taken tells of an answer of the database.
func (n *network) taken(s step, response *http.Response, err error) answer {
	if err != nil {
		n.tell(reply, s, []byte(err.Error()))
		return answer{nil, err}
	}
	body, err := io.ReadAll(response.Body)
	n.tell(reply, s, body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return answer{response, err}
}

// callOf names a call of the database.
func callOf(r *http.Request, body []byte) step {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	short := map[string]string{"PutItem": "put", "BatchExecuteStatement": "insert", "DeleteItem": "remove", "Scan": "scan"}[name]
	if short == "" {
		return step(name)
	}
	for _, table := range []string{oldTable, newTable} {
		if bytes.Contains(body, []byte(`"`+table+`"`)) || bytes.Contains(body, []byte(`\"`+table+`\"`)) {
			return step(short + " " + table)
		}
	}
	return step(short)
}
