package expression

import "strconv"

// maxExpressionBytes is DynamoDB's limit of one expression; it bounds the parser's recursion too.
const maxExpressionBytes = 4096

// maxOperators is how many operators and functions an expression may have; parentheses are none.
const maxOperators = 300

// parser reads the tokens of one expression.
type parser struct {
	scope  *Scope
	where  string // the request's field, for messages
	text   string
	tokens []token
	at     int

	operators int
}

// operator counts an operator or a function.
func (p *parser) operator() error {
	if p.operators++; p.operators > maxOperators {
		return invalidf("Invalid %s: The expression contains too many operators; operator count: %d", p.where, p.operators)
	}
	return nil
}

func (s *Scope) parser(where, text string) (*parser, error) {
	if len(text) > maxExpressionBytes {
		return nil, invalidf("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", where, len(text))
	}
	tokens, err := tokenize(where, text)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 1 {
		return nil, invalidf("Invalid %s: The expression can not be empty;", where)
	}
	return &parser{scope: s, where: where, text: text, tokens: tokens}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

// take moves on if the token is this symbol or keyword.
func (p *parser) take(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(text string) error {
	if p.take(text) {
		return nil
	}
	return p.unexpected()
}

func (p *parser) end() error {
	if p.peek().kind == endToken {
		return nil
	}
	return p.unexpected()
}

func (p *parser) unexpected() error {
	at := p.tokens[p.at]
	return syntaxError(p.where, p.text, p.tokens[max(p.at-1, 0)], at, p.tokens[min(p.at+1, len(p.tokens)-1)])
}

// call reports whether the next tokens are a word and an opening parenthesis: a function.
func (p *parser) call() bool {
	return p.peek().kind == wordToken && p.tokens[p.at+1].is("(")
}

// matching is the index of the parenthesis that closes the one at index at; behind the end if there is none.
func (p *parser) matching(at int) int {
	for depth := 0; at < len(p.tokens); at++ {
		switch t := p.tokens[at]; {
		case t.is("("):
			depth++
		case t.is(")"):
			if depth--; depth == 0 {
				return at
			}
		}
	}
	return at
}

// behind is the token behind what the parenthesis at this place encloses.
func (p *parser) behind() token { return p.tokens[min(p.matching(p.at)+1, len(p.tokens)-1)] }

// open moves behind an opening parenthesis, unless what it encloses stands in parentheses already.
func (p *parser) open() error {
	if p.tokens[p.at+1].is("(") && p.matching(p.at+1)+1 == p.matching(p.at) {
		return invalidf("Invalid %s: The expression has redundant parentheses;", p.where)
	}
	p.at++
	return nil
}

// document parses the path that a function wants.
func (p *parser) document(function string) (path Path, err error) {
	if t := p.peek(); t.kind == valueToken {
		return nil, p.operandType(function, t)
	}
	if !p.peek().is("(") {
		return p.path()
	}
	if err = p.open(); err == nil {
		path, err = p.document(function)
	}
	if err != nil {
		return nil, err
	}
	return path, p.expect(")")
}

func (p *parser) path() (Path, error) {
	t := p.peek()
	if t.kind != wordToken && t.kind != nameToken {
		return nil, p.unexpected()
	}
	p.at++
	name, err := p.scope.name(p.where, t)
	if err != nil {
		return nil, err
	}
	path := Path{{name: name, index: -1}}
	for {
		s, more, err := p.step()
		if err != nil || !more {
			return path, err
		}
		path = append(path, s)
		if len(path) > 32 {
			return nil, invalidf("Invalid %s: The document path has too many nesting elements; nesting levels: %d", p.where, len(path))
		}
	}
}

func (p *parser) step() (s step, more bool, err error) {
	switch {
	case p.take("."):
		t := p.peek()
		if t.kind != wordToken && t.kind != nameToken {
			return step{}, false, p.unexpected()
		}
		p.at++
		name, err := p.scope.name(p.where, t)
		return step{name: name, index: -1}, true, err
	case p.take("["):
		t := p.peek()
		index, err := strconv.ParseUint(t.text, 10, 31)
		if t.kind != numberToken {
			return step{}, false, p.unexpected()
		}
		if err != nil {
			return step{}, false, invalidf("Invalid %s: List index is not within the allowable range; index: [%s]", p.where, t.text)
		}
		p.at++
		return step{index: int(index)}, true, p.expect("]") //nolint:gosec // 31 bits
	default:
		return step{}, false, nil
	}
}
