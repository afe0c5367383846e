// Package services starts real services for tests: Apache Kafka and DynamoDB Local, from the jars that
// `make services-fetch` brings. A service ends with the test, or the test process, that started it.
//
// The tests that need one skip themselves unless CROSSFADE_SERVICES is 1; then a service that cannot start fails them.
package services

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	attempts  = 3                // a port that was free may be taken before the service has it
	readyWait = 10 * time.Minute // for a process that lives and will never answer: a busy machine starts a service slowly
)

// jvm are flags for every JVM here. They live for a minute or two: the second compiler and the concurrent collector cost them
// more than they bring, about half of the processor time. A benchmark wants a server that is fast in the end.
func jvm(args ...string) []string {
	if os.Getenv("CROSSFADE_BENCH") == "1" {
		return args
	}
	return append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}, args...)
}

// jars is the folder of a service's jars, found from the module's root.
func jars(t testing.TB, name string) string {
	t.Helper()
	if os.Getenv("CROSSFADE_SERVICES") != "1" {
		t.Skip("set CROSSFADE_SERVICES=1 to run this on real services")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("services: no go.mod above the test")
		}
	}
	lib := filepath.Join(dir, ".services", name)
	if found, err := filepath.Glob(filepath.Join(lib, "*.jar")); err != nil || len(found) == 0 {
		t.Fatalf("services: no jars in %s; run: make services-fetch", lib)
	}
	return lib
}

// process is a JVM. It dies with this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func start(log *os.File, args ...string) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel sends the death signal when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.cmd = exec.Command("java", jvm(args...)...)
		p.cmd.Stdout, p.cmd.Stderr = log, log
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // it is killed in the end, always
		}
	}()
	return p, <-started
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // ended already is as good
	<-p.done
}

// freePort is a port that nobody has at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// wait asks until the service answers, or its process has ended.
func wait(p *process, ask func(context.Context) error) error {
	deadline := time.Now().Add(readyWait)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := ask(ctx)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errors.New("the service has ended")
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the service does not answer: %w", err)
		}
	}
}

// DynamoDB starts a DynamoDB Local of this test's own, and returns its endpoint. It is fresh: a server that has seen
// streamed tables is slow with the next ones.
func DynamoDB(t testing.TB) string {
	t.Helper()
	p, endpoint, err := startDynamoDB(jars(t, "dynamodb"), t.TempDir())
	if err != nil {
		t.Fatalf("services: start DynamoDB Local: %v", err)
	}
	t.Cleanup(p.kill)
	return endpoint
}

// SharedDynamoDB returns the endpoint of the DynamoDB Local that this test process shares, and starts it for the first
// test. It is for the tests that make their own tables and delete them.
func SharedDynamoDB(t testing.TB) string {
	t.Helper()
	lib := jars(t, "dynamodb")
	database.Do(func() {
		if database.dir, database.err = os.MkdirTemp("", "crossfade-dynamodb"); database.err == nil { //nolint:usetesting // it outlives this test
			database.process, database.address, database.err = startDynamoDB(lib, database.dir)
		}
	})
	if database.err != nil {
		t.Fatalf("services: start DynamoDB Local: %v", database.err)
	}
	return database.address
}

func startDynamoDB(lib, dir string) (*process, string, error) {
	var last error
	for range attempts {
		port, err := freePort()
		if err != nil {
			return nil, "", err
		}
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("dynamodb-%d.log", port)))
		if err != nil {
			return nil, "", err
		}
		p, err := start(log, "-Xmx1g", "-Djava.library.path="+lib, "-cp", filepath.Join(lib, "*"),
			"software.amazon.dynamodb.services.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry", "-port", fmt.Sprint(port))
		if err != nil {
			return nil, "", err
		}
		endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
		if last = wait(p, func(ctx context.Context) error { return listTables(ctx, endpoint) }); last == nil {
			return p, endpoint, nil
		}
		p.kill()
	}
	return nil, "", last
}

