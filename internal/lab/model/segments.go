package model

import (
	"fmt"
	"strings"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/lab/search"
)

// Segments is a scope of its own: one segment of the old table, two snapshot workers that read it at the same time, neither
// knowing of the other, what they say about it in the compacted topic, and whoever closes the snapshot.
type Segments struct {
	Pages    int8 // of the segment
	InFlight int8 // of one worker, read and not acknowledged
	Names    int8 // that each worker may write under, one after the other
	Late     int8 // appends of facts that have failed and may still arrive, at the same time
}

const (
	copiers  = 2
	maxPages = 8
)

// segmentState is everything there is. The topic of the facts is compacted at once, as in factState.
type segmentState struct {
	topic   [maxNames]int8 // the pages that stand under each name; none if nothing does
	recent  uint8          // the names, by bit, that have been written since the last grace
	before  [maxNames]int8 // the topic when the grace passed; it matters only to workers that read too little
	best    int8           // the furthest fact that was ever durable
	sent    int8           // pages that somebody has read, and may have published
	durable uint8          // pages, by bit, that the snapshot topic has
	copiers [copiers]copier
	late    [maxLate]factAppend
	closer  closer
}

// copier is one snapshot worker.
type copier struct {
	works bool
	used  int8  // names so far; the last one is its own
	start int8  // pages that the facts said when it began
	from  int8  // pages that count as published: its frontier
	at    int8  // pages that it has read
	acked uint8 // pages, by bit, beyond the frontier whose acknowledgement it has seen
	mine  int8  // the pages that it has said under its name; none if nothing
	wrote bool  // a fact just now: it looks for what that has superseded
	erase int8  // the names, by bit, that it has found so, and will erase
}

// closer is what whoever closes the snapshot knows.
type closer struct {
	done   bool  // the facts say that the segment is
	looked bool  // at the ends of the snapshot topic
	below  uint8 // pages, by bit, below those ends
	closed bool  // the control entry is durable
}

// Search looks at every interleaving within the scope, with these guards, and stops at the first thing that is wrong.
func (c Segments) Search(g Guards) search.Result {
	if c.Names > mostNames || c.Late > maxLate || c.Pages > maxPages {
		panic("model: the scope does not fit a state")
	}
	w := &segmentWorld{Segments: c, guards: g, best: map[[maxNames]int8]int8{}, passed: map[pagesQuestion]int8{}, erased: map[erasedQuestion]int8{}}
	return search.All(w, 50_000_000)
}

// segmentWorld is the system that is searched. It remembers what the parts' own code said.
type segmentWorld struct {
	Segments
	guards Guards
	best   map[[maxNames]int8]int8
	passed map[pagesQuestion]int8
	erased map[erasedQuestion]int8
}

// pagesQuestion asks how far a frontier is.
type pagesQuestion struct {
	from, at int8
	acked    uint8
}

// erasedQuestion asks what a fact has superseded.
type erasedQuestion struct {
	topic    [maxNames]int8
	recent   uint8
	name, at int8
}

var _ search.System[segmentState, action] = (*segmentWorld)(nil)

func (w *segmentWorld) has(g Guards) bool { return w.guards&g != 0 }

func (w *segmentWorld) Initial() []segmentState {
	nothing := [maxNames]int8{none, none, none, none, none, none, none}
	return []segmentState{{topic: nothing, before: nothing}}
}

// fact is what a snapshot worker says of so many pages.
func (w *segmentWorld) fact(pages int8) checkpoint.SegmentFact {
	return checkpoint.SegmentFact{Generation: 1, Total: 1, Pages: int64(pages), Items: int64(pages), Done: pages == w.Pages}
}

// name is the one that a worker writes under.
func (w *segmentWorld) name(s *segmentState, i int8) int8 {
	if !w.has(WriterInKey) {
		return 1
	}
	return 1 + i*mostNames + s.copiers[i].used - 1
}

