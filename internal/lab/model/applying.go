package model

// apply lets any record be written that an applier at work may hold, and the committed offsets follow.
func (w *world) apply(s *state, do doer[state]) {
	for t := range int8(topics) {
		for o := s.from[t]; o < int8(len(s.topic(t))); o++ {
			for rerun := s.reruns; rerun <= s.rerun; rerun++ {
				for read := s.read; read <= s.entries; read++ {
					w.record(s, t, o, read, rerun, do)
				}
			}
		}
		if next := w.committable(s, t); next > s.committed[t] {
			do(applierCommits, t, func(s *state) { s.committed[t] = next })
		}
	}
}

// record lets one applier, which has read so much of the control log, do what it decides about a record. That the answer
// is lost needs no step of its own: nothing is possible then that is not possible when it is known, for a record that is
// done may be applied again as one that is not.
func (w *world) record(s *state, topic, offset, read, rerun int8, do doer[state]) {
	d := w.decide(s, read, topic, offset, rerun)
	switch {
	case d.wait:
	case d.item.kind == absent:
		do(applierDrops, offset, func(s *state) { s.done[topic] |= 1 << offset })
	default:
		v := [...]verb{snapshotTopic: appliesRead, liveTopic: appliesChange}[topic]
		do(v, offset, func(s *state) {
			w.arrive(s, d.item)
			if rerun == s.rerun {
				s.done[topic] |= 1 << offset // one that works with the mapping before is no member any more
			}
		})
		if w.Dead && topic == snapshotTopic {
			do(applierBuries, offset, func(s *state) { s.done[topic] |= 1 << offset; s.dead = true })
		}
	}
}

// arrive lets the new table decide about a write.
func (w *world) arrive(s *state, write item) {
	if w.takes(s.item, write) {
		if write.kind == marker && !w.has(Markers) {
			write = item{}
		}
		s.item = write
	}
}

// operator says that a replay begins, and sets the offsets back when no sweep is under way.
func (w *world) operator(s *state, do doer[state]) {
	if !w.Replay || s.replayed || s.committed == [topics]int8{} {
		return
	}
	if !s.replaying {
		do(replayBegins, none, func(s *state) { s.replaying = true })
		return
	}
	if s.sweeper.sweeping != notSweeping && w.has(ReplayAfterSweep) {
		return // a grace from now it will have given up
	}
	do(replayResets, none, func(s *state) {
		s.replayed, s.replaying = true, false
		for t := range int8(topics) {
			if t == snapshotTopic || w.has(ReplayBoth) {
				w.beginEpoch(s, t)
			}
		}
		if w.Rerun && w.has(RerunInVersion) {
			s.rerun = 1
		}
	})
}
