package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crossfadedb/crossfade/internal/apply"
)

// trouble is one kind of thing that goes wrong. It returns at once; what takes time it leaves to w.later.
type trouble struct {
	name string
	make func(w *world, r *rand.Rand)
}

// troubles are what a plan chooses from. It names them, so their order is a part of every seed. For those that are aimed
// it has a moment of their own.
var troubles, aimed []trouble

func init() { //nolint:gochecknoinits // it breaks the cycle between plans and worlds
	troubles = []trouble{
		{"kill a worker", killWorker},
		{"kill a worker", killWorker},
		{"kill a worker at a step", killAtStep},
		{"kill a worker at a step", killAtStep},
		{"kill a worker at a step", killAtStep},
		{"stop a worker", stopWorker},
		{killCopierName, killCopier},
		{"another worker joins", joinWorker},
		{"freeze a worker", freezeWorker},
		{"freeze a worker", freezeWorker},
		{"requests linger", linger},
		{"cut connections", cutConnections},
		{"leaders move", func(w *world, _ *rand.Rand) { w.cluster.ShufflePartitionLeaders() }},
		{"a partition moves", movePartition},
		{"coordinators move", func(w *world, _ *rand.Rand) { w.cluster.RehashCoordinators() }},
		{"a broker answers errors", brokerErrors},
		{"a broker answers errors", brokerErrors},
		{"the database is in a bad way", badDatabase},
		{"the database is in a bad way", badDatabase},
		{"a shard rolls over", rollShard},
		{"a shard rolls over", rollShard},
		{"compaction", func(w *world, _ *rand.Rand) { w.cluster.Compact() }},
		{"poison", func(w *world, r *rand.Rand) {
			if err := newApplication(w).poison(r); err != nil {
				w.fail("poison: %v", err)
			}
		}},
		{"audit", func(w *world, _ *rand.Rand) { w.witness.audit() }},
	}
	aimed = []trouble{{holdPagesName, holdPages}}
}

// cause makes a trouble happen.
func (w *world) cause(h happening) {
	r := rand.New(rand.NewPCG(w.plan.seed, h.dice))
	w.story.tell("trouble", "%s", h.what)
	for _, t := range slices.Concat(troubles, aimed) {
		if t.name == h.what {
			t.make(w, r)
			return
		}
	}
	panic("no trouble called " + h.what)
}

// later calls f after a while, or at the end of the phase if that comes first.
func (w *world) later(after time.Duration, f func()) {
	calm := w.calmed
	w.busy.Go(func() {
		select {
		case <-time.After(after):
		case <-calm:
		}
		f()
	})
}

// victim is a worker chosen by the dice; nil when there is none.
func (w *world) victim(r *rand.Rand) *process {
	all := w.workers()
	n := r.IntN(8)
	if len(all) == 0 {
		return nil
	}
	return all[n%len(all)]
}

// between is a duration from least to most.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

func killWorker(w *world, r *rand.Rand) {
	if p := w.victim(r); p != nil {
		w.story.tell(p.name, "is killed")
		p.kill()
	}
}

const holdPagesName = "pages do not arrive, and their worker is killed"

const killCopierName = "kill a snapshot worker"

func killCopier(w *world, _ *rand.Rand) {
	for _, p := range w.workers() {
		if p.role == copier {
			w.story.tell(p.name, "is killed")
			p.kill()
			return
		}
	}
}

// deadly are the steps at which a worker may be killed.
var deadly = []step{
	"put new", "insert new", "remove new", "scan old", "scan new", "GetRecords", "GetShardIterator", "DescribeStream",
	"produce snapshot", "produce live", "produce dlq", "produce facts segment", "produce facts segment done",
	"produce facts shard", "produce facts shard done", "produce facts shard child", "produce facts applied", "produce control closed", "produce control swept",
	"OffsetCommit", "OffsetFetch", "Fetch", "ListOffsets", "JoinGroup", "SyncGroup",
}

// killAtStep kills the worker that comes to a step for the n-th time from now, before or after it.
func killAtStep(w *world, r *rand.Rand) {
	s, m, n := deadly[r.IntN(len(deadly))], moment(r.IntN(2)), 1+r.IntN(4)
	w.story.tell("trouble", "the next worker but %d at %q", n-1, s)
	w.setInterrupt(func(_ *process, at step, when moment) bool {
		if at == s && when == m {
			n--
		}
		return at == s && when == m && n == 0
	})
}

func stopWorker(w *world, r *rand.Rand) {
	if p := w.victim(r); p != nil {
		w.story.tell(p.name, "is asked to end")
		p.stop()
	}
}

func joinWorker(w *world, r *rand.Rand) {
	what := streamer
	if r.IntN(3) == 0 {
		what = copier
	}
	s := w.supervise(what)
	w.later(between(r, time.Second, 20*time.Second), func() { w.vacate(s) })
}

// freezeWorker holds a worker's network. Short: nobody notices. Long: others take over, and the zombie comes back
// before the grace has passed, or after it.
func freezeWorker(w *world, r *rand.Rand) {
	p := w.victim(r)
	length := pick(r, between(r, 10*time.Millisecond, 3*time.Second), between(r, 6*time.Second, w.plan.grace), between(r, w.plan.grace, 2*w.plan.grace))
	if p == nil {
		return
	}
	w.story.tell(p.name, "is frozen for %s", length)
	p.network.hold()
	w.later(length, func() {
		w.story.tell(p.name, "goes on")
		p.network.release()
	})
}

