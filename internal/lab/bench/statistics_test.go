package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   spread
	}{
		"none":                          {nil, spread{}},
		"one":                           {[]float64{7}, spread{7, 7, 7}},
		"an odd number, in any order":   {[]float64{9, 1, 4}, spread{4, 1, 9}},
		"an even number: between both":  {[]float64{8, 2, 4, 1}, spread{3, 1, 8}},
		"an outlier moves only the end": {[]float64{2, 2, 2, 2, 900}, spread{2, 2, 900}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, spreadOf(c.values)) })
	}
}

func TestSpreadLeavesItsValuesAlone(t *testing.T) {
	values := []float64{3, 1, 2}
	spreadOf(values)
	require.Equal(t, []float64{3, 1, 2}, values)
}

func rates(ours, bare float64) round {
	return round{Ours: sample{Rate: ours}, Bare: sample{Rate: bare}}
}

// The ratio's median is of the rounds' ratios: here the ratio of the medians would be 1.
func TestSummarizeTakesTheRatioWithinARound(t *testing.T) {
	r := summarize(pair{name: "p"}, 10, []round{rates(100, 50), rates(200, 100), rates(50, 200)})
	require.Equal(t, 100.0, r.Ours.Rate)
	require.Equal(t, 100.0, r.Bare.Rate)
	require.Equal(t, spread{2, 0.25, 2}, r.Ratio)
}

var results = []result{
	summarize(pair{name: "control"}, 10, []round{rates(100, 100)}),
	summarize(pair{name: "capture", target: 1.2}, 10, []round{rates(150, 100), rates(80, 100)}),
	summarize(pair{name: "snapshot", target: 1.1}, 10, []round{rates(150, 100), rates(80, 100)}),
}

func TestTable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, table(&out, results[1:2]))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, []string{"capture", "10", "115", "100", "1.15", "0.80..1.50", "1.2"}, strings.Fields(lines[1])[:7])
}

func TestMarkdownSaysWhatWasMissed(t *testing.T) {
	var out strings.Builder
	require.NoError(t, markdown(&out, results))
	require.Contains(t, out.String(), "| control | – | **1.00** | 1.00 – 1.00 | – | 100 | 100 |\n")
	require.Contains(t, out.String(), "| capture | 1.2 | **1.15** | 0.80 – 1.50 | missed | 115 | 100 |\n")
	require.Contains(t, out.String(), "| snapshot | 1.1 | **1.15** | 0.80 – 1.50 | met | 115 | 100 |\n")
}

func TestGoBenchmarkHasEachRound(t *testing.T) {
	var out strings.Builder
	require.NoError(t, goBenchmark(&out, results[1:2]))
	require.Equal(t, 2, strings.Count(out.String(), "Benchmark/capture 10 "))
	require.Contains(t, out.String(), " 12500000.0 ns/op ")
}
