package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// system is a machine whose states are compared and hashed; states must be values without pointers.
type system[S comparable] interface {
	// initial lists the states in which it may begin.
	initial() []S
	// next calls step for each state that can follow, always in the same order.
	next(from S, step func(name action, to S))
	// broken says what is wrong about the step, or about the state that it leads to; empty when nothing is.
	broken(from S, name action, to S) string
	// describe shows a state in a line.
	describe(S) string
}

// action names a step, without the cost of a text: most of them are never shown.
type action struct {
	verb   verb
	object int8
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
	Quiet  int      // states in which everything has been applied
	Whole  bool     // there is no further state; false when the bound ended the search
	Found  *Finding // nil when nothing is wrong
}

// origin is how a state was reached first.
type origin struct {
	parent uint64
	step   int32 // which of the parent's steps; -1 for an initial state, whose number is then in parent
}

// search visits the states breadth first, up to most of them, and stops at the first thing that is wrong: the way to
// it is a shortest one. States are kept as hashes of 64 bits: of ten million, two are taken for one with a
// probability of 3 in a million.
func search[S comparable](sys system[S], most int) Result {
	seed := maphash.MakeSeed()
	known := map[uint64]origin{}
	var result Result
	var frontier []S
	for i, s := range sys.initial() {
		known[maphash.Comparable(seed, s)] = origin{uint64(i), -1}
		frontier = append(frontier, s)
	}
	result.Whole = true
	for len(frontier) > 0 {
		var following []S
		for _, from := range frontier {
			n, hash := int32(0), maphash.Comparable(seed, from)
			sys.next(from, func(name action, to S) {
				step := n
				n++
				result.Steps++
				if result.Found != nil {
					return
				}
				if what := sys.broken(from, name, to); what != "" {
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
				if q, ok := any(sys).(interface{ quiet(S) bool }); ok && q.quiet(to) {
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
func retrace[S comparable](sys system[S], seed maphash.Seed, known map[uint64]origin, hash uint64, last int32) []string {
	steps := []int32{last}
	o := known[hash]
	for ; o.step >= 0; o = known[o.parent] {
		steps = append(steps, o.step)
	}
	s := sys.initial()[o.parent]
	trace := []string{"at first: " + sys.describe(s)}
	for i, wanted := range slices.Backward(steps) {
		n := int32(0)
		var following S
		sys.next(s, func(name action, to S) {
			if n == wanted {
				following = to
				trace = append(trace, fmt.Sprintf("%2d. %-58s %s", len(steps)-i, name, sys.describe(to)))
			}
			n++
		})
		s = following
	}
	return trace
}
