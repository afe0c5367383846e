// Package broker is Kafka in this process, for a migration with no Kafka to set up: franz-go's kfake on loopback,
// with its data in a directory, every write synced. What has been acknowledged survives a kill of the process.
//
// A directory belongs to one process at a time, by a lock that ends with the process. Other processes find the
// running broker by the address that it leaves in the directory.
package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	addressFile = "broker.addr"
	lockFile    = "broker.lock"
	dataDir     = "kafka"
	// addressWait is how long to wait for the address of a broker that holds the lock and is still starting.
	addressWait = 10 * time.Second
)

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	groups  *Groups
	lock    *os.File
}

// Start starts a broker. With a directory its data lives there, and it listens on the same port as the last
// time if that is free; without one all is in memory.
func Start(dir string) (*Broker, error) {
	options := []kfake.Opt{
		kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
	}
	if dir == "" {
		return run(options, nil)
	}
	if err := os.MkdirAll(filepath.Join(dir, dataDir), 0o755); err != nil {
		return nil, err
	}
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	options = append(options, kfake.DataDir(filepath.Join(dir, dataDir)), kfake.SyncWrites())
	if port, ok := lastPort(dir); ok {
		options = append(options, kfake.Ports(port))
	}
	b, err := run(options, lock)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start broker in %s: %w", dir, err), lock.Close())
	}
	if err := os.WriteFile(filepath.Join(dir, addressFile), []byte(b.Address()+"\n"), 0o644); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func run(options []kfake.Opt, lock *os.File) (*Broker, error) {
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, err
	}
	return &Broker{cluster: cluster, groups: WatchGroups(cluster, (&net.Dialer{}).DialContext, nil), lock: lock}, nil
}

// Address is where the broker listens, host:port.
func (b *Broker) Address() string { return b.cluster.ListenAddrs()[0] }

// Close stops the broker and gives its directory free.
func (b *Broker) Close() error {
	b.groups.Close()
	b.cluster.Close()
	if b.lock == nil {
		return nil
	}
	return b.lock.Close()
}

// errInUse says that another process has the directory.
var errInUse = errors.New("the directory is in use by another process")

// acquire locks the directory for this process. The lock ends with the process, however that ends.
func acquire(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lastPort is the port of the last time, if nobody else has it now.
func lastPort(dir string) (int, bool) {
	address, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return 0, false
	}
	_, text, err := net.SplitHostPort(strings.TrimSpace(string(address)))
	if err != nil {
		return 0, false
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, false
	}
	probe, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", text)) //nolint:noctx // on loopback it does not wait
	if err != nil {
		return 0, false
	}
	return port, probe.Close() == nil
}

// Connect returns the address of the broker of dir: the one that runs, or else one that it starts and that stop
// ends.
func Connect(dir string) (address string, stop func() error, err error) {
	for deadline := time.Now().Add(addressWait); ; {
		b, err := Start(dir)
		if err == nil {
			return b.Address(), b.Close, nil
		}
		if !errors.Is(err, errInUse) {
			return "", nil, err
		}
		if address, ok := running(dir); ok {
			return address, func() error { return nil }, nil
		}
		if time.Now().After(deadline) {
			return "", nil, fmt.Errorf("%s: %w, and its broker does not answer", dir, errInUse)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// running is the address of a broker that answers.
func running(dir string) (string, bool) {
	text, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return "", false
	}
	address := strings.TrimSpace(string(text))
	conn, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // a second at the most
	if err != nil {
		return "", false
	}
	return address, conn.Close() == nil
}
