package model

import (
	"strconv"

	"github.com/crossfadedb/crossfade/internal/lab/search"
)

func itoa(n int8) string { return strconv.Itoa(int(n)) }

// doer is called with each step: change makes the state that follows.
type doer[S comparable] func(v verb, object int8, change func(*S))

// doing returns a doer that hands each state that differs to step, once it is settled.
func doing[S comparable](from *S, settle func(*S), step func(action, S)) doer[S] {
	do := search.Changing(from, settle, step)
	return func(v verb, object int8, change func(*S)) { do(action{v, object}, change) }
}

// Next lists every step that may follow. Each part lists its own.
func (w *world) Next(from state, step func(action, state)) {
	do := doing(&from, w.settle, step)
	w.application(&from, do)
	w.create(&from, do)
	if from.entries > 0 {
		for i := range from.shards {
			w.capture(&from, int8(i), do)
		}
		w.stream(&from, do)
		w.restart(&from, do)
		w.stale(&from, do)
		w.snapshot(&from, do)
		w.search(&from, do)
		w.apply(&from, do)
		w.sweep(&from, do)
		w.operator(&from, do)
		w.foreign(&from, do)
		do(graceDone, none, w.grace)
	}
}

// settle does what may be done at once, and leaves out what can make no difference any more: states that differ in that
// only are one.
func (w *world) settle(s *state) {
	w.reading(s)
	if s.head > 0 {
		s.first = false // images say what the row was
	}
	if s.copied {
		s.ready = false
	}
	if s.snaps == w.Snapshot {
		if s.ready || s.copied {
			s.images = 0
		}
		for i := range s.before {
			s.before[i].images = 0
		}
	}
	if s.lives == w.Live { // nobody can publish
		for i := range s.shards {
			s.shards[i].floor = max(s.shards[i].floor, s.shards[i].said.at)
		}
		for i := range s.before {
			s.before[i].shards = before{}.shards
		}
	}
	if (!w.Replay || s.replayed) && !w.moves() {
		for t, first := range s.from {
			clear(s.topic(int8(t))[:first])
		}
	}
}

// reading lets a snapshot worker read the page at any moment at which one may. That somebody has read an image makes more
// possible, and nothing impossible.
func (w *world) reading(s *state) {
	image, present := s.present()
	for i := range s.before {
		if s.before[i].works && present {
			s.before[i].images |= 1 << image
		}
	}
	if s.entries == 0 || s.copied || w.state(s, s.entries).Closed != nil {
		return
	}
	if present {
		s.images |= 1 << image
	}
	s.ready = s.ready || !present || !w.has(FactAfterPublish)
}

func (w *world) application(s *state, do doer[state]) {
	if s.head == w.Changes {
		return
	}
	do(appPuts, none, func(s *state) { s.ops[s.head] = put; s.head++ })
	if _, ok := s.present(); ok {
		do(appDeletes, none, func(s *state) { s.ops[s.head] = del; s.head++ })
	}
}

// create writes the start of capture, which is the end of the stream as it is now, and the control record.
func (w *world) create(s *state, do doer[state]) {
	started := s.shards[0].known
	if !started && (s.entries == 0 || !w.has(StartFirst)) {
		do(createStart, none, func(s *state) { w.start(s, s.head) })
	}
	if s.entries == 0 && (started || !w.has(StartFirst)) {
		do(createControl, none, func(s *state) { s.append(entry{what: created}); s.read = s.entries })
	}
}

// start writes the facts of a new generation, as the stream was after the change head: one for each shard that is open,
// and for each that is closed already.
func (w *world) start(s *state, head int8) {
	s.shards = [2]shard{{known: true, said: fact{at: none}}, {said: fact{at: none}}}
	open := 0
	if w.Split > 0 && head >= w.Split {
		open = 1
		s.shards[0].before, s.shards[1].known = true, true
	}
	sh := &s.shards[open]
	sh.said, sh.floor, sh.published = fact{at: head}, head, head
}

func (s *state) append(e entry) {
	s.control[s.entries] = e
	s.entries++
}