// Next lists every step that may follow. With the close all is decided.
func (w *segmentWorld) Next(from segmentState, step func(action, segmentState)) {
	if from.closer.closed {
		return
	}
	do := doing(&from, w.settle, step)
	for i := range int8(copiers) {
		switch c := &from.copiers[i]; {
		case !c.works:
			w.begin(&from, i, do)
		default:
			w.pages(&from, i, do)
			w.write(&from, i, do)
		}
		do(copierStops, i, func(s *segmentState) { w.stop(&s.copiers[i]) })
	}
	for page := range from.sent {
		do(pageArrives, page, func(s *segmentState) { s.durable |= 1 << page })
	}
	for n, e := range from.late {
		if e.sent {
			do(lateFactArrives, e.name, func(s *segmentState) { s.late[n] = factAppend{}; s.arrive(e) })
		}
	}
	for stopped := range int8(1 << copiers) {
		do(segmentGrace, stopped, func(s *segmentState) { w.grace(s, stopped) })
	}
	w.close(&from, do)
}

// settle leaves out what can make no difference any more.
func (w *segmentWorld) settle(s *segmentState) {
	if w.has(ClearAfterReading) {
		s.before = [maxNames]int8{}
	}
}

// begin lets a worker begin an assignment, from what the topic says, unless that says that there is nothing to do.
func (w *segmentWorld) begin(s *segmentState, i int8, do doer[segmentState]) {
	renew := s.copiers[i].used == 0 || w.has(RenewOnBegin)
	start := max(w.furthest(s.topic), 0)
	if renew && s.copiers[i].used == w.Names || start == w.Pages {
		return
	}
	do(copierBegins, i, func(s *segmentState) {
		c := &s.copiers[i]
		if renew {
			c.used++
		}
		if !w.has(ResumeFromFacts) {
			start = max(start, c.at) // it remembers what it has read
		}
		c.works, c.start, c.from, c.at, c.mine = true, start, start, start, s.topic[w.name(s, i)]
	})
}

// stop leaves nothing of a worker but that its names are used. What it has sent may arrive.
func (w *segmentWorld) stop(c *copier) {
	*c = copier{used: c.used, at: c.at}
	if w.has(ResumeFromFacts) {
		c.at = 0
	}
}

// pages lets a worker read, and hear that a page is durable, in any order and perhaps never.
func (w *segmentWorld) pages(s *segmentState, i int8, do doer[segmentState]) {
	c := &s.copiers[i]
	if c.at < w.Pages && c.at-c.from < w.InFlight {
		do(copierReads, 2*c.at+i, func(s *segmentState) {
			s.copiers[i].at++
			s.sent = max(s.sent, s.copiers[i].at)
		})
	}
	for page := c.from; page < c.at; page++ {
		if s.durable&(1<<page) != 0 {
			do(copierHears, 2*page+i, func(s *segmentState) {
				c := &s.copiers[i]
				c.acked |= 1 << page
				c.from = w.frontier(pagesQuestion{c.from, c.at, c.acked})
				c.acked &^= 1<<c.from - 1
			})
		}
	}
}

// frontier asks checkpoint.Frontier how many pages count as published.
func (w *segmentWorld) frontier(q pagesQuestion) int8 {
	if pages, ok := w.passed[q]; ok {
		return pages
	}
	pages := q.from
	var frontier checkpoint.Frontier[checkpoint.SegmentFact]
	for page := q.from; page < q.at; page++ {
		step := frontier.Begin(w.fact(page + 1))
		if q.acked&(1<<page) == 0 {
			continue
		}
		frontier.Done(step)
		if !w.has(ContiguousPages) {
			pages = page + 1
		}
	}
	if fact, ok := frontier.Position(); ok {
		pages = max(pages, int8(fact.Pages))
	}
	w.passed[q] = pages
	return pages
}

