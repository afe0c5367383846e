package dynamojson

import "errors"

// Typed cuts a typed value, valid JSON, into its type and the text of its value, which shares its memory.
func Typed(value []byte) (kind string, text []byte, err error) {
	body := trimSpace(value)
	if len(body) < 2 || body[0] != '{' {
		return "", nil, errors.New("not an object")
	}
	body = trimSpace(body[1 : len(body)-1])
	end := quickName(body, 0)
	if end < 0 {
		return "", nil, errors.New("no known type")
	}
	if kind = kindOf(body[1 : end-1]); kind == "" {
		return "", nil, errors.New("no known type")
	}
	rest := trimSpace(body[end:])
	if len(rest) == 0 || rest[0] != ':' {
		return "", nil, errors.New("no value")
	}
	text = trimSpace(rest[1:])
	if more := afterValue(text); len(more) > 0 {
		return "", nil, errors.New("more than one type")
	}
	return kind, text, nil
}

// kindOf is the type that a name stands for; empty if it is none.
func kindOf(name []byte) string {
	switch string(name) {
	case "S":
		return "S"
	case "N":
		return "N"
	case "B":
		return "B"
	case "M":
		return "M"
	case "L":
		return "L"
	case "BOOL":
		return "BOOL"
	case "NULL":
		return "NULL"
	case "SS":
		return "SS"
	case "NS":
		return "NS"
	case "BS":
		return "BS"
	}
	return ""
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// afterValue returns what follows the first JSON value in b, which is known to be valid JSON members: a
// second member means that the typed value names two types.
func afterValue(b []byte) []byte {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			return b[i:]
		}
	}
	return nil
}
