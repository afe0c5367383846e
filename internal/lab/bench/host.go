package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/lab/bench/stub"
)

// host is the command of the process that has the endpoint and the broker: beside the workers their garbage
// would be collected, and counted, with the workers' own.
type host struct {
	Rows    int           `default:"60000"`
	Cities  string        `default:"testdata/cities.jsonl.gz"`
	Latency time.Duration `help:"Before each answer of the endpoint."`

	core string // that it is held on; empty is any
}

// hosted is where they are; it is the host's first line.
type hosted struct{ Broker, Endpoint string }

// arrived answers each line that the host reads, which also forgets what had arrived. CPU is the host's own so far.
type arrived struct {
	Distinct, Writes int
	CPU              time.Duration
}

// Run serves until its input ends.
func (h *host) Run(_ context.Context, in io.Reader, out io.Writer) (err error) {
	rows, err := readCities(h.Cities, h.Rows)
	if err != nil {
		return err
	}
	b, err := broker.Start("") //nolint:contextcheck // to listen on loopback does not wait
	if err != nil {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	s, err := stub.Start(stub.Options{Rows: rows.stub(), Segments: segments, Shards: shards, Latency: h.Latency})
	if err != nil {
		return fmt.Errorf("start the stub endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(hosted{b.Address(), s.Endpoint()}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var a arrived
		a.Distinct, a.Writes = s.Arrived()
		a.CPU = processor()
		s.Reset()
		if err := encoder.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// hostProcess is the other end.
type hostProcess struct {
	hosted
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
}

func startHost(h host) (*hostProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := []string{self, "host", "--cities", h.Cities, "--rows", fmt.Sprint(h.Rows), "--latency", h.Latency.String()}
	if h.core != "" {
		command = append([]string{"taskset", "--cpu-list", h.core}, command...)
	}
	p := &hostProcess{command: exec.Command(command[0], command[1:]...)}
	p.command.Stderr = os.Stderr
	p.command.Env = append(os.Environ(), "GOGC=400") // it has few objects that live long, and time that the workers miss
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if err := p.out.Decode(&p.hosted); err != nil {
		return nil, errors.Join(fmt.Errorf("the host has not started: %w", err), p.close())
	}
	return p, nil
}

// arrived says what has come to the endpoint since it was last asked.
func (p *hostProcess) arrived() (a arrived, err error) {
	if _, err := p.in.Write([]byte("\n")); err != nil {
		return a, err
	}
	return a, p.out.Decode(&a)
}

func (p *hostProcess) close() error { return errors.Join(p.in.Close(), p.command.Wait()) }
