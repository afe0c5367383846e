package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// round is one counted round of a pair, in rows a second.
type round struct {
	Ours float64 `json:"ours"`
	Bare float64 `json:"bare"`
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
	Rows   int     `json:"rows"`
	Ours   spread  `json:"ours_rows_per_second"`
	Bare   spread  `json:"bare_rows_per_second"`
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

func summarize(pair string, rows int, rounds []round) result {
	var ours, bare, ratio []float64
	for _, r := range rounds {
		ours, bare, ratio = append(ours, r.Ours), append(bare, r.Bare), append(ratio, r.Ours/r.Bare)
	}
	return result{Pair: pair, Rows: rows, Ours: spreadOf(ours), Bare: spreadOf(bare), Ratio: spreadOf(ratio), Rounds: rounds}
}

// table prints the results for a person.
func table(out io.Writer, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "pair\trows\tours, rows/s\tbare, rows/s\tours/bare\tmin..max\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.2f\t%.2f..%.2f\t\n",
			r.Pair, r.Rows, r.Ours.Median, r.Bare.Median, r.Ratio.Median, r.Ratio.Min, r.Ratio.Max)
	}
	return w.Flush()
}
