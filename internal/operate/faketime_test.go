package operate

import (
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// inBubble runs a test in fake time: its broker and its database are reached through memory, so time passes only while everybody
// waits. A test waits for whole graces and costs what it computes, and no machine is too busy for a deadline.
//
// Its world's network goes into the options of every command. A test with the machine's own network and time is one of newWorld.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	file := filepath.Join(t.TempDir(), "migration.yaml")
	synctest.Test(t, func(t *testing.T) {
		// Without this a worker that never ends would hang the test: fake time passes as long as anybody waits for anything.
		eternity := time.AfterFunc(2*time.Hour, func() { panic(t.Name() + " does not end") })
		t.Cleanup(func() { eternity.Stop() })
		w := unconnected(t, file)
		w.wires, w.endpoint = &kfake.VirtualNetwork{}, "http://database"
		w.network = &assembly.Network{Dial: w.wires.DialContext, Transport: w.server.Transport()}
		w.newCluster(9092)
		w.old, w.new = w.table("old", schema), w.table("new", schema)
		test(t, w)
	})
}

// newCluster gives the world of a bubble a broker whose answers a test can change, on a port that none had before.
func (w *world) newCluster(port int) *kfake.Cluster {
	w.t.Helper()
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(port), kfake.ListenFn(w.wires.Listen), kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
	)
	require.NoError(w.t, err)
	groups := broker.WatchGroups(cluster, w.wires.DialContext, nil)
	w.t.Cleanup(func() {
		time.Sleep(time.Second) // what goes to a broker arrives too, though nobody waits for it
		groups.Close()
		cluster.Close()
	})
	w.brokers = cluster.ListenAddrs()[0]
	return cluster
}

// transport is the world's way to its database.
func (w *world) transport() http.RoundTripper {
	if w.network == nil {
		return nil // the machine's own
	}
	return w.network.Transport
}

// readStatus is ReadStatus on the world's network.
func (w *world) readStatus(c *migration.Config) (*Status, error) {
	p, err := assembly.OpenOn(w.t.Context(), w.network, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	s, err := NewOnlooker(p).Status(w.t.Context())
	return s, errors.Join(err, p.Close())
}
