package expression

import (
	"slices"
	"strings"
)

// node is a condition that can be asked of an item.
type node interface{ holds(item Item) bool }

type (
	and struct{ left, right node }
	or  struct{ left, right node }
	not struct{ of node }

	exists struct {
		path Path
		want bool
	}
	comparison struct {
		operator    string
		left, right operand
	}
	in struct {
		of   operand
		list []operand
	}
	attributeType struct {
		of   operand
		kind Kind
	}
	beginsWith struct{ of, prefix operand }
	contains   struct{ of, part operand }
)

func (n and) holds(item Item) bool { return n.left.holds(item) && n.right.holds(item) }
func (n or) holds(item Item) bool  { return n.left.holds(item) || n.right.holds(item) }
func (n not) holds(item Item) bool { return !n.of.holds(item) }

func (n exists) holds(item Item) bool {
	_, ok := n.path.In(item)
	return ok == n.want
}

func (n comparison) holds(item Item) bool {
	left, hasLeft := n.left.value(item)
	right, hasRight := n.right.value(item)
	switch n.operator {
	case "=":
		return hasLeft && hasRight && left.Equal(right)
	case "<>":
		return !hasLeft || !hasRight || !left.Equal(right)
	}
	if !hasLeft || !hasRight || left.Kind != right.Kind || !left.Kind.scalar() {
		return false
	}
	c := left.compare(right)
	switch n.operator {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

func (n in) holds(item Item) bool {
	v, ok := n.of.value(item)
	if !ok {
		return false
	}
	return slices.ContainsFunc(n.list, func(o operand) bool {
		w, ok := o.value(item)
		return ok && v.Equal(w)
	})
}

func (n attributeType) holds(item Item) bool {
	v, ok := n.of.value(item)
	return ok && v.Kind == n.kind
}

func (n beginsWith) holds(item Item) bool {
	v, ok := n.of.value(item)
	prefix, hasPrefix := n.prefix.value(item)
	return ok && hasPrefix && v.Kind == prefix.Kind && (v.Kind == String || v.Kind == Binary) && strings.HasPrefix(v.Text, prefix.Text)
}

func (n contains) holds(item Item) bool {
	v, ok := n.of.value(item)
	part, hasPart := n.part.value(item)
	if !ok || !hasPart {
		return false
	}
	switch v.Kind { // nothing else contains anything
	case String, Binary:
		return part.Kind == v.Kind && strings.Contains(v.Text, part.Text)
	case List:
		return slices.ContainsFunc(v.List, part.Equal)
	case StringSet:
		return part.Kind == String && slices.Contains(v.Set, part.Text)
	case BinarySet:
		return part.Kind == Binary && slices.Contains(v.Set, part.Text)
	case NumberSet:
		return part.Kind == Num && slices.ContainsFunc(v.Set, func(e string) bool { return compareNumbers(e, part.Text) == 0 })
	default:
		return false
	}
}