// write lets a worker write what it has found to be published, or less: its pen may be slow. It is answered; or the append
// fails, and arrives later or never. One append of a worker is under way at a time, those that erase too.
func (w *segmentWorld) write(s *segmentState, i int8, do doer[segmentState]) {
	c, name := &s.copiers[i], w.name(s, i)
	switch {
	case c.erase != 0:
		w.clear(s, i, do)
		return
	case c.wrote:
		do(copierLooks, i, func(s *segmentState) {
			c := &s.copiers[i]
			c.wrote, c.erase = false, w.superseded(s, w.name(s, i), c.mine)
		})
		return
	}
	for pages := c.start + 1; pages <= w.Pages; pages++ {
		if !w.maySay(c, pages) || w.has(OnlyForward) && c.mine != none && s.topic[name] != none && !w.further(pages, c.mine) {
			continue
		}
		e := factAppend{sent: true, name: name, at: pages}
		do(copierWrites, 2*pages+i, func(s *segmentState) {
			s.arrive(e)
			s.copiers[i].mine, s.copiers[i].wrote = pages, true
		})
		if w.has(RenewOnError) && c.used == w.Names {
			continue // the scope has no further name
		}
		w.send(s, copierWriteFails, e, do, func(s *segmentState) {
			if w.has(RenewOnError) {
				s.copiers[i].used++
				s.copiers[i].mine = none
			}
		})
	}
}

// maySay reports whether a worker may hand a fact of so many pages to its pen.
func (w *segmentWorld) maySay(c *copier, pages int8) bool {
	switch {
	case pages <= c.from:
		return true
	case !w.has(FactAfterAck):
		return pages <= c.at
	case !w.has(DoneAfterLast):
		return pages == w.Pages && c.at == w.Pages
	}
	return false
}

// clear lets a worker erase what it has found superseded.
func (w *segmentWorld) clear(s *segmentState, i int8, do doer[segmentState]) {
	for name := range int8(maxNames) {
		if s.copiers[i].erase&(1<<name) == 0 {
			continue
		}
		e := factAppend{sent: true, name: name, at: none}
		done := func(s *segmentState) { s.copiers[i].erase &^= 1 << name }
		do(copierErases, name, func(s *segmentState) { s.arrive(e); done(s) })
		w.send(s, copierEraseFails, e, do, done)
	}
}

// send makes an append that fails, if the scope has room for one more.
func (w *segmentWorld) send(s *segmentState, v verb, e factAppend, do doer[segmentState], and func(*segmentState)) {
	for n := range w.Late {
		if !s.late[n].sent {
			do(v, e.name, func(s *segmentState) { s.late[n] = e; and(s) })
			return
		}
	}
}

// arrive appends to the topic of the facts, where it replaces what its key had.
func (s *segmentState) arrive(e factAppend) {
	s.topic[e.name] = e.at
	s.recent |= 1 << e.name
	s.best = max(s.best, e.at)
}

// grace ends every append that was begun before it, and what follows at once on a fact that was written before it. A
// worker may have been silent all the while: a page can take longer.
func (w *segmentWorld) grace(s *segmentState, stopped int8) {
	s.late, s.recent, s.before = [maxLate]factAppend{}, 0, s.topic
	for i := range s.copiers {
		s.copiers[i].wrote, s.copiers[i].erase = false, 0
		if stopped&(1<<i) != 0 {
			w.stop(&s.copiers[i])
		}
	}
}

// close lets somebody close the snapshot: it reads the facts, then the ends of the topic, then appends its entry. It may
// begin again at any time.
func (w *segmentWorld) close(s *segmentState, do doer[segmentState]) {
	c := &s.closer
	if !c.done && (w.furthest(s.topic) == w.Pages || !w.has(CloseAfterDone)) {
		do(closerReadsFacts, none, func(s *segmentState) { s.closer.done = true })
	}
	if c.done && !c.looked || !w.has(CloseEndsAfterFacts) {
		do(closerReadsEnds, none, func(s *segmentState) { s.closer.looked, s.closer.below = true, s.durable })
	}
	if c.done && c.looked {
		do(snapshotCloses, none, func(s *segmentState) { s.closer.closed = true })
	}
	do(closerStops, none, func(s *segmentState) { s.closer = closer{} })
}

