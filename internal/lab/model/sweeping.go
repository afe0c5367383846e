package model

func (w *world) sweep(s *state, do doer[state]) {
	if !w.Sweep || s.entries == 0 {
		return
	}
	sw := &s.sweeper
	switch sw.sweeping {
	case notSweeping:
		if s.item.kind == marker && !s.replaying && w.mayBegin(s, w.appliedFor(s)) {
			do(sweepSamples, none, func(s *state) {
				s.sweeper = sweeper{sweeping: settling, sample: [2]fact{s.shards[0].said, s.shards[1].said}}
				if !w.has(SweepEndsAfter) {
					s.sweeper.end = s.lives
				}
			})
		}
	case settled:
		if s.item.kind == marker && (w.covers(s, w.appliedFor(s), s.item) || !w.has(SweepSettles)) {
			do(sweepSees, none, func(s *state) {
				end := s.lives
				if !w.has(SweepEndsAfter) {
					end = sw.end // from before what has settled was asked for
				}
				s.sweeper = sweeper{sweeping: seen, marker: s.item, end: end}
			})
		}
	case seen:
		if w.mayRemove(s, w.appliedFor(s)) {
			do(sweepGuards, none, func(s *state) {
				s.sweeper.sweeping, s.sweeper.end = waiting, 0
				if !w.has(SweepGrace) {
					s.sweeper.sweeping = removing
				}
			})
		}
	case removing:
		do(sweepRemoves, none, func(s *state) {
			if s.item == s.sweeper.marker || !w.has(SweepExact) {
				if s.item.kind != absent {
					s.swept = s.item
				}
				s.item = item{}
			}
			s.sweeper = sweeper{}
		})
	case settling, waiting: // the grace goes on
	}
	if sw.sweeping != notSweeping {
		do(sweepStops, none, func(s *state) { s.sweeper = sweeper{} })
	}
}
