// Package search visits every state that a system can be in, and shows a shortest way to the first thing that is wrong.
// It knows nothing of migrations: internal/lab/model brings the systems of a whole migration, and the tests of
// internal/apply that of a worker's lanes.
package search

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// System is a machine whose states are compared and hashed; states must be values without pointers. An A names a step,
// without the cost of a text: most of them are never shown.
type System[S comparable, A fmt.Stringer] interface {
	// Initial lists the states in which it may begin.
	Initial() []S
	// Next calls step for each state that can follow, always in the same order.
	Next(from S, step func(name A, to S))
	// Broken says what is wrong about the step, or about the state that it leads to; empty when nothing is.
	Broken(from S, name A, to S) string
	// Quiet reports that nothing is left to do; such states are counted.
	Quiet(S) bool
	// Describe shows a state in a line.
	Describe(S) string
}

// Changing returns a function that hands to step what a change makes of from, once it is settled, if it differs.
func Changing[S comparable, A fmt.Stringer](from *S, settle func(*S), step func(A, S)) func(A, func(*S)) {
	var to S // one for all steps: each is passed on by value
	return func(name A, change func(*S)) {
		to = *from
		change(&to)
		settle(&to)
		if to != *from {
			step(name, to)
		}
	}
}

// Finding is the shortest way to something that must not happen.
type Finding struct {
	What  string
	Trace []string // the first state, then each step with the state that it leads to
}

func (f *Finding) String() string { return f.What + "\n  " + strings.Join(f.Trace, "\n  ") }

// Result is what a search found.
type Result struct {
	States int      // that differ
	Steps  int      // that were tried
	Depth  int      // of the state that is furthest from the beginning
	Quiet  int      // states in which nothing is left to do
	Whole  bool     // there is no further state; false when the bound ended the search
	Found  *Finding // nil when nothing is wrong
}

// origin is how a state was reached first.
type origin struct {
	parent uint64
	step   int32 // which of the parent's steps; -1 for an initial state, whose number is then in parent
}

// All visits the states breadth first, up to most of them, and stops at the first thing that is wrong: the way to
// it is a shortest one. States are kept as hashes of 64 bits: of ten million, two are taken for one with a
// probability of 3 in a million.
func All[S comparable, A fmt.Stringer](sys System[S, A], most int) Result {
	seed := maphash.MakeSeed()
	known := map[uint64]origin{}
	var result Result
	var frontier []S
	for i, s := range sys.Initial() {
		known[maphash.Comparable(seed, s)] = origin{uint64(i), -1}
		frontier = append(frontier, s)
	}
	result.Whole = true
	for len(frontier) > 0 {
		var following []S
		for _, from := range frontier {
			n, hash := int32(0), maphash.Comparable(seed, from)
			sys.Next(from, func(name A, to S) {
				step := n
				n++
				result.Steps++
				if result.Found != nil {
					return
				}
				if what := sys.Broken(from, name, to); what != "" {
					result.Found = &Finding{What: what, Trace: retrace(sys, seed, known, hash, step)}
					return
				}
				reached := maphash.Comparable(seed, to)
				if _, seen := known[reached]; seen {
					return
				}
				if len(known) >= most {
					result.Whole = false
					return
				}
				known[reached] = origin{hash, step}
				following = append(following, to)
				if sys.Quiet(to) {
					result.Quiet++
				}
			})
			if result.Found != nil {
				result.States = len(known)
				return result
			}
		}
		if len(following) > 0 {
			result.Depth++
		}
		frontier = following
	}
	result.States = len(known)
	return result
}

// retrace shows the way to the state with this hash and the step from it.
func retrace[S comparable, A fmt.Stringer](sys System[S, A], seed maphash.Seed, known map[uint64]origin, hash uint64, last int32) []string {
	steps := []int32{last}
	o := known[hash]
	for ; o.step >= 0; o = known[o.parent] {
		steps = append(steps, o.step)
	}
	s := sys.Initial()[o.parent]
	trace := []string{"at first: " + sys.Describe(s)}
	for i, wanted := range slices.Backward(steps) {
		n := int32(0)
		var following S
		sys.Next(s, func(name A, to S) {
			if n == wanted {
				following = to
				trace = append(trace, fmt.Sprintf("%2d. %-58s %s", len(steps)-i, name, sys.Describe(to)))
			}
			n++
		})
		s = following
	}
	return trace
}
