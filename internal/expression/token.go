package expression

import "strings"

type tokenKind uint8

const (
	endToken    tokenKind = iota
	wordToken             // a name, a keyword or a function
	nameToken             // #name
	valueToken            // :value
	numberToken           // digits
	symbolToken           // ( ) [ ] . , = <> < <= > >= + -
)

type token struct {
	kind       tokenKind
	text       string
	start, end int // in the expression
}

// is reports whether the token is this symbol, or this keyword in any case.
func (t token) is(text string) bool {
	return t.kind == symbolToken && t.text == text || t.kind == wordToken && strings.EqualFold(t.text, text)
}

// compares reports whether the token is an operator that compares two values.
func (t token) compares() bool {
	return t.kind == symbolToken && strings.ContainsAny(t.text, "=<>") || t.is("BETWEEN") || t.is("IN")
}

func tokenize(where, text string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(text); {
		if isSpace(text[i]) {
			i++
			continue // between tokens
		}
		kind, size := tokenAt(text[i:])
		if size == 0 {
			return nil, unknownToken(where, text, tokens, i)
		}
		tokens = append(tokens, token{kind: kind, text: text[i : i+size], start: i, end: i + size})
		i += size
	}
	return append(tokens, token{kind: endToken, text: "<EOF>", start: len(text), end: len(text)}), nil
}

func tokenAt(s string) (kind tokenKind, size int) {
	switch c := s[0]; {
	case c == '#' || c == ':':
		n := 1 + wordSize(s[1:])
		if n == 1 {
			return endToken, 0
		}
		if c == '#' {
			return nameToken, n
		}
		return valueToken, n
	case isDigit(c):
		n := 1
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return numberToken, n
	case isWord(c) && c != '_': // such a name needs a placeholder
		return wordToken, wordSize(s)
	case strings.HasPrefix(s, "<>"), strings.HasPrefix(s, "<="), strings.HasPrefix(s, ">="):
		return symbolToken, 2
	case strings.IndexByte("()[].,=<>+-", c) >= 0:
		return symbolToken, 1
	default:
		return endToken, 0
	}
}

func wordSize(s string) int {
	n := 0
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// syntaxError names a token, and shows it between its neighbours.
func syntaxError(where, text string, before, t, after token) error {
	near := text[min(before.start, t.start):max(after.end, t.end)]
	return invalidf("Invalid %s: Syntax error; token: \"%s\", near: \"%s\"", where, t.text, near)
}

// unknownToken is the error for what no token begins with.
func unknownToken(where, text string, before []token, at int) error {
	t := token{text: text[at : at+1], start: at, end: at + 1}
	previous, next := t, t
	if len(before) > 0 {
		previous = before[len(before)-1]
	}
	for i := at + 1; i < len(text); i++ {
		if !isSpace(text[i]) {
			_, size := tokenAt(text[i:])
			next.end = i + max(size, 1)
			break
		}
	}
	return syntaxError(where, text, previous, t, next)
}
