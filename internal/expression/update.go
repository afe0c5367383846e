package expression

import (
	"cmp"
	"slices"
	"strings"
)

// Update is a parsed update expression.
type Update struct {
	actions []action
}

// Paths are the paths that the update changes.
func (u *Update) Paths() []Path {
	paths := make([]Path, len(u.actions))
	for i, a := range u.actions {
		paths[i] = a.path
	}
	return paths
}

// Creates reports whether the update makes an item that is not there. One that only takes away does not; one without any
// action does.
func (u *Update) Creates() bool {
	return len(u.actions) == 0 || slices.ContainsFunc(u.actions, func(a action) bool { return a.clause == "SET" || a.clause == "ADD" })
}

type action struct {
	clause string // SET, REMOVE, ADD or DELETE
	path   Path
	term   term  // SET
	value  Value // ADD, DELETE
}

// term is the right side of a SET.
type term interface {
	// evaluate computes the term on the item as it was before the update.
	evaluate(item Item) (Value, error)
}

// Update parses an update expression.
func (s *Scope) Update(where, text string) (*Update, error) {
	p, err := s.parser(where, text)
	if err != nil {
		return nil, err
	}
	u := &Update{}
	seen := map[string]bool{}
	for p.peek().kind != endToken {
		t := p.peek()
		clause := strings.ToUpper(t.text)
		if t.kind != wordToken || clause != "SET" && clause != "REMOVE" && clause != "ADD" && clause != "DELETE" {
			return nil, p.unexpected()
		}
		p.at++
		if seen[clause] {
			return nil, invalidf("Invalid %s: The \"%s\" section can only be used once in an update expression;", where, clause)
		}
		seen[clause] = true
		for more := true; more; more = p.take(",") {
			a, err := p.action(clause)
			if err != nil {
				return nil, err
			}
			u.actions = append(u.actions, a)
		}
	}
	if err := checkPaths(where, u.Paths()); err != nil {
		return nil, err
	}
	// Elements set behind the end of a list are appended in the order of their indexes.
	slices.SortStableFunc(u.actions, func(a, b action) int {
		return cmp.Compare(a.path[len(a.path)-1].index, b.path[len(b.path)-1].index)
	})
	return u, nil
}

func (p *parser) action(clause string) (action, error) {
	path, err := p.path()
	if err != nil || clause == "REMOVE" {
		return action{clause: clause, path: path}, err
	}
	if clause == "SET" {
		if err := p.expect("="); err != nil {
			return action{}, err
		}
		t, err := p.sum()
		return action{clause: clause, path: path, term: t}, err
	}
	t := p.peek()
	if t.kind != valueToken {
		return action{}, p.unexpected()
	}
	p.at++
	v, err := p.scope.value(p.where, t)
	if err != nil {
		return action{}, err
	}
	if !v.Kind.set() && (clause == "DELETE" || v.Kind != Num) {
		return action{}, invalidf("Invalid %s: Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", p.where, clause, v.Kind.long(), clause)
	}
	return action{clause: clause, path: path, value: v}, nil
}

// sum parses a term, or two joined by + or -, or a list_append; only here can it be in parentheses with its operator.
func (p *parser) sum() (term, error) {
	if p.peek().is("(") && !p.behind().is("+") && !p.behind().is("-") {
		if err := p.open(); err != nil {
			return nil, err
		}
		inner, err := p.sum()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	if p.call() && p.peek().text == "list_append" {
		return p.listAppend()
	}
	left, err := p.term()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if !t.is("+") && !t.is("-") {
		return left, nil
	}
	if err := p.operator(); err != nil {
		return nil, err
	}
	p.at++
	right, err := p.term()
	if err != nil {
		return nil, err
	}
	for _, side := range []term{left, right} {
		if c, ok := side.(constant); ok && c.v.Kind != Num {
			return nil, p.wrongType(t.text, c.v.Kind)
		}
	}
	return sum{left, right, t.text == "-"}, nil
}

func (p *parser) term() (term, error) {
	t := p.peek()
	switch {
	case t.is("("):
		if err := p.open(); err != nil {
			return nil, err
		}
		inner, err := p.term()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	case p.call() && t.text == "if_not_exists":
		if err := p.operator(); err != nil {
			return nil, err
		}
		p.at += 2
		path, err := p.document("if_not_exists")
		if err != nil {
			return nil, err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
		other, err := p.term()
		if err != nil {
			return nil, err
		}
		return ifNotExists{path, other}, p.expect(")")
	case p.call():
		return nil, p.misplaced(t.text)
	}
	o, err := p.operand()
	if err != nil {
		return nil, err
	}
	if path, ok := o.(pathOperand); ok {
		return pathTerm(path), nil
	}
	return o.(constant), nil
}

func (p *parser) listAppend() (term, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	p.at += 2
	left, err := p.term()
	if err != nil {
		return nil, err
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	right, err := p.term()
	if err != nil {
		return nil, err
	}
	for _, side := range []term{left, right} {
		if c, ok := side.(constant); ok && c.v.Kind != List {
			return nil, p.wrongType("list_append", c.v.Kind)
		}
	}
	return listAppend{left, right}, p.expect(")")
}
