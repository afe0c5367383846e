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

// The ratio's median is of the rounds' ratios: here the ratio of the medians would be 1.
func TestSummarizeTakesTheRatioWithinARound(t *testing.T) {
	r := summarize("p", 10, []round{{Ours: 100, Bare: 50}, {Ours: 200, Bare: 100}, {Ours: 50, Bare: 200}})
	require.Equal(t, spread{100, 50, 200}, r.Ours)
	require.Equal(t, spread{100, 50, 200}, r.Bare)
	require.Equal(t, spread{2, 0.25, 2}, r.Ratio)
}

func TestTable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, table(&out, []result{summarize("capture", 10, []round{{Ours: 150, Bare: 100}, {Ours: 80, Bare: 100}})}))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, []string{"capture", "10", "115", "100", "1.15", "0.80..1.50"}, strings.Fields(lines[1]))
}
