package model

import (
	"fmt"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/lab/search"
)

// Facts is a scope of its own: the facts about one shard in the compacted topic, two captures that read that shard at the
// same time, and the names under which they write. It shows what the other scopes take as given: that the furthest
// fact never falls (invariant 6), so that no capture begins before what was said once.
type Facts struct {
	Changes int8 // that there are to publish
	Names   int8 // that each capture may use, one after the other
	Late    int8 // appends that have failed and may still arrive, at the same time
}

const (
	captures  = 2
	mostNames = 3                      // of each capture
	maxNames  = captures*mostNames + 1 // the first one is create's, who wrote the start
	maxLate   = 2
)

// factState is everything there is. The topic is compacted at once: its last entry of each key is all that a reader finds.
type factState struct {
	topic    [maxNames]int8 // the position that stands under each name; none if nothing does
	recent   uint8          // the names, by bit, that have been written since the last grace
	best     int8           // the furthest fact that was ever durable
	captures [captures]capturer
	late     [maxLate]factAppend
	// before is the topic as it was when the grace passed; it matters only to captures that read too little.
	before [maxNames]int8
}

// capturer is one capture.
type capturer struct {
	works bool
	used  int8 // names so far; the last one is its own
	at    int8 // what it has published
	mine  int8 // what it has written under its name; none if nothing
	wrote bool // a fact just now: it looks for what that has superseded
	erase int8 // the names, by bit, that it has found so, and will erase
}

// factAppend is an append that has failed for whoever made it, and may still arrive. At none, it erases.
type factAppend struct {
	sent     bool
	name, at int8
}

// Search looks at every interleaving within the scope, with these guards, and stops at the first thing that is wrong.
func (c Facts) Search(g Guards) search.Result {
	if c.Names > mostNames || c.Late > maxLate {
		panic("model: the scope does not fit a state")
	}
	return search.All(&factWorld{Facts: c, guards: g, best: map[[maxNames]int8]int8{}}, 50_000_000)
}

// factWorld is the system that is searched.
type factWorld struct {
	Facts
	guards Guards
	best   map[[maxNames]int8]int8 // what checkpoint.Furthest said: the same questions come again and again
}

var _ search.System[factState, action] = (*factWorld)(nil)

func (w *factWorld) has(g Guards) bool { return w.guards&g != 0 }

func (w *factWorld) Initial() []factState {
	created := [maxNames]int8{0, none, none, none, none, none, none}
	return []factState{{topic: created, before: created}}
}

// name is the one that capture i writes under.
func (w *factWorld) name(s *factState, i int8) int8 {
	if !w.has(WriterInKey) {
		return 1
	}
	return 1 + i*mostNames + s.captures[i].used - 1
}

// Next lists every step that may follow.
func (w *factWorld) Next(from factState, step func(action, factState)) {
	do := doing(&from, func(*factState) {}, step)
	for i := range int8(captures) {
		switch c := &from.captures[i]; {
		case !c.works:
			w.begin(&from, i, do)
		case c.erase != 0:
			w.clear(&from, i, do)
		default:
			w.write(&from, i, do)
		}
		do(captureStops, i, func(s *factState) { s.captures[i].stop() })
	}
	for n, e := range from.late {
		if e.sent {
			do(lateFactArrives, e.name, func(s *factState) { s.late[n] = factAppend{}; s.arrive(e) })
		}
	}
	for stopped := range int8(1 << captures) {
		do(factGrace, stopped, func(s *factState) { w.grace(s, stopped) })
	}
}

// begin lets a capture begin an assignment, from what the topic says.
func (w *factWorld) begin(s *factState, i int8, do doer[factState]) {
	renew := s.captures[i].used == 0 || w.has(RenewOnBegin)
	if renew && s.captures[i].used == w.Names {
		return
	}
	do(captureBegins, i, func(s *factState) {
		c := &s.captures[i]
		if renew {
			c.used++
		}
		c.works, c.at, c.mine = true, w.furthest(s.topic), s.topic[w.name(s, i)]
	})
}

// write lets a capture publish and say so. It is answered; or the append fails, and arrives later or never.
func (w *factWorld) write(s *factState, i int8, do doer[factState]) {
	c := &s.captures[i]
	if c.at < w.Changes {
		do(capturePublishesNext, c.at+1, func(s *factState) { s.captures[i].at++ })
	}
	if c.wrote {
		do(captureLooks, i, func(s *factState) {
			c := &s.captures[i]
			c.wrote, c.erase = false, w.superseded(s, w.name(s, i), c.mine)
		})
		return // one append after the other
	}
	name := w.name(s, i)
	for at := range c.at + 1 { // of a goroutine that is late, it may be a shorter one
		if w.has(OnlyForward) && c.mine != none && s.topic[name] != none && !w.further(at, c.mine) {
			continue
		}
		e := factAppend{sent: true, name: name, at: at}
		do(captureWrites, at, func(s *factState) {
			s.arrive(e)
			s.captures[i].mine, s.captures[i].wrote = at, true
		})
		if w.has(RenewOnError) && c.used == w.Names {
			continue // the scope has no further name
		}
		w.send(s, captureWriteFails, e, do, func(s *factState) {
			if w.has(RenewOnError) {
				s.captures[i].used++
				s.captures[i].mine = none
			}
		})
	}
}

