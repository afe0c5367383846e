// Package flame draws a CPU profile as a flame graph, an SVG that needs no script: a frame's width is its share of the
// samples, its callers are below it, and its title, which browsers show under the pointer, says how much it is.
package flame

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

const (
	width     = 1200.0
	height    = 16   // of a frame
	header    = 24   // of the title's line
	letter    = 6.2  // how wide a letter is
	narrowest = 0.25 // percent of the samples; what is less is not drawn
)

// node is a function under its callers.
type node struct {
	name  string
	value int64
	calls map[string]*node
}

func (n *node) call(name string) *node {
	if n.calls == nil {
		n.calls = map[string]*node{}
	}
	if n.calls[name] == nil {
		n.calls[name] = &node{name: name}
	}
	return n.calls[name]
}

// Graph draws a profile as pprof writes it, by the last of its values, the time.
func Graph(data []byte, title string) ([]byte, error) {
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	root := &node{name: "all"}
	for _, s := range p.Sample {
		root.add(s)
	}
	if root.value == 0 {
		return nil, fmt.Errorf("the profile has no samples")
	}
	g := &graph{total: float64(root.value)}
	top := header + g.deepest(root)*height
	fmt.Fprintf(&g.out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="sans-serif" font-size="10">`+"\n", width, top)
	fmt.Fprintf(&g.out, `<text x="4" y="16" font-size="14">%s</text>`+"\n", escape(title))
	g.draw(root, 0, top)
	g.out.WriteString("</svg>\n")
	return g.out.Bytes(), nil
}

// add adds a sample's stack, which begins with the innermost frame.
func (n *node) add(s *profile.Sample) {
	value := s.Value[len(s.Value)-1]
	n.value += value
	for _, location := range slices.Backward(s.Location) {
		for _, line := range slices.Backward(location.Line) { // inlined calls share a location
			n = n.call(line.Function.Name)
			n.value += value
		}
	}
}

type graph struct {
	total float64
	out   bytes.Buffer
}

func (g *graph) percent(n *node) float64 { return 100 * float64(n.value) / g.total }

// deepest is how many frames are drawn above each other.
func (g *graph) deepest(n *node) int {
	depth := 0
	for _, c := range n.calls {
		if g.percent(c) >= narrowest {
			depth = max(depth, g.deepest(c))
		}
	}
	return depth + 1
}

func (g *graph) draw(n *node, x float64, bottom int) {
	w := width * float64(n.value) / g.total
	y := bottom - height
	fmt.Fprintf(&g.out, `<g><title>%s, %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`,
		escape(n.name), g.percent(n), x, y, max(w-0.3, 0.1), height-1, color(n.name))
	if label := shorten(n.name, int(w/letter)); label != "" {
		fmt.Fprintf(&g.out, `<text x="%.1f" y="%d">%s</text>`, x+2, y+11, escape(label))
	}
	g.out.WriteString("</g>\n")
	for _, name := range slices.Sorted(maps.Keys(n.calls)) {
		c := n.calls[name]
		if g.percent(c) >= narrowest {
			g.draw(c, x, y)
		}
		x += width * float64(c.value) / g.total
	}
}

// shorten drops the path of a function's package, and what does not fit.
func shorten(name string, letters int) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case letters < 4:
		return ""
	case len(name) > letters:
		return strings.ToValidUTF8(name[:letters-1], "") + "…"
	}
	return name
}

// color tells this project's code from the others': the runtime's, and libraries'.
func color(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // it never fails
	shade := h.Sum32() % 25
	switch {
	case strings.Contains(name, "crossfade"):
		return fmt.Sprintf("hsl(20,85%%,%d%%)", 62+shade/2)
	case strings.HasPrefix(name, "runtime."):
		return fmt.Sprintf("hsl(210,20%%,%d%%)", 72+shade/2)
	}
	return fmt.Sprintf("hsl(45,70%%,%d%%)", 68+shade/2)
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer never fails
	return b.String()
}
