package model

// A stream forgets what capture has not read, or an operator says so, and a restart begins another generation.

// before is what is left of a generation before the current one: who works for it has not read of the new one yet.
type before struct {
	works  bool
	shards [2]struct{ floor, published int8 } // as in shard
	images uint8                              // that snapshot workers may have read, by bit
}

// stream forgets all of its changes, when capture has not said of all of them that it has published them. Whoever
// has read them may publish them until a grace has passed.
func (w *world) stream(s *state, do doer[state]) {
	if w.Gap && s.generation() < w.generations() && !w.gap(s, s.trimmed) && w.gap(s, s.head) {
		do(streamForgets, s.head, func(s *state) { s.trimmed = s.head })
	}
}

// gap reports whether capture has lost changes, if the stream has forgotten all up to n.
func (w *world) gap(s *state, n int8) bool {
	for i := range s.shards {
		sh := &s.shards[i]
		if lost := min(n, w.last(s, int8(i))); !sh.before && lost > w.firstOf(int8(i)) && sh.said.at < lost {
			return true
		}
	}
	return false
}

// generations is how many there may be.
func (w *world) generations() int8 {
	switch {
	case w.Third:
		return 3
	case w.Gap || w.Force:
		return 2
	}
	return 1
}

// restart makes the start of capture of another generation durable, and then appends the control entry.
func (w *world) restart(s *state, do doer[state]) {
	if !w.has(RestartFirst) && s.generation() > 1 && !s.started() {
		do(restartStarts, s.generation(), func(s *state) { w.start(s, s.head) })
		return
	}
	if s.generation() == w.generations() || !w.Force && !w.gap(s, s.trimmed) {
		return
	}
	if s.begin == none {
		do(restartStarts, s.generation()+1, func(s *state) { s.begin = s.head })
	}
	if s.begin != none || !w.has(RestartFirst) {
		do(restartBegins, s.generation()+1, w.beginNext)
	}
}

// started reports whether the start of capture of the current generation is durable.
func (s *state) started() bool { return s.shards[0].known || s.shards[1].known }

func (w *world) beginNext(s *state) {
	b := &s.before[s.generation()-1]
	b.works, b.images = true, s.images
	for i, sh := range s.shards {
		b.shards[i].floor, b.shards[i].published = sh.floor, sh.published
	}
	for i := range s.searchers {
		s.searchers[i].passed = false
	}
	s.images, s.ready, s.copied, s.known = 0, false, false, false
	s.append(entry{what: restarted})
	if s.begin != none {
		w.start(s, s.begin)
		s.begin = none
	} else {
		for i := range s.shards {
			s.shards[i] = shard{said: fact{at: none}, floor: s.trimmed, published: s.trimmed}
		}
	}
	if s.sweeper.sweeping == removing {
		s.sweeper.overtaken = true
	} else {
		s.sweeper = sweeper{} // it looks at the control log before it goes on
	}
}

// stale lets captures and snapshot workers of the generations before go on until they have read of the new one.
func (w *world) stale(s *state, do doer[state]) {
	for i := range s.before {
		if s.before[i].works {
			w.staleOf(s, int8(i), do)
		}
	}
}

func (w *world) staleOf(s *state, i int8, do doer[state]) {
	b := &s.before[i]
	for sh, at := range b.shards {
		// One that stands before what is gone has stopped there.
		floor := max(at.floor, w.firstOf(int8(sh)), min(s.gone, w.last(s, int8(sh))))
		for n := floor + 1; n <= min(max(at.published, floor)+1, w.last(s, int8(sh))) && s.lives < w.Live; n++ {
			do(staleCapturePublishes, n, func(s *state) {
				s.live[s.lives] = record{generation: i + 1, live: true, n: n}
				s.lives++
				at := &s.before[i].shards[sh]
				at.published = max(at.published, n)
			})
		}
	}
	for image := range int8(maxChanges + 1) {
		if b.images&(1<<image) != 0 && s.snaps < w.Snapshot {
			do(staleCopierPublishes, image, func(s *state) {
				s.snap[s.snaps] = record{generation: i + 1, n: image}
				s.snaps++
			})
		}
	}
}
