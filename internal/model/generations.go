package model

// The stream forgets what capture has not read, and a restart begins another generation.

// before is what is left of the generation before the current one: who works for it has not read of the new one yet.
type before struct {
	works     bool
	floor     int8  // where a capture may have begun
	published int8  // the furthest change that one has published
	images    uint8 // that snapshot workers may have read, by bit
}

// stream forgets all of its changes, once. Whoever has read them may publish them until a grace has passed.
func (w *world) stream(s *state, do doer) {
	if w.Gap && s.trimmed == 0 && s.generation() == 1 && s.head > s.shards[0].said.at {
		do(streamForgets, s.head, func(s *state) { s.trimmed = s.head })
	}
}

// gap reports whether the stream has lost changes that capture has not published.
func (s *state) gap() bool { return s.trimmed > 0 && s.shards[0].said.at < s.trimmed }

// restart makes the start of capture of the second generation durable, and then appends the control entry.
func (w *world) restart(s *state, do doer) {
	if !s.gap() || s.generation() == 2 && (w.has(RestartFirst) || s.begin != none) {
		return
	}
	if s.begin == none {
		do(restartStarts, none, func(s *state) {
			s.begin = s.head
			if s.generation() == 2 {
				w.startSecond(s)
			}
		})
	}
	if s.generation() == 1 && (s.begin != none || !w.has(RestartFirst)) {
		do(restartBegins, none, w.beginSecond)
	}
}

func (w *world) beginSecond(s *state) {
	sh := &s.shards[0]
	s.before = before{works: true, floor: sh.floor, published: sh.published, images: s.images}
	s.images, s.ready, s.copied, s.known = 0, false, false, false
	s.append(entry{what: restarted})
	*sh = shard{said: fact{at: none}, floor: s.trimmed, published: s.trimmed}
	if s.begin != none {
		w.startSecond(s)
	}
	if s.sweeper.sweeping == removing {
		s.sweeper.overtaken = true
	} else {
		s.sweeper = sweeper{} // it looks at the control log before it goes on
	}
}

func (w *world) startSecond(s *state) {
	s.shards[0] = shard{known: true, said: fact{at: s.begin}, floor: s.begin, published: s.begin}
}

// stale lets captures and snapshot workers of the generation before go on until they have read of the new one.
func (w *world) stale(s *state, do doer) {
	b := &s.before
	if !b.works {
		return
	}
	// One that stands before what is gone has stopped there.
	for n := max(b.floor, s.gone) + 1; n <= min(b.published+1, s.head) && s.lives < w.Live; n++ {
		do(staleCapturePublishes, n, func(s *state) {
			s.live[s.lives] = record{generation: 1, live: true, n: n}
			s.lives++
			s.before.published = max(s.before.published, n)
		})
	}
	for image := range int8(maxChanges + 1) {
		if b.images&(1<<image) != 0 && s.snaps < w.Snapshot {
			do(staleCopierPublishes, image, func(s *state) {
				s.snap[s.snaps] = record{generation: 1, n: image}
				s.snaps++
			})
		}
	}
}
