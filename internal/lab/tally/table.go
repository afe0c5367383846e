package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// tally is what all runs came to.
type tally struct {
	parts  []string // in the order in which they were first run
	took   map[string][]time.Duration
	cpu    map[string][]time.Duration
	times  map[string]map[string][]time.Duration // of each package, by part
	failed map[string]map[string]int             // in how many runs a test failed, by part
	green  map[string]int                        // runs without a failure, by part
}

func newTally() *tally {
	return &tally{
		took: map[string][]time.Duration{}, cpu: map[string][]time.Duration{}, times: map[string]map[string][]time.Duration{},
		failed: map[string]map[string]int{}, green: map[string]int{},
	}
}

func (t *tally) add(r run) {
	if _, known := t.took[r.part]; !known {
		t.parts = append(t.parts, r.part)
		t.times[r.part], t.failed[r.part] = map[string][]time.Duration{}, map[string]int{}
	}
	t.took[r.part] = append(t.took[r.part], r.took)
	t.cpu[r.part] = append(t.cpu[r.part], r.cpu)
	for name, took := range r.packages {
		t.times[r.part][name] = append(t.times[r.part][name], took)
	}
	for _, test := range r.failed {
		t.failed[r.part][test]++
	}
	if len(r.failed) == 0 {
		t.green[r.part]++
	}
}

// failures is how many there were in all.
func (t *tally) failures() (n int) {
	for _, tests := range t.failed {
		for _, times := range tests {
			n += times
		}
	}
	return n
}

// slow is what a package takes at least to have a line of its own.
const slow = 5 * time.Second

// table says how often each part was green and how long it took, and which tests failed.
func (t *tally) table() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "part\tgreen\tmin\tmedian\tmax\tprocessor time")
	for _, part := range t.parts {
		fmt.Fprintf(w, "%s\t%d of %d\t%s\t%s\n", part, t.green[part], len(t.took[part]), spread(t.took[part]), median(t.cpu[part]).Round(time.Second))
		times := t.times[part]
		names := slices.DeleteFunc(slices.Collect(maps.Keys(times)), func(name string) bool {
			return len(times) == 1 || median(times[name]) < slow
		})
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(median(times[b]), median(times[a])), cmp.Compare(a, b))
		})
		for _, name := range names {
			fmt.Fprintf(w, "  %s\t\t%s\t\n", name, spread(times[name]))
		}
	}
	if t.failures() > 0 {
		fmt.Fprintln(w, "\ntest\tfailed\t\t\t\t")
	}
	for _, part := range t.parts {
		tests := t.failed[part]
		names := slices.SortedFunc(maps.Keys(tests), func(a, b string) int {
			return cmp.Or(cmp.Compare(tests[b], tests[a]), cmp.Compare(a, b))
		})
		for _, name := range names {
			fmt.Fprintf(w, "%s\t%d of %d\t\t\t\t\n", name, tests[name], len(t.took[part]))
		}
	}
	_ = w.Flush() // into memory
	return text.String()
}

// spread is the shortest, the median and the longest.
func spread(times []time.Duration) string {
	round := func(d time.Duration) time.Duration { return d.Round(time.Second) }
	return fmt.Sprintf("%s\t%s\t%s", round(slices.Min(times)), round(median(times)), round(slices.Max(times)))
}

// median is the middle one, the lower of two.
func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[(len(times)-1)/2]
}
