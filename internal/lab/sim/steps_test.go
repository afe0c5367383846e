package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

// durable is one step of one role after which something is durable that was not before, and what an interruption
// there may cost: so many records are published, or applied, once more. That nothing is lost is required of all.
type durable struct {
	role role
	step step
	nth  int // the occurrence that is interrupted; 1 is the first

	// What may be repeated when the worker dies before the step, and when it dies after it without knowing.
	before, after repeats
}

// repeats are upper bounds of repeated work, in records.
type repeats struct{ snapshot, live, dlq, applied int }

// The bounds: a snapshot worker has so many pages in flight, of rows in this table; a capture repeats what it has
// published since its last fact, an applier what it has done since its last commit, one second ago.
var (
	nothing   = repeats{}
	pages     = repeats{snapshot: tableRows}
	published = repeats{live: 15}
	letter    = repeats{dlq: 1, applied: 40}
	applied   = repeats{applied: 40, dlq: 1}
)

const (
	changedRows = 12
	quietRows   = 4 // light ones that nobody changes, in no stream: each time that everything is applied there is something to insert
	heavyRows   = 8
	tableRows   = changedRows + quietRows + heavyRows
)

// durables are all durable steps, in the order in which a migration comes to them.
var durables = []durable{
	{creator, "CreateTopics", 2, nothing, nothing}, // the first only asks
	{creator, "produce facts shard", 1, nothing, nothing},
	{creator, "produce control created", 1, nothing, nothing},
	{copier, "produce snapshot", 1, pages, pages},
	{copier, "produce snapshot", 3, pages, pages},
	{copier, "produce facts segment", 1, pages, pages},
	{copier, "produce facts segment done", 1, pages, pages},
	{copier, "produce facts segment done", 2, pages, pages},
	{copier, "produce control closed", 1, nothing, nothing},
	{capturer, "produce live", 1, published, published},
	{capturer, "produce live", 4, published, published},
	{capturer, "produce facts shard", 1, published, published},
	{capturer, "produce facts shard", 3, published, published},
	{capturer, "produce facts shard done", 1, published, published},
	{capturer, "produce facts shard done", 2, published, published},
	{capturer, "produce facts shard child", 1, published, published},
	{applier, "insert new", 1, applied, applied},
	{applier, "insert new", 2, applied, applied},
	{applier, "put new", 1, applied, applied},
	{applier, "put new", 5, applied, applied},
	{applier, "produce dlq", 1, letter, letter},
	{applier, "OffsetCommit", 1, applied, applied},
	{applier, "OffsetCommit", 2, applied, applied},
	{applier, "produce facts applied", 1, applied, applied},
	{applier, "produce facts applied", 2, applied, applied},
	{sweeper, "remove new", 1, nothing, nothing},
	{sweeper, "remove new", 3, nothing, nothing},
	{sweeper, "produce control swept", 1, nothing, nothing},
}

func (d durable) name(m moment) string {
	return fmt.Sprintf("%s/%s/%d/%s", d.role, strings.ReplaceAll(string(d.step), " ", "-"), d.nth, map[moment]string{before: "not-persisted", after: "persisted"}[m])
}

// TestEveryStepInterrupted kills the worker at one step of the table at a time.
func TestEveryStepInterrupted(t *testing.T) {
	for _, d := range durables {
		for _, m := range []moment{before, after} {
			t.Run(d.name(m), func(t *testing.T) {
				t.Parallel()
				allowed := map[moment]repeats{before: d.before, after: d.after}[m]
				migrate(t, []*interruption{{durable: d, at: m}}, allowed)
			})
		}
	}
}

// TestAllStepsInterrupted does it to one migration, one step after the other.
func TestAllStepsInterrupted(t *testing.T) {
	var all []*interruption
	allowed := repeats{}
	for _, d := range durables {
		for m, r := range map[moment]repeats{before: d.before, after: d.after} {
			d.nth = 1 // they follow each other
			all = append(all, &interruption{durable: d, at: m})
			allowed = repeats{allowed.snapshot + r.snapshot, allowed.live + r.live, allowed.dlq + r.dlq, allowed.applied + r.applied}
		}
	}
	allowed.live *= 2 // a capture that is killed again and again finds longer pages
	migrate(t, all, allowed)
}

