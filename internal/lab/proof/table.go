package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what a part came to.
type result struct {
	part
	err    error
	took   time.Duration
	counts []int // of what the part covers
}

func (r result) outcome() string {
	if r.err != nil {
		return "FAILED: " + r.err.Error()
	}
	return "passed"
}

// table says what has been covered.
func table(results []result) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "part\ttook\toutcome\tcovered")
	total := time.Duration(0)
	for _, r := range results {
		total += r.took
		covered := make([]string, len(r.counts))
		for i, n := range r.counts {
			covered[i] = fmt.Sprintf("%d %s", n, r.covers[i].what)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.name, r.took.Round(time.Second), r.outcome(), strings.Join(covered, ", "))
	}
	fmt.Fprintf(w, "in all\t%s\n", total.Round(time.Second))
	_ = w.Flush() // into memory
	return text.String()
}
