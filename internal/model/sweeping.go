package model

func (w *world) sweep(s *state, do doer) {
	if !w.Sweep || s.entries == 0 {
		return
	}
	sw := &s.sweeper
	switch sw.sweeping {
	case notSweeping:
		if s.item.kind == marker && !s.replaying {
			do(sweepSamples, none, func(s *state) {
				s.sweeper = sweeper{sweeping: settling}
				for i := range s.shards {
					s.sweeper.sample[i] = s.shards[i].said
				}
			})
			if !w.has(SweepEndsAfter) {
				// The ends are taken at the very beginning, before the facts have settled.
				do(sweepSees, none, func(s *state) {
					s.sweeper = sweeper{sweeping: settling, marker: s.item, end: s.lives}
					for i := range s.shards {
						s.sweeper.sample[i] = s.shards[i].said
					}
				})
			}
		}
	case settled:
		if s.item.kind == marker && sw.marker.kind == absent {
			do(sweepSees, none, func(s *state) { s.sweeper.sweeping, s.sweeper.marker, s.sweeper.end = seen, s.item, s.lives })
		}
		if sw.marker.kind != absent {
			do(sweepSees, none, func(s *state) { s.sweeper.sweeping = seen })
		}
	case seen:
		if !w.unmet(s) {
			do(sweepGuards, none, func(s *state) {
				s.sweeper.sweeping = waiting
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
