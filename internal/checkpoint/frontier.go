package checkpoint

// Frontier knows the highest position below which everything is done. Work begins in the order of its
// positions and may end in any order. The zero Frontier is empty. It belongs to one goroutine.
type Frontier[P any] struct {
	// Passed, when set, is called for each position as it goes below the frontier, in their order.
	Passed func(P)

	pending []*Step[P] // in order of beginning; the first is not done
	first   int        // index of the first live element of pending
	done    P
	any     bool
}

// Step is one piece of work under way. It may be a part of what the caller keeps about the work.
type Step[P any] struct {
	position P
	finished bool
}

// Begin notes that the work of position has begun. Positions must be begun in their order.
func (f *Frontier[P]) Begin(position P) *Step[P] {
	s := &Step[P]{}
	f.BeginStep(s, position)
	return s
}

// BeginStep is Begin in the caller's memory, which is held until the frontier has passed it.
func (f *Frontier[P]) BeginStep(s *Step[P], position P) {
	*s = Step[P]{position: position}
	f.pending = append(f.pending, s)
}

// Done notes that the work of s is durable, and reports whether the frontier moved. Doing it twice is the
// same as once.
func (f *Frontier[P]) Done(s *Step[P]) (moved bool) {
	s.finished = true
	// Invariant 2: only a contiguous run of finished steps moves the frontier, never the highest seen.
	for f.first < len(f.pending) && f.pending[f.first].finished {
		f.done, f.any, moved = f.pending[f.first].position, true, true
		if f.Passed != nil {
			f.Passed(f.done)
		}
		f.pending[f.first] = nil
		f.first++
	}
	if f.first > 64 && f.first*2 > len(f.pending) {
		f.pending = append(f.pending[:0], f.pending[f.first:]...)
		f.first = 0
	}
	return moved
}

// Position returns the position of the last step of the contiguous run of finished ones; false when there is none.
func (f *Frontier[P]) Position() (P, bool) { return f.done, f.any }

// Pending is how many steps have begun and are not below the frontier.
func (f *Frontier[P]) Pending() int { return len(f.pending) - f.first }
