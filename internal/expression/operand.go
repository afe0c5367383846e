package expression

// operand is what a condition compares: a path, a constant or a size.
type operand interface {
	value(item Item) (v Value, ok bool)
	String() string
}

type pathOperand struct{ Path }

func (o pathOperand) value(item Item) (Value, bool) { return o.In(item) }

type constant struct{ v Value }

func (o constant) value(Item) (Value, bool) { return o.v, true }
func (o constant) String() string           { return "AttributeValue: " + o.v.brief() }

type sizeOperand struct{ of operand }

func (o sizeOperand) String() string { return "size(" + o.of.String() + ")" }

func (o sizeOperand) value(item Item) (Value, bool) {
	v, ok := o.of.value(item)
	if !ok {
		return Value{}, false
	}
	n, ok := v.elements()
	return Value{Kind: Num, Text: n}, ok
}

// operand parses one side of a comparison.
func (p *parser) operand() (operand, error) {
	t := p.peek()
	if t.is("(") {
		if err := p.open(); err != nil {
			return nil, err
		}
		o, err := p.operand()
		if err != nil {
			return nil, err
		}
		return o, p.expect(")")
	}
	if t.kind == valueToken {
		p.at++
		v, err := p.scope.value(p.where, t)
		return constant{v}, err
	}
	if !p.call() {
		path, err := p.path()
		return pathOperand{path}, err
	}
	if t.text != "size" {
		return nil, p.misplaced(t.text)
	}
	return p.size()
}

// size parses the function size: of a path, or of a value that has a size.
func (p *parser) size() (operand, error) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	p.at += 2
	args, err := p.arguments()
	if err != nil {
		return nil, err
	}
	if len(args) != 1 {
		return nil, p.wrongNumber("size", len(args))
	}
	switch of := args[0].(type) {
	case pathOperand:
	case constant:
		if _, ok := of.v.elements(); !ok {
			return nil, p.wrongType("size", of.v.Kind)
		}
	default:
		return nil, p.misplaced("size")
	}
	return sizeOperand{args[0]}, nil
}

// misplaced is the error for a function that is unknown, or not allowed here.
func (p *parser) misplaced(function string) error {
	switch function {
	case "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size", "if_not_exists", "list_append":
		return invalidf("Invalid %s: The function is not allowed to be used this way in an expression; function: %s", p.where, function)
	default:
		return invalidf("Invalid %s: Invalid function name; function: %s", p.where, function)
	}
}

// operandType is the error for a constant where the function wants a path.
func (p *parser) operandType(function string, t token) error {
	if _, err := p.scope.value(p.where, t); err != nil {
		return err
	}
	return invalidf("Invalid %s: Operator or function requires a document path; operator or function: %s", p.where, function)
}

// wrongType is the error for a constant of a type that the operator cannot take.
func (p *parser) wrongType(operator string, kind Kind) error {
	return invalidf("Invalid %s: Incorrect operand type for operator or function; operator or function: %s, operand type: %s", p.where, operator, kind)
}