// listTables asks for something: the port alone does not say that it is DynamoDB who listens.
func listTables(ctx context.Context, endpoint string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	request.Close = true // no connection stays behind for a leak detector to find
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing is read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// shared is a service that the tests of this process share.
type shared struct {
	sync.Once
	process *process
	dir     string // in the system's folder for temporary files
	address string
	err     error
}

var broker, database shared

func (s *shared) end() {
	if s.process != nil {
		s.process.kill()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Main runs the tests of a package and ends the services that they have shared. For TestMain.
func Main(m *testing.M) int {
	defer broker.end()
	defer database.end()
	return m.Run()
}

// Kafka returns the address of the Apache Kafka that this test process shares, and starts it for the first one.
func Kafka(t testing.TB) string {
	t.Helper()
	lib := jars(t, "kafka")
	broker.Do(func() {
		var b *Broker
		for range attempts {
			if broker.dir, broker.err = os.MkdirTemp("", "crossfade-kafka"); broker.err != nil { //nolint:usetesting // it outlives this test
				return
			}
			if b, broker.err = startKafka(lib, broker.dir, sameAddress); broker.err == nil {
				broker.process, broker.address = b.process, b.Address
				return
			}
		}
	})
	if broker.err != nil {
		t.Fatalf("services: start Kafka: %v", broker.err)
	}
	return broker.address
}

// Broker is an Apache Kafka of one test's own. Clients that come to it by way of a proxy are told to go on that way.
type Broker struct {
	Address string // without the proxy

	classes, dir string
	process      *process
}

// NewBroker starts one. proxied is given the address of its second listener, before anything listens there, and
// returns the address that those who come that way are told.
func NewBroker(t testing.TB, proxied func(address string) string) *Broker {
	t.Helper()
	lib := jars(t, "kafka")
	var b *Broker
	var err error
	for range attempts {
		if b, err = startKafka(lib, t.TempDir(), proxied); err == nil {
			t.Cleanup(func() { b.process.kill() })
			return b
		}
	}
	t.Fatalf("services: start Kafka: %v", err)
	return nil
}

// Restart ends the broker as a crash does, and starts it again in its place.
func (b *Broker) Restart() error {
	b.process.kill()
	return b.start()
}

func sameAddress(address string) string { return address }

func startKafka(lib, dir string, proxied func(address string) string) (*Broker, error) {
	port, err1 := freePort()
	second, err2 := freePort()
	controller, err3 := freePort()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	advertised := proxied(fmt.Sprintf("127.0.0.1:%d", second))
	properties := filepath.Join(dir, "server.properties")
	text := fmt.Appendf(nil, kafkaProperties, controller, port, second, controller, port, advertised, filepath.Join(dir, "data"))
	if err := os.WriteFile(properties, text, 0o644); err != nil {
		return nil, err
	}
	classes := filepath.Join(lib, "*")
	format := exec.Command("java", jvm("-cp", classes, "kafka.tools.StorageTool", "format", "--standalone", "-t", clusterID(), "-c", properties)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format: %w: %s", err, out)
	}
	b := &Broker{Address: fmt.Sprintf("127.0.0.1:%d", port), classes: classes, dir: dir}
	return b, b.start()
}

// clusterID is one as Kafka makes them: 16 bytes, of which the text does not begin like a flag.
func clusterID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(id)
}

// start starts the broker on its data, and waits until it answers.
func (b *Broker) start() error {
	log, err := os.OpenFile(filepath.Join(b.dir, "kafka.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	p, err := start(log, "-Xmx1g", "-cp", b.classes, "kafka.Kafka", filepath.Join(b.dir, "server.properties"))
	if err != nil {
		return err
	}
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafkago.Client{Addr: kafkago.TCP(b.Address), Transport: transport}
	err = wait(p, func(ctx context.Context) error {
		answer, err := client.Metadata(ctx, &kafkago.MetadataRequest{})
		if err == nil && len(answer.Brokers) == 0 {
			err = errors.New("no brokers yet")
		}
		return err
	})
	if err != nil {
		p.kill()
		return err
	}
	b.process = p
	return nil
}

const kafkaProperties = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:%d
listeners=PLAINTEXT://127.0.0.1:%d,PROXIED://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d
advertised.listeners=PLAINTEXT://127.0.0.1:%d,PROXIED://%s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=%s
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`