// linger makes the requests of a worker to the database arrive late, perhaps after it gave up waiting, though never
// so late that the sweep's assumption is broken.
func linger(w *world, r *rand.Rand) {
	late, length := between(r, 10*time.Millisecond, w.plan.grace*6/10), between(r, time.Second, 10*time.Second)
	if p := w.victim(r); p != nil {
		w.story.tell(p.name, "its requests arrive %s late for %s", late, length)
		p.network.delay(late)
		w.later(length, func() { p.network.delay(0) })
	}
}

func cutConnections(w *world, r *rand.Rand) {
	if p := w.victim(r); p != nil {
		w.story.tell(p.name, "loses its connections")
		p.network.cut()
	}
}

func movePartition(w *world, r *rand.Rand) {
	topic := pick(r, w.topics.Snapshot, w.topics.Live, w.topics.Facts, w.topics.Control, w.topics.DLQ)
	partition, node := int32(0), int32(r.IntN(brokers))
	if topic == w.topics.Snapshot || topic == w.topics.Live {
		partition = int32(r.IntN(w.plan.parts))
	}
	_ = w.cluster.MoveTopicPartition(topic, partition, node) // before create there is none
}

// brokerErrors are answers of brokers, some of them given although the work was done.
func brokerErrors(w *world, r *rand.Rand) {
	type kind struct {
		key kmsg.Key
		err *kerr.Error
	}
	k := pick(
		r,
		kind{kmsg.Produce, kerr.RequestTimedOut}, kind{kmsg.Produce, kerr.NotEnoughReplicasAfterAppend},
		kind{kmsg.Produce, kerr.NotLeaderForPartition}, kind{kmsg.Produce, kerr.NotEnoughReplicas},
		kind{kmsg.OffsetCommit, kerr.RequestTimedOut}, kind{kmsg.OffsetCommit, kerr.NotCoordinator},
		kind{kmsg.OffsetCommit, kerr.CoordinatorLoadInProgress}, kind{kmsg.OffsetFetch, kerr.CoordinatorNotAvailable},
		kind{kmsg.Fetch, kerr.NotLeaderForPartition}, kind{kmsg.Fetch, kerr.UnknownServerError}, kind{kmsg.Fetch, kerr.OffsetOutOfRange},
		kind{kmsg.ListOffsets, kerr.LeaderNotAvailable}, kind{kmsg.JoinGroup, kerr.NotCoordinator}, kind{kmsg.SyncGroup, kerr.RebalanceInProgress},
		kind{kmsg.Heartbeat, kerr.RebalanceInProgress}, kind{kmsg.Heartbeat, kerr.UnknownMemberID},
		kind{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable},
	)
	n := 1 + r.IntN(6)
	w.story.tell("broker", "answers %d times %s to %s", n, k.err.Message, k.key.Name())
	handle := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{k.key}, Err: k.err, Count: n})
	w.later(between(r, time.Second, 10*time.Second), handle.Remove)
}

// badDatabase makes one kind of fault frequent for a while.
func badDatabase(w *world, r *rand.Rand) {
	percent, slowness := 5+r.IntN(60), between(r, 10*time.Millisecond, w.plan.grace/3)
	kinds := []struct {
		name string
		set  func(c *climate, percent int)
	}{
		{"throttles the table", func(c *climate, n int) { c.table = n }},
		{"throttles ranges of keys", func(c *climate, n int) { c.keys = n }},
		{"throttles statements", func(c *climate, n int) { c.parts = n }},
		{"fails", func(c *climate, n int) { c.refused = n }},
		{"fails after doing it", func(c *climate, n int) { c.answeredError = n }},
		{"loses answers", func(c *climate, n int) { c.lost = n }},
		{"is slow", func(c *climate, n int) { c.slow, c.slowness = n, slowness*time.Duration(min(n, 1)) }},
		{"forgets iterators", func(c *climate, n int) { c.expired = n }},
		{"answers empty pages", func(c *climate, n int) { c.empty = n }},
		{"cuts connections, and brokers do", func(c *climate, n int) { c.cut = n / 8 }},
	}
	k := kinds[r.IntN(len(kinds))]
	w.story.tell("database", "%s: %d%%", k.name, percent)
	w.weather.change(func(c *climate) { k.set(c, percent) })
	w.later(between(r, time.Second, 10*time.Second), func() { w.weather.change(func(c *climate) { k.set(c, 0) }) })
}

// rollShard ends a shard of the old table's stream; one or two go on.
func rollShard(w *world, r *rand.Rand) {
	if w.plan.from != apply.FromStream {
		return
	}
	open, err := w.database.OpenShards(oldTable)
	if err != nil || len(open) > 12 {
		return // enough of them
	}
	id := open[r.IntN(len(open))]
	if r.IntN(2) == 0 {
		err = w.database.CloseShard(oldTable, id)
	} else {
		err = w.database.SplitShard(oldTable, id)
	}
	if err != nil {
		w.fail("roll shard %s: %v", id, err)
	}
}
