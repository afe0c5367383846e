package expression

import (
	"fmt"
)

// step is one part of a path: a name, or an index into a list.
type step struct {
	name  string
	index int // -1 for a name
}

// Path is a document path such as a.b[0].
type Path []step

// Top is the name of the attribute that the path begins with.
func (p Path) Top() string { return p[0].name }

// Nested reports whether the path goes into a map or a list.
func (p Path) Nested() bool { return len(p) > 1 }

func (p Path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		if s.index >= 0 {
			parts[i] = fmt.Sprintf("[%d]", s.index)
		} else {
			parts[i] = s.name
		}
	}
	return joined(parts)
}

// In returns the value at the path, and false if there is none.
func (p Path) In(item Item) (Value, bool) {
	v, ok := item[p[0].name]
	for _, s := range p[1:] {
		if !ok {
			return Value{}, false
		}
		v, ok = s.in(v)
	}
	return v, ok
}

func (s step) in(v Value) (Value, bool) {
	if s.index < 0 {
		child, ok := v.Map[s.name]
		return child, ok
	}
	if s.index >= len(v.List) {
		return Value{}, false
	}
	return v.List[s.index], true
}

// relation says how two paths of one update or projection stand to each other.
type relation uint8

const (
	apart relation = iota
	overlap
	conflict // one goes into a map and the other into a list at the same place
)

func (p Path) relate(q Path) relation {
	for i := range min(len(p), len(q)) {
		switch {
		case (p[i].index < 0) != (q[i].index < 0):
			return conflict
		case p[i] != q[i]:
			return apart
		}
	}
	return overlap
}

// checkPaths refuses paths that overlap or contradict each other.
func checkPaths(where string, paths []Path) error {
	for i, p := range paths {
		for _, q := range paths[:i] {
			switch p.relate(q) {
			case overlap:
				return invalidf("Invalid %s: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", where, q, p)
			case conflict:
				return invalidf("Invalid %s: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", where, q, p)
			case apart:
			}
		}
	}
	return nil
}

func samePath(p, q Path) bool { return len(p) == len(q) && p.relate(q) == overlap }

// Projection is a list of paths: what a read returns of an item.
type Projection []Path

// Projection parses a projection expression.
func (s *Scope) Projection(where, text string) (Projection, error) {
	p, err := s.parser(where, text)
	if err != nil {
		return nil, err
	}
	var paths Projection
	for {
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
		if !p.take(",") {
			break
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return paths, checkPaths(where, paths)
}

// Of returns the parts of item that the projection names. Elements of lists close up, in their order.
func (p Projection) Of(item Item) Item {
	root := &tree{}
	for _, path := range p {
		root.add(path)
	}
	out, _ := root.of(Value{Kind: Map, Map: item})
	return out.Map
}

// tree is the paths of a projection, by their steps.
type tree struct {
	whole    bool
	children map[step]*tree
}

func (t *tree) add(p Path) {
	if len(p) == 0 {
		t.whole = true
		return
	}
	if t.children == nil {
		t.children = map[step]*tree{}
	}
	child := t.children[p[0]]
	if child == nil {
		child = &tree{}
		t.children[p[0]] = child
	}
	child.add(p[1:])
}

func (t *tree) of(v Value) (Value, bool) {
	if t.whole {
		return v, true
	}
	out := Value{Kind: v.Kind}
	switch v.Kind { // nothing else has parts
	case Map:
		out.Map = Item{}
		for s, child := range t.children {
			if part, ok := s.in(v); ok && s.index < 0 {
				if part, ok = child.of(part); ok {
					out.Map[s.name] = part
				}
			}
		}
		return out, len(out.Map) > 0
	case List:
		for i, e := range v.List {
			if child := t.children[step{index: i}]; child != nil {
				if part, ok := child.of(e); ok {
					out.List = append(out.List, part)
				}
			}
		}
		return out, len(out.List) > 0
	default:
		return Value{}, false
	}
}