// last is the shard's last change that has been made; it is the shard's end when the shard is closed.
func (w *world) last(s *state, i int8) int8 {
	if i == 0 && w.Split > 0 {
		return min(s.head, w.Split)
	}
	return s.head
}

// closed reports whether a shard is closed: the parent is when its last change has been made.
func (w *world) closed(s *state, i int8) bool { return i == 0 && w.Split > 0 && s.head >= w.Split }

func (w *world) capture(s *state, i int8, do doer[state]) {
	sh := &s.shards[i]
	if i == 1 && (w.Split == 0 || s.head < w.Split) || !sh.said.done && !w.mayRead(s, i) {
		return
	}
	floor := max(sh.floor, w.firstOf(i))
	gone := min(s.gone, w.last(s, i))
	if sh.published < gone && floor < gone {
		if !w.has(StopAtGap) {
			do(captureLeaps, gone, func(s *state) { s.shards[i].published = gone })
		}
		return
	}
	floor = max(floor, gone)
	generation := s.generation()
	for n := floor + 1; n <= min(max(sh.published, floor)+1, w.last(s, i)) && s.lives < w.Live; n++ {
		do(capturePublishes, n, func(s *state) { s.publish(record{generation, true, n}, i) })
	}
	if !w.has(FromFacts) && sh.published < w.last(s, i) {
		do(captureSkips, w.last(s, i), func(s *state) { s.shards[i].published = w.last(s, i) })
	}
	if sh.said.done {
		return // a stale capture may still publish, and what it could say is said
	}
	says := sh.published
	if !w.has(FactAfterPublish) {
		says = w.last(s, i)
	}
	if says > sh.said.at && says > floor {
		do(captureWritesFact, says, func(s *state) { s.shards[i].said.at = says })
	}
	if w.closed(s, i) && says == w.last(s, i) {
		do(captureFinishes, i, func(s *state) { s.shards[i].said = fact{at: says, done: true} })
	}
}

func (s *state) publish(r record, shard int8) {
	s.live[s.lives] = r
	s.lives++
	sh := &s.shards[shard]
	sh.published = max(sh.published, r.n)
}

// firstOf is the position before the first change of a shard.
func (w *world) firstOf(i int8) int8 {
	if i == 1 {
		return w.Split
	}
	return 0
}

func (w *world) snapshot(s *state, do doer[state]) {
	control := w.state(s, s.entries)
	generation := s.generation()
	for image := range int8(maxChanges + 1) {
		if s.snaps == w.Snapshot {
			break
		}
		if s.images&(1<<image) != 0 {
			do(copierPublishes, image, func(s *state) {
				s.snap[s.snaps] = record{generation: generation, n: image}
				s.snaps++
				s.ready = true
			})
		}
	}
	if s.ready && !s.copied {
		do(copierWritesFact, none, func(s *state) { s.copied = true })
	}
	if control.Closed == nil && (s.copied || !w.has(CloseAfterDone)) {
		do(snapshotCloses, none, func(s *state) { s.append(entry{what: closed, end: s.snaps}) })
	}
}

// grace is the time after which nothing that was begun before it is under way: stale workers have stopped themselves,
// requests have arrived or never will, and whoever works on has read the control log and the facts.
func (w *world) grace(s *state) {
	for i := range s.shards {
		if sh := &s.shards[i]; w.has(TakeNotice) {
			sh.floor = max(sh.floor, sh.said.at)
		}
	}
	if s.copied {
		s.images = 0
	}
	s.from, s.reruns = s.committed, s.rerun
	if w.has(AskAgain) {
		s.read = s.entries
	}
	s.gone, s.before, s.known = s.trimmed, [maxGenerations - 1]before{}, s.generation() > 1
	for i := range s.searchers {
		s.searchers[i] = searcher{passed: s.searchers[i].passed && int8(i)+2 == s.generation()}
	}
	if s.replaying || s.sweeper.overtaken {
		s.sweeper = sweeper{} // it has read of the replay
	}
	switch s.sweeper.sweeping {
	case settling:
		s.sweeper.sweeping = settled
	case waiting:
		s.sweeper.sweeping = removing
	case notSweeping, settled, seen, removing:
	}
}
