package model

// What is applied is a fact, of the epoch that a replay begins; state.committed is the furthest of those. The offsets that
// the broker keeps are told to it for others to look at. It may forget them, and anybody may set them.

// moves reports whether the committed offsets may be other than what the appliers have committed.
func (w *world) moves() bool { return w.Forgets || w.Foreign }

// foreign lets somebody set a committed offset to anything, or the broker forget it, which is 0. That covers the appliers'
// own commits too, whether they come before their fact or after it.
func (w *world) foreign(s *state, do doer[state]) {
	if !w.moves() {
		return
	}
	for t := range int8(topics) {
		for to := int8(0); to == 0 || w.Foreign && to <= int8(len(s.topic(t))); to++ {
			do(offsetIsSet, topics*to+t, func(s *state) { s.offsets[t] = to })
		}
		if !w.has(ResumeFromFact) {
			do(applierBegins, t, func(s *state) { w.beginAt(s, t, s.offsets[t]) })
		}
	}
}

// beginAt lets an applier begin at an offset that no fact names: what is below it counts as done, and what is above it
// is applied, perhaps again.
func (w *world) beginAt(s *state, topic, offset int8) {
	s.from[topic] = min(s.from[topic], offset)
	for o := s.committed[topic]; o < offset; o++ {
		s.done[topic] |= 1 << o
	}
}

// appliedFor is what the sweep takes for applied.
func (w *world) appliedFor(s *state) [topics]int8 {
	if w.moves() && !w.has(SweepReadsFacts) {
		return s.offsets
	}
	return s.committed
}

// beginEpoch begins the next epoch, of which nothing is said: everything of these topics will be applied again.
func (w *world) beginEpoch(s *state, topic int8) {
	if w.has(EpochOfReplay) {
		s.committed[topic], s.from[topic], s.done[topic] = 0, 0, 0
	}
}
