package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/services"
)

// rack is a world whose workers reach both services through proxies.
type rack struct {
	*world
	ledger  *ledger
	dice    *dice
	broker  *services.Broker
	sweeper *demo.Process

	kafkaProxy, databaseProxy *proxy
}

// build starts services of this test's own, and the proxies before them.
func (r *rack) build(t *testing.T) places {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	endpoint := services.DynamoDB(t)
	r.databaseProxy = startProxy(t, server, "database", strings.TrimPrefix(endpoint, "http://"))
	r.broker = services.NewBroker(t, func(address string) string {
		r.kafkaProxy = startProxy(t, server, "kafka", address)
		return r.kafkaProxy.Listen
	})
	return places{
		brokers: r.broker.Address, endpoint: endpoint,
		workerBrokers: r.kafkaProxy.Listen, workerEndpoint: "http://" + r.databaseProxy.Listen,
	}
}

// proxy is what the workers go through to a service.
type proxy struct{ *toxiproxy.Proxy }

func startProxy(t *testing.T, server *toxiproxy.ApiServer, name, upstream string) *proxy {
	t.Helper()
	p := &proxy{toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	require.NoError(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// cut breaks all connections, and takes no new ones for a while.
func (p *proxy) cut(r *rack, length time.Duration) bool {
	p.Stop()
	time.Sleep(length)
	require.NoError(r.t, p.Start())
	return true
}

// poison does something to all that passes, for a while.
func (p *proxy) poison(r *rack, length time.Duration, kind, stream, attributes string) bool {
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, kind, kind, stream, attributes)))
	require.NoError(r.t, err)
	time.Sleep(length)
	require.NoError(r.t, p.Toxics.RemoveToxic(context.Background(), kind))
	return true
}

// heal ends what poison and cut have begun.
func (p *proxy) heal(t *testing.T) {
	t.Helper()
	p.Toxics.ResetToxics(context.Background())
}

// fault is a kind of trouble. It reports whether it was really made.
type fault struct {
	name string
	make func(*rack) bool
}

var killSnapshot = fault{"SIGKILL of a snapshot worker", func(r *rack) bool { return r.kill("snapshot") }}

// faults are all kinds.
var faults = []fault{
	killSnapshot,
	{"SIGKILL of a streamer", func(r *rack) bool { return r.kill("streamer") }},
	{"SIGKILL of a sweep", func(r *rack) bool {
		if r.sweeper == nil {
			return false
		}
		if ended, _ := r.sweeper.Ended(); ended {
			return false
		}
		require.NoError(r.t, r.sweeper.Kill())
		r.sweeper = nil
		return true
	}},
	{"SIGSTOP, short", func(r *rack) bool { return r.freeze(500*time.Millisecond, 3*time.Second) }},
	{"SIGSTOP until others have taken over", func(r *rack) bool { return r.freeze(tortureGrace-time.Second, tortureGrace+4*time.Second) }},
	{"a streamer joins and leaves", (*rack).join},
	{"restart of the broker", func(r *rack) bool {
		require.NoError(r.t, r.broker.Restart())
		return true
	}},
	{"Kafka: connections cut", func(r *rack) bool { return r.kafkaProxy.cut(r, r.dice.between(time.Millisecond, 3*time.Second)) }},
	{"Kafka: slow", func(r *rack) bool {
		return r.kafkaProxy.poison(r, r.dice.between(time.Second, 4*time.Second), "latency", "downstream", `{"latency":300,"jitter":250}`)
	}},
	{"Kafka: connections reset", func(r *rack) bool {
		return r.kafkaProxy.poison(r, r.dice.between(time.Second, 3*time.Second), "reset_peer", "downstream", `{"timeout":200}`)
	}},
	{"Kafka: answers cut off", func(r *rack) bool {
		return r.kafkaProxy.poison(r, r.dice.between(time.Second, 3*time.Second), "limit_data", "downstream", `{"bytes":3000}`)
	}},
	{"DynamoDB: connections cut", func(r *rack) bool { return r.databaseProxy.cut(r, r.dice.between(time.Millisecond, 3*time.Second)) }},
	{"DynamoDB: slow", func(r *rack) bool {
		return r.databaseProxy.poison(r, r.dice.between(time.Second, 4*time.Second), "latency", "upstream", `{"latency":400,"jitter":350}`)
	}},
	{"DynamoDB: connections reset", func(r *rack) bool {
		return r.databaseProxy.poison(r, r.dice.between(time.Second, 3*time.Second), "reset_peer", "downstream", `{"timeout":50}`)
	}},
	{"DynamoDB: answers cut off", func(r *rack) bool {
		return r.databaseProxy.poison(r, r.dice.between(time.Second, 3*time.Second), "limit_data", "downstream", `{"bytes":500}`)
	}},
}

// dice choose the faults: all kinds in turn, over all forms, in an order of their own each time.
type dice struct {
	random *rand.Rand
	turn   []fault
}

func (d *dice) next() fault {
	if len(d.turn) == 0 {
		d.turn = slices.Clone(faults)
		d.random.Shuffle(len(d.turn), func(i, j int) { d.turn[i], d.turn[j] = d.turn[j], d.turn[i] })
	}
	f := d.turn[0]
	d.turn = d.turn[1:]
	return f
}

func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.random.Int64N(int64(most-least)))
}

// freeze stops a worker with SIGSTOP, and lets it go on after a while: a zombie, if that was long.
func (r *rack) freeze(least, most time.Duration) bool {
	p := r.running(r.dice.random.Perm(len(r.workers)), "")
	if p == nil {
		return false
	}
	require.NoError(r.t, p.Pause())
	time.Sleep(r.dice.between(least, most))
	require.NoError(r.t, p.Resume())
	return true
}

// join lets one more streamer work for a while.
func (r *rack) join() bool {
	p, err := demo.StartProcess("streamer that joins", []string{filepath.Join(bin, "streamer"), "-f", r.file}, nil)
	require.NoError(r.t, err)
	time.Sleep(r.dice.between(time.Second, 6*time.Second))
	if err := p.Stop(time.Minute); err != nil {
		r.ledger.excuse(r.t, err)
	}
	return true
}
