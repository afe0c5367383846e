package expression

import "slices"

// Clause is one part of a key condition: a key attribute, an operator, and one value, or two for BETWEEN.
type Clause struct {
	Name     string
	Operator string // = < <= > >= BETWEEN begins_with
	Values   []Value
}

// Holds reports whether the clause is true of a key attribute's value.
func (c Clause) Holds(v Value) bool {
	item := Item{c.Name: v}
	of := pathOperand{Path{{name: c.Name, index: -1}}}
	switch c.Operator {
	case "BETWEEN":
		return comparison{">=", of, constant{c.Values[0]}}.holds(item) && comparison{"<=", of, constant{c.Values[1]}}.holds(item)
	case "begins_with":
		return beginsWith{of, constant{c.Values[0]}}.holds(item)
	default:
		return comparison{c.Operator, of, constant{c.Values[0]}}.holds(item)
	}
}

// KeyCondition parses a KeyConditionExpression into its clauses, joined by AND. Which attributes they may name is
// the caller's to check.
func (s *Scope) KeyCondition(text string) ([]Clause, error) {
	const where = "KeyConditionExpression"
	c, err := s.Condition(where, text)
	if err != nil {
		return nil, err
	}
	all, err := clauses(where, c.root)
	if err != nil {
		return nil, err
	}
	for i, c := range all {
		if slices.ContainsFunc(all[:i], func(other Clause) bool { return other.Name == c.Name }) {
			return nil, invalidf("KeyConditionExpressions must only contain one condition per key")
		}
	}
	return all, nil
}

func clauses(where string, n node) ([]Clause, error) {
	switch n := n.(type) {
	case and:
		if c, ok := betweenClause(n); ok {
			return []Clause{c}, nil
		}
		left, err := clauses(where, n.left)
		if err != nil {
			return nil, err
		}
		right, err := clauses(where, n.right)
		return append(left, right...), err
	case comparison:
		operator, path, value := n.operator, n.left, n.right
		if _, ok := path.(constant); ok {
			path, value = value, path
			operator = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=", "<>": "<>"}[operator]
		}
		if operator == "<>" {
			return nil, invalidf("Invalid operator used in %s: <>", where)
		}
		return clause(where, operator, path, value)
	case beginsWith:
		return clause(where, "begins_with", n.of, n.prefix)
	case or:
		return nil, invalidf("Invalid operator used in %s: OR", where)
	case not:
		return nil, invalidf("Invalid operator used in %s: NOT", where)
	case in:
		return nil, invalidf("Invalid operator used in %s: IN", where)
	case exists:
		if n.want {
			return nil, invalidf("Invalid operator used in %s: attribute_exists", where)
		}
		return nil, invalidf("Invalid operator used in %s: attribute_not_exists", where)
	case attributeType:
		return nil, invalidf("Invalid operator used in %s: attribute_type", where)
	default:
		return nil, invalidf("Invalid operator used in %s: contains", where)
	}
}

func clause(where, operator string, of, value operand) ([]Clause, error) {
	path, isPath := of.(pathOperand)
	v, isValue := value.(constant)
	_, isSize := of.(sizeOperand)
	_, alsoSize := value.(sizeOperand)
	_, alsoPath := value.(pathOperand)
	switch {
	case isSize || alsoSize:
		return nil, invalidf("%ss cannot contain nested operations", where)
	case isPath && alsoPath:
		return nil, invalidf("Invalid condition in %s: Multiple attribute names used in one condition", where)
	case !isPath && alsoPath:
		return nil, invalidf("Invalid condition in %s: %s operator must have the key attribute as its first operand", where, operator)
	case !isPath || !isValue:
		return nil, invalidf("Invalid condition in %s: No key attribute specified", where)
	}
	if len(path.Path) > 1 {
		return nil, invalidf("%ss cannot have conditions on nested attributes", where)
	}
	return []Clause{{Name: path.Top(), Operator: operator, Values: []Value{v.v}}}, nil
}

// betweenClause recognises how the parser writes BETWEEN.
func betweenClause(n and) (Clause, bool) {
	low, ok := n.left.(comparison)
	high, ok2 := n.right.(comparison)
	if !ok || !ok2 || low.operator != ">=" || high.operator != "<=" {
		return Clause{}, false
	}
	path, isPath := low.left.(pathOperand)
	other, isOther := high.left.(pathOperand)
	l, isLow := low.right.(constant)
	h, isHigh := high.right.(constant)
	if !isPath || !isOther || !isLow || !isHigh || len(path.Path) != 1 || !samePath(path.Path, other.Path) {
		return Clause{}, false
	}
	return Clause{Name: path.Top(), Operator: "BETWEEN", Values: []Value{l.v, h.v}}, true
}