// interruption is a step at which a worker will be killed once.
type interruption struct {
	durable
	at   moment
	seen int
	done bool
}

// stepPlan is the migration of the table: rows in several pages, deletes, a shard that splits, a poisoned record.
func stepPlan() plan {
	return plan{
		seed: 4711, from: apply.FromStream, schema: events.KeySchema{{Name: "pk", Type: "S"}}, keys: changedRows, rows: changedRows + quietRows,
		heavy: heavyRows, late: true, shards: 2, segments: 2, parts: 2, grace: 8 * time.Second, pause: 200 * time.Millisecond,
	}
}

// migrate does a whole migration with these interruptions, and requires that each of them happened, that the end is
// as it must be, and that no more work was repeated than is allowed.
func migrate(t *testing.T, interruptions []*interruption, allowed repeats) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, stepPlan())
		writes, counts := 0, map[string]int{}
		w.setInterrupt(func(p *process, s step, m moment) bool {
			counts[fmt.Sprint(p.role, ": ", s)]++
			if m == after && (s == "put new" || s == "insert new") {
				writes++
			}
			return strike(interruptions, p, s, m)
		})
		w.migrate(func() bool { return slices.ContainsFunc(interruptions, func(i *interruption) bool { return !i.done }) })
		for _, i := range interruptions {
			if !i.done {
				w.fail("nobody came to step %s; the steps were %v", i.name(i.at), counts)
			}
		}
		w.requireRepeats(allowed, writes)
		w.close()
		require.Empty(t, w.failures, w.story.String())
	})
}

// strike finds the interruption that is due at this step. It is called under the world's lock.
func strike(interruptions []*interruption, p *process, s step, m moment) bool {
	if p.killed() {
		return false
	}
	for _, i := range interruptions {
		if i.done || i.role != p.role || i.step != s || i.at != m {
			continue
		}
		if i.seen++; i.seen >= i.nth {
			i.done = true
			return true
		}
	}
	return false
}

// migrate is a migration from create to the end of a sweep; then it goes on, for a few rounds, while more is true, and
// applies everything again at the start of each.
func (w *world) migrate(more func() bool) {
	app := newApplication(w)
	w.create()
	w.supervise(copier)
	w.supervise(capturer)
	w.supervise(applier)
	for round := 0; round == 0 || round < 4 && more() && !w.failed(); round++ {
		if round > 0 {
			w.replay()
		}
		app.run(3 * time.Second)
		if err := w.database.SplitAll(oldTable); err != nil {
			w.fail("split: %v", err)
		}
		if err := app.poison(random(w.plan.seed, "poison")); err != nil {
			w.fail("poison: %v", err)
		}
		app.run(6 * time.Second)
		app.purge()
		w.rest()
		if !w.failed() {
			w.sweep()
			w.rest()
			w.verify(true)
		}
	}
	w.leave()
}

// requireRepeats holds what was published and written more than once against what an interruption may cost.
func (w *world) requireRepeats(allowed repeats, writes int) {
	got := map[string]int{}
	distinct, seen := 0, map[string]bool{}
	for id, records := range w.witness.records {
		for _, r := range records {
			version, _ := r.Header(events.HeaderVersion)
			origin, _ := r.Header("dlq-offset")
			name := id.Topic + string(r.Key) + version + origin
			if seen[name] {
				got[id.Topic]++
			}
			seen[name] = true
			distinct++
		}
	}
	most := map[string]int{w.topics.Snapshot: allowed.snapshot, w.topics.Live: allowed.live, w.topics.DLQ: allowed.dlq}
	for topic, n := range got {
		if n > most[topic] {
			w.fail("%d records were published twice to %s, and an interruption may cost %d", n, topic, most[topic])
		}
	}
	if writes > distinct+allowed.applied {
		w.fail("%d writes for %d records, and an interruption may cost %d", writes, distinct, allowed.applied)
	}
}
