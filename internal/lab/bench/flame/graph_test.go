package flame_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/lab/bench/flame"
)

// stacks is a profile of such stacks, the innermost function first, each with its weight.
func stacks(t *testing.T, weights map[string]int64) []byte {
	t.Helper()
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	functions := map[string]*profile.Location{}
	for stack, weight := range weights {
		s := &profile.Sample{Value: []int64{weight}}
		for name := range strings.FieldsSeq(stack) {
			if functions[name] == nil {
				id := uint64(len(functions) + 1)
				f := &profile.Function{ID: id, Name: name}
				functions[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, functions[name])
			}
			s.Location = append(s.Location, functions[name])
		}
		p.Sample = append(p.Sample, s)
	}
	var out bytes.Buffer
	require.NoError(t, p.Write(&out))
	return out.Bytes()
}

func TestGraph(t *testing.T) {
	svg, err := flame.Graph(stacks(t, map[string]int64{
		"a/b.leaf main.run": 600, "main.other main.run": 399, "main.rare main.run": 1,
	}), "one <run>")
	require.NoError(t, err)
	text := string(svg)
	require.Contains(t, text, "one &lt;run&gt;")
	require.Contains(t, text, "<title>main.run, 100.0 %</title>")
	require.Contains(t, text, "<title>a/b.leaf, 60.0 %</title>")
	require.Contains(t, text, ">b.leaf</text>", "a label has no path")
	require.NotContains(t, text, "main.rare", "too narrow to be seen")
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
}

func TestGraphOfNothing(t *testing.T) {
	_, err := flame.Graph([]byte("no profile"), "")
	require.Error(t, err)
	_, err = flame.Graph(stacks(t, nil), "")
	require.ErrorContains(t, err, "no samples")
}
