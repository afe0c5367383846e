package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// round is one counted round of a pair.
type round struct {
	Ours sample `json:"ours"`
	Bare sample `json:"bare"`
}

// spread is a median between its extremes.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// result is what the rounds of a pair came to.
type result struct {
	Pair   string  `json:"pair"`
	Target float64 `json:"target"` // for the ratio, at least; 0 is none
	Rows   int     `json:"rows"`
	Ours   sample  `json:"ours"` // each figure the median of the rounds
	Bare   sample  `json:"bare"`
	Ratio  spread  `json:"ratio"` // of ours to bare in the same round: above 1 ours is faster
	Rounds []round `json:"rounds"`
}

// spreadOf is the zero spread if there are no values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

func summarize(p pair, rows int, rounds []round) result {
	r := result{Pair: p.name, Target: p.target, Rows: rows, Rounds: rounds}
	r.Ours = medians(rounds, func(r round) sample { return r.Ours })
	r.Bare = medians(rounds, func(r round) sample { return r.Bare })
	var ratios []float64
	for _, at := range rounds {
		ratios = append(ratios, at.Ours.Rate/at.Bare.Rate)
	}
	r.Ratio = spreadOf(ratios)
	return r
}

func medians(rounds []round, side func(round) sample) sample {
	median := func(figure func(sample) float64) float64 {
		var values []float64
		for _, r := range rounds {
			values = append(values, figure(side(r)))
		}
		return spreadOf(values).Median
	}
	return sample{
		Rate:   median(func(s sample) float64 { return s.Rate }),
		CPU:    median(func(s sample) float64 { return s.CPU }),
		Allocs: median(func(s sample) float64 { return s.Allocs }),
		Bytes:  median(func(s sample) float64 { return s.Bytes }),
		Host:   median(func(s sample) float64 { return s.Host }),
	}
}

func (r result) target() string {
	if r.Target == 0 {
		return "–"
	}
	return fmt.Sprint(r.Target)
}

// verdict is whether the median is as the target has it.
func (r result) verdict() string {
	switch {
	case r.Target == 0:
		return "–"
	case r.Ratio.Median >= r.Target:
		return "met"
	}
	return "missed"
}

// table prints the results for a person.
func table(out io.Writer, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "pair\trows\tours, rows/s\tbare, rows/s\tours/bare\tmin..max\tat least\tCPU µs/row\tbare\tallocs/row\tbare\tB/row\tbare\thost's CPU\tbare\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.2f\t%.2f..%.2f\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f\t%.0f\t%.1f\t%.1f\t\n",
			r.Pair, r.Rows, r.Ours.Rate, r.Bare.Rate, r.Ratio.Median, r.Ratio.Min, r.Ratio.Max, r.target(),
			r.Ours.CPU, r.Bare.CPU, r.Ours.Allocs, r.Bare.Allocs, r.Ours.Bytes, r.Bare.Bytes, r.Ours.Host, r.Bare.Host)
	}
	return w.Flush()
}

// markdown prints the two tables of docs/PERFORMANCE.md.
func markdown(out io.Writer, results []result) error {
	var b strings.Builder
	b.WriteString("| path | at least | ours / bare | min – max | | ours, rows/s | bare, rows/s |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | **%.2f** | %.2f – %.2f | %s | %.0f | %.0f |\n",
			r.Pair, r.target(), r.Ratio.Median, r.Ratio.Min, r.Ratio.Max, r.verdict(), r.Ours.Rate, r.Bare.Rate)
	}
	b.WriteString("\n| path, for each row | CPU µs, ours | bare | allocations, ours | bare | bytes allocated, ours | bare | CPU µs of the services, ours | bare |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.1f | %.1f | %.0f | %.0f | %.1f | %.1f |\n",
			r.Pair, r.Ours.CPU, r.Bare.CPU, r.Ours.Allocs, r.Bare.Allocs, r.Ours.Bytes, r.Bare.Bytes, r.Ours.Host, r.Bare.Host)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// goBenchmark prints our side of each round as Go's testing package would, for benchstat.
func goBenchmark(out io.Writer, results []result) error {
	var b strings.Builder
	for _, r := range results {
		for _, at := range r.Rounds {
			fmt.Fprintf(&b, "Benchmark/%s %d %.1f ns/op %.1f B/op %.2f allocs/op %.1f cpu-ns/op %.0f rows/s\n",
				r.Pair, r.Rows, 1e9/at.Ours.Rate, at.Ours.Bytes, at.Ours.Allocs, 1e3*at.Ours.CPU, at.Ours.Rate)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
