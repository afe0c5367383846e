package expression

import "strings"

// Condition is a parsed condition or filter expression.
type Condition struct{ root node }

// Holds reports whether the condition is true of item; a missing item is the empty one.
func (c *Condition) Holds(item Item) bool { return c.root.holds(item) }

// Condition parses a condition or filter expression; where is the request's field, for messages.
func (s *Scope) Condition(where, text string) (*Condition, error) {
	p, err := s.parser(where, text)
	if err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	return &Condition{root}, p.end()
}

func (p *parser) or() (node, error) {
	left, err := p.and()
	for err == nil && p.take("OR") {
		if err = p.operator(); err != nil {
			return nil, err
		}
		var right node
		right, err = p.and()
		left = or{left, right}
	}
	return left, err
}

func (p *parser) and() (node, error) {
	left, err := p.not()
	for err == nil && p.take("AND") {
		if err = p.operator(); err != nil {
			return nil, err
		}
		var right node
		right, err = p.not()
		left = and{left, right}
	}
	return left, err
}

func (p *parser) not() (node, error) {
	if p.take("NOT") {
		if err := p.operator(); err != nil {
			return nil, err
		}
		n, err := p.not()
		return not{n}, err
	}
	if p.peek().is("(") && !p.behind().compares() {
		if err := p.open(); err != nil {
			return nil, err
		}
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	}
	if p.call() && p.peek().text != "size" {
		return p.function()
	}
	return p.comparison()
}

func (p *parser) comparison() (node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if t.compares() {
		if err := p.operator(); err != nil {
			return nil, err
		}
	}
	switch {
	case t.is("BETWEEN"):
		p.at++
		return p.between(left)
	case t.is("IN"):
		p.at++
		return p.in(left)
	case t.is("="), t.is("<>"), t.is("<"), t.is("<="), t.is(">"), t.is(">="):
		p.at++
		right, err := p.operand()
		if err != nil {
			return nil, err
		}
		return comparison{t.text, left, right}, p.comparable(t.text, left, right)
	default:
		if _, ok := left.(sizeOperand); ok {
			return nil, p.misplaced("size") // a number is no condition
		}
		return nil, p.unexpected()
	}
}

// comparable refuses a side compared with itself, and an order of what has none.
func (p *parser) comparable(operator string, sides ...operand) error {
	if err := p.distinct(operator, sides...); err != nil {
		return err
	}
	if operator == "=" || operator == "<>" {
		return nil
	}
	for _, side := range sides {
		if c, ok := side.(constant); ok && !c.v.Kind.scalar() {
			return p.wrongType(operator, c.v.Kind)
		}
	}
	return nil
}

// distinct refuses a first operand that is one of the others too.
func (p *parser) distinct(operator string, operands ...operand) error {
	first, ok := operands[0].(pathOperand)
	if !ok {
		return nil
	}
	for _, o := range operands[1:] {
		if other, ok := o.(pathOperand); ok && samePath(first.Path, other.Path) {
			return invalidf("Invalid %s: The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", p.where, operator, first)
		}
	}
	return nil
}

func (p *parser) between(of operand) (node, error) {
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	if err := p.comparable("BETWEEN", of, low, high); err != nil {
		return nil, err
	}
	l, isLow := low.(constant)
	h, isHigh := high.(constant)
	if isLow && isHigh {
		if l.v.Kind != h.v.Kind {
			return nil, invalidf("Invalid %s: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: %s, upper bound operand: %s", p.where, l, h)
		}
		if l.v.compare(h.v) > 0 {
			return nil, invalidf("Invalid %s: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: %s, upper bound operand: %s", p.where, l, h)
		}
	}
	return and{comparison{">=", of, low}, comparison{"<=", of, high}}, nil
}

func (p *parser) in(of operand) (node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	n := in{of: of}
	for {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		n.list = append(n.list, o)
		if !p.take(",") {
			break
		}
	}
	if len(n.list) > 100 {
		return nil, invalidf("Invalid %s: The IN operator is provided with too many operands; number of operands: %d", p.where, len(n.list))
	}
	if err := p.distinct("IN", append([]operand{of}, n.list...)...); err != nil {
		return nil, err
	}
	return n, p.expect(")")
}

// function parses one of the functions that are conditions.
func (p *parser) function() (node, error) {
	name := p.peek().text
	p.at += 2
	want := map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}[name]
	if want == 0 {
		return nil, p.misplaced(name)
	}
	if err := p.operator(); err != nil {
		return nil, err
	}
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) != want {
		return nil, p.wrongNumber(name, len(args))
	}
	if p.peek().compares() {
		return nil, p.misplaced(name) // it has no value to compare
	}
	return p.functionNode(name, args)
}

// arguments parses what stands in the parentheses of a function, and the closing one.
func (p *parser) arguments() (args []operand, err error) {
	for more := !p.peek().is(")"); more; more = p.take(",") {
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		args = append(args, o)
	}
	return args, p.expect(")")
}

// wrongNumber is the error for a function with too few or too many arguments.
func (p *parser) wrongNumber(function string, n int) error {
	return invalidf("Invalid %s: Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", p.where, function, n)
}

func (p *parser) functionNode(name string, args []operand) (node, error) {
	path, isPath := args[0].(pathOperand)
	switch name {
	case "attribute_exists", "attribute_not_exists":
		if !isPath {
			return nil, invalidf("Invalid %s: Operator or function requires a document path; operator or function: %s", p.where, name)
		}
		return exists{path.Path, name == "attribute_exists"}, nil
	case "attribute_type":
		return p.attributeType(args)
	case "begins_with":
		for _, a := range args {
			if c, ok := a.(constant); ok && c.v.Kind != String && c.v.Kind != Binary {
				return nil, p.wrongType(name, c.v.Kind)
			}
		}
		return beginsWith{args[0], args[1]}, p.distinct(name, args...)
	default:
		return contains{args[0], args[1]}, p.distinct(name, args...)
	}
}

func (p *parser) attributeType(args []operand) (node, error) {
	c, ok := args[1].(constant)
	if !ok || c.v.Kind != String {
		kind := Kind("")
		if ok {
			kind = c.v.Kind
		}
		return nil, p.wrongType("attribute_type", kind)
	}
	kinds := []string{"B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"}
	if !strings.Contains(" "+strings.Join(kinds, " ")+" ", " "+c.v.Text+" ") || c.v.Text == "" {
		return nil, invalidf("Invalid %s: Invalid attribute type name found; type: %s, valid types: {%s}", p.where, c.v.Text, strings.Join(kinds, ","))
	}
	return attributeType{args[0], Kind(c.v.Text)}, nil
}

// Paths are the paths that the condition names, in its order.
func (c *Condition) Paths() (paths []Path) {
	add := func(operands ...operand) {
		for _, o := range operands {
			if s, ok := o.(sizeOperand); ok {
				o = s.of
			}
			if p, ok := o.(pathOperand); ok {
				paths = append(paths, p.Path)
			}
		}
	}
	var walk func(n node)
	walk = func(n node) {
		switch n := n.(type) {
		case and:
			walk(n.left)
			walk(n.right)
		case or:
			walk(n.left)
			walk(n.right)
		case not:
			walk(n.of)
		case exists:
			paths = append(paths, n.path)
		case comparison:
			add(n.left, n.right)
		case in:
			add(n.of)
			add(n.list...)
		case attributeType:
			add(n.of)
		case beginsWith:
			add(n.of, n.prefix)
		case contains:
			add(n.of, n.part)
		}
	}
	walk(c.root)
	return paths
}
