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
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

// rack is a world whose workers reach both services through proxies.
type rack struct {
	*world
	ledger  *ledger
	dice    *dice
	server  *toxiproxy.ApiServer
	broker  *services.Broker
	sweeper *demo.Process
	spells  []*spell         // those that last
	leaving []chan departure // of streamers that had joined

	kafkaProxy, databaseProxy *proxy
}

// build starts a broker of this test's own, and the proxy before it.
func (r *rack) build(t *testing.T) {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxies' own words
	r.server = toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	r.broker = services.NewBroker(t, func(address string) string {
		r.kafkaProxy = startProxy(t, r.server, "kafka", address)
		return r.kafkaProxy.Listen
	})
}

// next is the rack of the next form, on the same broker and with the same dice.
func (r *rack) next(l *ledger) *rack {
	return &rack{ledger: l, dice: r.dice, server: r.server, broker: r.broker, kafkaProxy: r.kafkaProxy}
}

// places starts a database of this form's own, and the proxy before it.
func (r *rack) places(t *testing.T) places {
	t.Helper()
	endpoint := services.DynamoDB(t)
	r.databaseProxy = startProxy(t, r.server, "database", strings.TrimPrefix(endpoint, "http://"))
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

// cut breaks all connections, and takes no new ones.
func (p *proxy) cut(t *testing.T) (end func()) {
	p.Stop()
	return func() { require.NoError(t, p.Start()) }
}

// poison does something to all answers.
func (p *proxy) poison(t *testing.T, kind, attributes string) (end func()) {
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"type":%q,"stream":"downstream","attributes":%s}`, kind, kind, attributes)))
	require.NoError(t, err)
	return func() { require.NoError(t, p.Toxics.RemoveToxic(context.Background(), kind)) }
}

// spell is a fault that lasts. While it does, others come, but none at the same place.
type spell struct {
	place string
	until time.Time
	end   func()
}

// fault is a kind of trouble.
type fault struct {
	name  string
	place string // where it lasts, empty if it is over at once
	begin func(*rack) (s *spell, made bool)
}

// momentary is a fault that is over at once, if it can be made at all.
func momentary(name string, make func(*rack) bool) fault {
	return fault{name, "", func(r *rack) (*spell, bool) { return nil, make(r) }}
}

// lasting is a fault that lasts for least to most.
func lasting(name, place string, least, most time.Duration, begin func(*rack) (end func())) fault {
	return fault{name, place, func(r *rack) (*spell, bool) {
		end := begin(r)
		if end == nil {
			return nil, false
		}
		return &spell{place, time.Now().Add(r.dice.between(least, most)), end}, true
	}}
}

// kafkaToxic and databaseToxic do something to all that passes.
func kafkaToxic(name, kind, attributes string) fault {
	return lasting("Kafka: "+name, onKafka, time.Second, 4*time.Second, func(r *rack) func() {
		return r.kafkaProxy.poison(r.t, kind, attributes)
	})
}

func databaseToxic(name, kind, attributes string) fault {
	return lasting("DynamoDB: "+name, onDatabase, time.Second, 4*time.Second, func(r *rack) func() {
		return r.databaseProxy.poison(r.t, kind, attributes)
	})
}

// The places beside the proxies. One worker is frozen at a time, and one more comes at a time.
const (
	onKafka    = "kafka"
	onDatabase = "database"
	onAWorker  = "a worker"
	beside     = "beside the workers"
)

var killSnapshot = momentary("SIGKILL of a snapshot worker", func(r *rack) bool { return r.kill("snapshot", r.order()) })

// faults are all kinds.
var faults = []fault{
	killSnapshot,
	momentary("SIGKILL of a streamer", func(r *rack) bool { return r.kill("streamer", r.order()) }),
	momentary("SIGKILL of a sweep", (*rack).killSweep),
	momentary("restart of the broker", func(r *rack) bool {
		require.NoError(r.t, r.broker.Restart())
		return true
	}),
	lasting("SIGSTOP, short", onAWorker, 500*time.Millisecond, 3*time.Second, (*rack).freeze),
	lasting("SIGSTOP until others have taken over", onAWorker, tortureGrace-time.Second, tortureGrace+4*time.Second, (*rack).freeze),
	lasting("a streamer joins and leaves", beside, time.Second, 6*time.Second, (*rack).join),
	lasting("Kafka: connections cut", onKafka, time.Millisecond, 3*time.Second, func(r *rack) func() { return r.kafkaProxy.cut(r.t) }),
	kafkaToxic("connections reset", "reset_peer", `{"timeout":200}`),
	kafkaToxic("answers cut off", "limit_data", `{"bytes":3000}`),
	kafkaToxic("no answers", "timeout", `{"timeout":0}`),
	kafkaToxic("slow", "latency", `{"latency":300,"jitter":250}`),
	kafkaToxic("narrow", "bandwidth", `{"rate":20}`),
	lasting("DynamoDB: connections cut", onDatabase, time.Millisecond, 3*time.Second, func(r *rack) func() { return r.databaseProxy.cut(r.t) }),
	databaseToxic("connections reset", "reset_peer", `{"timeout":50}`),
	databaseToxic("answers cut off", "limit_data", `{"bytes":500}`),
	databaseToxic("no answers", "timeout", `{"timeout":0}`),
	databaseToxic("slow", "latency", `{"latency":400,"jitter":350}`),
}

// dice choose the faults: all kinds in turn, over all forms, in an order of their own each time.
type dice struct {
	random *rand.Rand
	turn   []fault
	turns  int // begun
}

// turnOver reports whether all kinds have had their turn.
func (d *dice) turnOver() bool { return d.turns > 0 && len(d.turn) == 0 }

// next is the first whose turn it is and whose place is free; false if there is none.
func (d *dice) next(taken func(place string) bool) (f fault, found bool) {
	if len(d.turn) == 0 {
		d.turn = slices.Clone(faults)
		d.turns++
		d.random.Shuffle(len(d.turn), func(i, j int) { d.turn[i], d.turn[j] = d.turn[j], d.turn[i] })
	}
	i := slices.IndexFunc(d.turn, func(f fault) bool { return !taken(f.place) })
	if i < 0 {
		return fault{}, false
	}
	f = d.turn[i]
	d.turn = slices.Delete(d.turn, i, i+1)
	return f, true
}

func (d *dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.random.Int64N(int64(most-least)))
}

// order is one of the workers, as the dice have it.
func (r *rack) order() []int { return r.dice.random.Perm(len(r.workers)) }

// killSweep ends the sweep that runs.
func (r *rack) killSweep() bool {
	if r.sweeper == nil {
		return false
	}
	if ended, _ := r.sweeper.Ended(); ended {
		return false
	}
	require.NoError(r.t, r.sweeper.Kill())
	r.sweeper = nil
	return true
}

// freeze stops a worker with SIGSTOP until the end: a zombie, if that was long.
func (r *rack) freeze() (end func()) {
	p := r.running(r.order(), "")
	if p == nil {
		return nil
	}
	frozen := p.Process // killed meanwhile, the worker has another
	require.NoError(r.t, frozen.Pause())
	return func() { require.NoError(r.t, frozen.Resume()) }
}

// join lets one more streamer work. It leaves while other faults go on.
func (r *rack) join() (end func()) {
	p, err := demo.StartProcess("streamer that joins", []string{filepath.Join(bin, "streamer"), "-f", r.file}, nil)
	require.NoError(r.t, err)
	return func() {
		left := make(chan departure, 1)
		r.leaving = append(r.leaving, left)
		go func() {
			err := p.Stop(hung)
			left <- departure{err, p.Log()}
		}()
	}
}

// departure is how a streamer that was asked to end has ended, and what it has said.
type departure struct {
	err error
	log string
}
