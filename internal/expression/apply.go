package expression

import (
	"cmp"
	"maps"
	"slices"
)

type (
	pathTerm pathOperand
	sum      struct {
		left, right term
		minus       bool
	}
	ifNotExists struct {
		path  Path
		other term
	}
	listAppend struct{ left, right term }
)

func (o constant) evaluate(Item) (Value, error) { return o.v, nil }

func (t pathTerm) evaluate(item Item) (Value, error) {
	v, ok := t.In(item)
	if !ok {
		return Value{}, invalidf("The provided expression refers to an attribute that does not exist in the item")
	}
	return v, nil
}

func (t ifNotExists) evaluate(item Item) (Value, error) {
	if v, ok := t.path.In(item); ok {
		return v, nil
	}
	return t.other.evaluate(item)
}

// ErrOperand is the error of an update that cannot be made with the types that the item has.
var ErrOperand error = &Error{Message: "An operand in the update expression has an incorrect data type"}

func (t sum) evaluate(item Item) (Value, error) {
	left, right, err := both(item, t.left, t.right)
	if err != nil {
		return Value{}, err
	}
	if left.Kind != Num || right.Kind != Num {
		return Value{}, ErrOperand
	}
	operation := Number.Add
	if t.minus {
		operation = Number.Subtract
	}
	n, err := operation(left.Number(), right.Number())
	return Value{Kind: Num, Text: n.String()}, err
}

func (t listAppend) evaluate(item Item) (Value, error) {
	left, right, err := both(item, t.left, t.right)
	if err != nil {
		return Value{}, err
	}
	if left.Kind != List || right.Kind != List {
		return Value{}, ErrOperand
	}
	return Value{Kind: List, List: slices.Concat(left.List, right.List)}, nil
}

func both(item Item, left, right term) (l, r Value, err error) {
	if l, err = left.evaluate(item); err != nil {
		return l, r, err
	}
	r, err = right.evaluate(item)
	return l, r, err
}

// Apply returns a copy of item with the update made; item itself, which may be nil, stays as it is. Everything
// is computed from item before anything changes.
func (u *Update) Apply(item Item) (Item, error) {
	after := maps.Clone(item)
	if after == nil {
		after = Item{}
	}
	values := make([]Value, len(u.actions))
	for i, a := range u.actions {
		if a.term == nil {
			continue // only SET computes
		}
		v, err := a.term.evaluate(item)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	for i, a := range u.actions {
		if err := a.apply(after, values[i]); err != nil {
			return nil, err
		}
	}
	return u.closeUp(after)
}

// apply makes one change in item. Removed list elements are only marked, by a Value without Kind, so that indexes
// of other actions stay what they were.
func (a action) apply(item Item, v Value) error {
	old, exists := a.path.In(item)
	switch a.clause {
	case "SET":
		return place(item, a.path, v)
	case "REMOVE":
		if !exists {
			return a.path.removable(item)
		}
		return place(item, a.path, Value{})
	case "ADD":
		if !exists {
			return place(item, a.path, a.value)
		}
		v, err := old.plus(a.value)
		if err != nil {
			return err
		}
		return place(item, a.path, v)
	default:
		if !exists {
			return a.path.removable(item)
		}
		v, err := old.minus(a.value)
		if err != nil {
			return err
		}
		return place(item, a.path, v)
	}
}

func errPath() error {
	return invalidf("The document path provided in the update expression is invalid for update")
}

// removable reports an error if the place where the path's last part would be does not exist.
func (p Path) removable(item Item) error {
	if len(p) == 1 {
		return nil
	}
	parent, ok := p[:len(p)-1].In(item)
	last := p[len(p)-1]
	if !ok || last.index < 0 && parent.Kind != Map || last.index >= 0 && parent.Kind != List {
		return errPath()
	}
	return nil
}

// place puts v at the path, copying the maps and lists on the way.
func place(item Item, path Path, v Value) error {
	if len(path) == 1 {
		if v.Kind == "" {
			delete(item, path[0].name)
		} else {
			item[path[0].name] = v
		}
		return nil
	}
	child, ok := item[path[0].name]
	if !ok {
		return errPath()
	}
	changed, err := child.with(path[1:], v)
	if err != nil {
		return err
	}
	item[path[0].name] = changed
	return nil
}

// with is a copy of v that has w at the path.
func (v Value) with(path Path, w Value) (Value, error) {
	s := path[0]
	switch {
	case s.index < 0 && v.Kind == Map:
		v.Map = maps.Clone(v.Map)
		if v.Map == nil {
			v.Map = Item{}
		}
		return v, place(v.Map, path, w)
	case s.index >= 0 && v.Kind == List:
		v.List = slices.Clone(v.List)
		if s.index >= len(v.List) {
			if len(path) > 1 {
				return Value{}, errPath()
			}
			v.List = append(v.List, w) // an index behind the end appends
			return v, nil
		}
		if len(path) == 1 {
			v.List[s.index] = w
			return v, nil
		}
		child, err := v.List[s.index].with(path[1:], w)
		v.List[s.index] = child
		return v, err
	default:
		return Value{}, errPath()
	}
}

// closeUp takes the removed elements out of the lists that the update touched: the innermost first, for a path no
// longer leads to a list once a list around it has closed up.
func (u *Update) closeUp(item Item) (Item, error) {
	innermost := slices.SortedStableFunc(slices.Values(u.actions), func(a, b action) int { return cmp.Compare(len(b.path), len(a.path)) })
	for _, a := range innermost {
		if len(a.path) == 1 || a.clause != "REMOVE" && a.clause != "DELETE" || a.path[len(a.path)-1].index < 0 {
			continue // no list element was removed
		}
		parent := a.path[:len(a.path)-1]
		list, ok := parent.In(item)
		if !ok {
			continue // removed with all that was in it
		}
		list.List = slices.DeleteFunc(slices.Clone(list.List), func(v Value) bool { return v.Kind == "" })
		if err := place(item, parent, list); err != nil {
			return nil, err
		}
	}
	return item, nil
}

// plus is what ADD makes of v: a sum of numbers, or a union of sets.
func (v Value) plus(w Value) (Value, error) {
	if v.Kind != w.Kind {
		return Value{}, ErrOperand
	}
	if v.Kind == Num {
		n, err := v.Number().Add(w.Number())
		return Value{Kind: Num, Text: n.String()}, err
	}
	if !v.Kind.set() {
		return Value{}, ErrOperand
	}
	set := slices.Clone(v.Set)
	for _, e := range w.Set {
		if !v.hasElement(e) {
			set = append(set, e)
		}
	}
	sortSet(v.Kind, set)
	return Value{Kind: v.Kind, Set: set}, nil
}

// minus is what DELETE makes of v: the set without w's elements, and no value if nothing is left.
func (v Value) minus(w Value) (Value, error) {
	if v.Kind != w.Kind || !v.Kind.set() {
		return Value{}, ErrOperand
	}
	set := slices.DeleteFunc(slices.Clone(v.Set), w.hasElement)
	if len(set) == 0 {
		return Value{}, nil
	}
	return Value{Kind: v.Kind, Set: set}, nil
}

func (v Value) hasElement(e string) bool {
	if v.Kind == NumberSet {
		return slices.ContainsFunc(v.Set, func(x string) bool { return compareNumbers(x, e) == 0 })
	}
	return slices.Contains(v.Set, e)
}