// view is the topic as checkpoint has it.
func (w *segmentWorld) view(topic [maxNames]int8, recent uint8) map[string]checkpoint.Written[checkpoint.SegmentFact] {
	facts := map[string]checkpoint.Written[checkpoint.SegmentFact]{}
	for name, pages := range topic {
		if pages == none {
			continue
		}
		learned := longAgo
		if recent&(1<<name) != 0 {
			learned = lately
		}
		facts[nameOf(int8(name))] = checkpoint.Written[checkpoint.SegmentFact]{Fact: w.fact(pages), At: learned}
	}
	return facts
}

// furthest asks checkpoint.Furthest how many pages are said to be published; none if nothing is said.
func (w *segmentWorld) furthest(topic [maxNames]int8) int8 {
	pages, ok := w.best[topic]
	if !ok {
		pages = none
		if best, found := checkpoint.Furthest(w.view(topic, 0)); found {
			pages = int8(best.Pages)
		}
		w.best[topic] = pages
	}
	return pages
}

// further asks whether a fact is further than another one.
func (w *segmentWorld) further(a, b int8) bool {
	return a != b && w.furthest([maxNames]int8{a, b, none, none, none, none, none}) == a
}

// superseded asks checkpoint.Superseded for the names that a fact has made superfluous.
func (w *segmentWorld) superseded(s *segmentState, name, pages int8) (erase int8) {
	q := erasedQuestion{s.topic, s.recent, name, pages}
	if !w.has(ClearAfterReading) {
		q.topic, q.recent = s.before, 0
	}
	if !w.has(ClearCovered) {
		q.at = w.Pages
	}
	erase, ok := w.erased[q]
	if !ok {
		erase = w.erasable(q)
		w.erased[q] = erase
	}
	return erase
}

func (w *segmentWorld) erasable(q erasedQuestion) (erase int8) {
	before, ours := aGraceAgo, w.fact(q.at)
	if !w.has(ClearSilent) {
		before = lately
	}
	if !w.has(ClearWhenDone) {
		ours.Done = true
	}
	for _, other := range checkpoint.Superseded(nameOf(q.name), ours, w.view(q.topic, q.recent), before) {
		for n := range int8(maxNames) {
			if nameOf(n) == other && (q.topic[n] <= q.at || w.has(ClearWhenDone)) {
				erase |= 1 << n
			}
		}
	}
	return erase
}

// Broken says what a step broke.
func (w *segmentWorld) Broken(_ segmentState, _ action, to segmentState) string {
	all := uint8(1)<<w.Pages - 1
	for name, pages := range to.topic {
		if says := uint8(1)<<max(pages, 0) - 1; says&^to.durable != 0 {
			return fmt.Sprintf("the fact of %s says %d pages, and not all of them are in the topic (invariant 2)", nameOf(int8(name)), pages)
		}
	}
	if now := max(w.furthest(to.topic), 0); now < to.best {
		return fmt.Sprintf("the furthest fact was %d, and is %d (invariant 6)", to.best, now)
	}
	if to.closer.closed && to.closer.below != all {
		return "the snapshot is closed, and not every page is below its ends"
	}
	return ""
}

// Quiet reports that the snapshot is closed.
func (w *segmentWorld) Quiet(s segmentState) bool { return s.closer.closed }

func (w *segmentWorld) Describe(s segmentState) string {
	var facts []string
	for name, pages := range s.topic {
		if pages != none {
			facts = append(facts, fmt.Sprintf("%s %d", nameOf(int8(name)), pages))
		}
	}
	parts := []string{"| facts: " + strings.Join(facts, ", "), "in the topic: " + pagesOf(s.durable)}
	for i, c := range s.copiers {
		if c.works {
			parts = append(parts, fmt.Sprintf("%s has read %d, and %d are published", nameOf(w.name(&s, int8(i))), c.at, c.from))
		}
	}
	if s.closer.looked {
		parts = append(parts, "below the ends: "+pagesOf(s.closer.below))
	}
	return strings.Join(parts, " | ")
}

// pagesOf lists pages, the first one as 1.
func pagesOf(set uint8) string {
	var all []string
	for page := range int8(maxPages) {
		if set&(1<<page) != 0 {
			all = append(all, itoa(page+1))
		}
	}
	return strings.Join(all, " ")
}
