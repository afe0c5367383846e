package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

// plan is all that a seed decides before anything runs. What is decided while it runs (which call meets a fault, what
// the application does next) comes from generators of the same seed.
type plan struct {
	seed     uint64
	from     apply.LiveFrom
	header   bool // form app: the application sends positions
	schema   events.KeySchema
	keys     int
	rows     int  // in the old table before anything starts
	owned    int  // items that the application wrote to the new table itself, before
	big      bool // a row that fits the old table only
	heavy    int  // rows so large that four of them are more than a page
	late     bool // the stream is enabled once the rows are there: it does not have them, and only the snapshot brings them
	shards   int  // of the old table's stream
	segments int
	parts    int // partitions of the data topics
	grace    time.Duration
	pause    time.Duration // between two changes of the application, at the most
	copiers  int
	writers  int // streamers
	phases   []phase
}

// phase is a time with the application and the weather, and a quiet point at its end.
type phase struct {
	length time.Duration
	slow   bool // the application makes a change now and then only
	sweep  bool // a sweep is under way meanwhile, and has come to its end at the quiet point
	replay bool // everything is applied again before it begins
	gap    bool // nobody captures for a while before it begins, and the stream forgets what happened then
	events []happening
}

// happening is one thing that goes wrong, or changes, at a moment of a phase.
type happening struct {
	at   time.Duration
	what string
	dice uint64 // for all that it needs to choose
}

// random is the generator of a seed for one purpose; what one of them is asked changes no other.
func random(seed uint64, purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, hash(seed, purpose)))
}

// planOf makes the plan of a seed.
func planOf(seed uint64) plan {
	r := random(seed, "plan")
	p := plan{
		seed: seed, from: pick(r, apply.FromStream, apply.FromStream, apply.FromStream, apply.FromApp, apply.FromNone),
		header: r.IntN(2) == 0,
		schema: events.KeySchema{{Name: "pk", Type: "S"}},
		keys:   4 + r.IntN(28), owned: r.IntN(2) * r.IntN(4), big: r.IntN(16) == 0,
		shards: 1 + r.IntN(3), segments: 1 + r.IntN(4), parts: 1 + r.IntN(3),
		grace: pick(r, 8*time.Second, 12*time.Second, 30*time.Second),
		pause: pick(r, 20*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond),
		// Mostly two of each: a worker and its rival.
		copiers: 1 + r.IntN(2), writers: 1 + r.IntN(2),
	}
	if r.IntN(2) == 0 {
		p.schema = append(p.schema, events.KeyAttribute{Name: "sk", Type: "N"})
	}
	p.rows = r.IntN(p.keys + 1)
	if p.from == apply.FromNone {
		p.owned = 0 // what the application writes to the new table is the very point of that form
	}
	p.phases = append(p.phases, phase{length: time.Duration(5+r.IntN(25)) * time.Second})
	if r.IntN(2) == 0 {
		p.phases = append(p.phases, phase{length: time.Duration(5+r.IntN(20)) * time.Second, sweep: true})
	}
	if r.IntN(4) == 0 {
		p.phases = append(p.phases, phase{length: time.Duration(1+r.IntN(10)) * time.Second, replay: true, sweep: r.IntN(2) == 0})
	}
	if p.from == apply.FromStream && r.IntN(4) == 0 {
		p.phases = append(p.phases, phase{length: time.Duration(5+r.IntN(20)) * time.Second, gap: true, sweep: r.IntN(3) == 0})
	}
	for i := range p.phases {
		ph := &p.phases[i]
		n := 1 + r.IntN(8)
		if ph.sweep && r.IntN(2) == 0 {
			// Long enough for the sweep to remove markers while things go wrong.
			ph.slow, ph.length, n = true, 2*p.grace+time.Duration(r.Int64N(int64(p.grace))), 2*n
		}
		ph.events = happenings(r, ph.length, n)
	}
	if r.IntN(2) == 0 {
		// Snapshot workers live so shortly that hardly anything else meets them.
		early := happening{at: time.Duration(r.Int64N(int64(time.Second))), what: killCopierName, dice: r.Uint64()}
		p.phases[0].events = slices.Insert(p.phases[0].events, 0, early)
	}
	p.late = random(seed, "late").IntN(2) == 0
	p.aim(random(seed, "pages"))
	return p
}

// aim lets pages of the snapshot not arrive, at the start of the first phase or of one that begins a generation.
func (p *plan) aim(r *rand.Rand) {
	for i := range p.phases {
		ph := &p.phases[i]
		if r.IntN(3) == 0 && (i == 0 || ph.gap) {
			ph.events = slices.Insert(ph.events, 0, happening{what: holdPagesName, dice: r.Uint64()})
		}
	}
}

// happenings spreads n of them over a phase.
func happenings(r *rand.Rand, length time.Duration, n int) []happening {
	all := make([]happening, n)
	for i := range all {
		within := pick(r, length, length, length, 2*time.Second) // much is decided at the start: the snapshot is short
		all[i] = happening{at: time.Duration(r.Int64N(int64(min(within, length)))), what: troubles[r.IntN(len(troubles))].name, dice: r.Uint64()}
	}
	slices.SortFunc(all, func(a, b happening) int { return int(a.at - b.at) })
	return all
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// hash mixes a seed and words into a number that looks random.
func hash(seed uint64, words ...string) uint64 {
	h := seed ^ 0x9e3779b97f4a7c15
	for _, word := range words {
		for i := range len(word) {
			h = (h ^ uint64(word[i])) * 0x100000001b3
		}
		h ^= h >> 29
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 32
	}
	return h
}

// yaml is the migration's file.
func (p plan) yaml(brokers []string) string {
	live := "from: " + string(p.from)
	if p.header && p.from == apply.FromApp {
		live += ", position: header"
	}
	return fmt.Sprintf(`name: %s
source: {dynamodb: {table: %s, region: %s, endpoint: "http://database"}}
target: {dynamodb: {table: %s, region: %s, endpoint: "http://database"}}
kafka: {brokers: ["%s"], partitions: %d, work_partitions: 4, replication: 1}
live: {%s}
snapshot: {segments: %d, at_once: %d}
apply: {in_flight: 4}
grace: %s
`, migrationName, oldTable, region, newTable, region, strings.Join(brokers, `", "`), p.parts, live, p.segments,
		map[bool]int{true: 1, false: 8}[p.heavy > 0], p.grace)
}

// String is the plan's first line in the story.
func (p plan) String() string {
	return fmt.Sprintf("seed %d: live from %s, header %t, key %s, %d keys, %d rows, %d owned, big %t, %d shards, %d segments, %d partitions, grace %s, "+
		"%d snapshot workers, %d streamers, %d phases", p.seed, p.from, p.header, p.schema, p.keys, p.rows, p.owned, p.big, p.shards,
		p.segments, p.parts, p.grace, p.copiers, p.writers, len(p.phases))
}