// clear lets a capture erase what it has found superseded.
func (w *factWorld) clear(s *factState, i int8, do doer[factState]) {
	for name := range int8(maxNames) {
		if s.captures[i].erase&(1<<name) == 0 {
			continue
		}
		e := factAppend{sent: true, name: name, at: none}
		done := func(s *factState) { s.captures[i].erase &^= 1 << name }
		do(captureErases, name, func(s *factState) { s.arrive(e); done(s) })
		w.send(s, captureEraseFails, e, do, done)
	}
}

// send makes an append that fails, if the scope has room for one more.
func (w *factWorld) send(s *factState, v verb, e factAppend, do doer[factState], and func(*factState)) {
	for n := range w.Late {
		if !s.late[n].sent {
			do(v, e.name, func(s *factState) { s.late[n] = e; and(s) })
			return
		}
	}
}

// arrive appends to the topic, where it replaces what its key had.
func (s *factState) arrive(e factAppend) {
	s.topic[e.name] = e.at
	s.recent |= 1 << e.name
	s.best = max(s.best, e.at)
}

// grace ends what was begun before it. A capture has written its fact again in it, or it has stopped.
func (w *factWorld) grace(s *factState, stopped int8) {
	s.late, s.recent = [maxLate]factAppend{}, 0
	if !w.has(ClearAfterReading) {
		s.before = s.topic
	}
	for i := range s.captures {
		c := &s.captures[i]
		if stopped&(1<<i) != 0 {
			c.stop()
		}
		c.erase = 0
		if c.works && c.mine != none {
			s.arrive(factAppend{name: w.name(s, int8(i)), at: c.mine})
		}
	}
}

// stop leaves nothing of a capture but that its names are used.
func (c *capturer) stop() { *c = capturer{used: c.used} }

// When facts were learned, seen from a grace ago.
var (
	longAgo   = time.Unix(0, 0)
	aGraceAgo = time.Unix(1, 0)
	lately    = time.Unix(2, 0)
)

// view is the topic as checkpoint has it.
func view(topic [maxNames]int8, recent uint8) map[string]checkpoint.Written[checkpoint.ShardFact] {
	facts := map[string]checkpoint.Written[checkpoint.ShardFact]{}
	for name, at := range topic {
		if at == none {
			continue
		}
		learned := longAgo
		if recent&(1<<name) != 0 {
			learned = lately
		}
		facts[nameOf(int8(name))] = checkpoint.Written[checkpoint.ShardFact]{Fact: shardFact(fact{at: at}), At: learned}
	}
	return facts
}

// furthest asks checkpoint.Furthest what is said; none if nothing is.
func (w *factWorld) furthest(topic [maxNames]int8) int8 {
	at, ok := w.best[topic]
	if !ok {
		at = none
		if best, found := checkpoint.Furthest(view(topic, 0)); found {
			for at = 0; shardFact(fact{at: at}).Position != best.Position; at++ {
			}
		}
		w.best[topic] = at
	}
	return at
}

// further asks whether a fact is further than another one.
func (w *factWorld) further(a, b int8) bool {
	return a != b && w.furthest([maxNames]int8{a, b, none, none, none, none, none}) == a
}

// superseded asks checkpoint.Superseded for the names that a fact has made superfluous.
func (w *factWorld) superseded(s *factState, name, at int8) (erase int8) {
	topic, recent, before := s.topic, s.recent, aGraceAgo
	if !w.has(ClearAfterReading) {
		topic, recent = s.before, 0
	}
	if !w.has(ClearSilent) {
		before = lately
	}
	if !w.has(ClearCovered) {
		at = w.Changes
	}
	for _, other := range checkpoint.Superseded(nameOf(name), shardFact(fact{at: at}), view(topic, recent), before) {
		for n := range int8(maxNames) {
			if nameOf(n) == other {
				erase |= 1 << n
			}
		}
	}
	return erase
}

// Broken says what a step broke.
func (w *factWorld) Broken(_ factState, _ action, to factState) string {
	if now := w.furthest(to.topic); now < to.best {
		return fmt.Sprintf("the furthest fact was %d, and is %d (invariant 6)", to.best, now)
	}
	return ""
}

// Quiet reports that everything is published, and said.
func (w *factWorld) Quiet(s factState) bool { return w.furthest(s.topic) == w.Changes }

func (w *factWorld) Describe(s factState) string {
	var facts []string
	for name, at := range s.topic {
		if at != none {
			facts = append(facts, fmt.Sprintf("%s %d", nameOf(int8(name)), at))
		}
	}
	parts := []string{"| facts: " + strings.Join(facts, ", ")}
	for i := range s.captures {
		if c := &s.captures[i]; c.works {
			parts = append(parts, fmt.Sprintf("%s has published %d", nameOf(w.name(&s, int8(i))), c.at))
		}
	}
	return strings.Join(parts, " | ")
}

// nameOf is a name in words: a2 is the second one of the capture a.
func nameOf(name int8) string {
	if name == 0 {
		return "create"
	}
	return string(rune('a'+(name-1)/mostNames)) + itoa((name-1)%mostNames+1)
}
