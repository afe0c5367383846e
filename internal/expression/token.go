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

func tokenize(where, text string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(text); {
		if isSpace(text[i]) {
			i++
			continue // between tokens
		}
		kind, size := tokenAt(text[i:])
		if size == 0 {
			return nil, syntaxError(where, text, token{text: text[i : i+1], start: i, end: i + 1})
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
	case isWord(c):
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

// syntaxError names the token and shows it between its neighbours, as DynamoDB does.
func syntaxError(where, text string, t token) error {
	from, to := t.start, t.end
	for range 2 {
		from = max(0, strings.LastIndexAny(text[:from], " \t\n\r\f"))
	}
	for range 2 {
		if to < len(text) {
			if i := strings.IndexAny(text[to+1:], " \t\n\r\f"); i >= 0 {
				to += 1 + i
			} else {
				to = len(text)
			}
		}
	}
	near := strings.TrimSpace(text[from:to])
	return invalidf("Invalid %s: Syntax error; token: \"%s\", near: \"%s\"", where, t.text, near)
}
