package events

import (
	"strings"
	"unicode/utf8"
)

// The quick path takes the items that come in practice: compact JSON, no escapes but the short ones, no numbers outside
// of strings, few names in one object. It takes only what the full decoder takes too, and finds the same in it; what it
// does not take, the full decoder judges. Each of its functions begins at an index of b and returns the index behind what
// it has read, or -1.

const (
	quickNames  = 64 // attributes of an item: each name is compared with those before it
	quickNested = 16 // names of an object within a value, likewise
	quickDepth  = 64 // DynamoDB's own limit is 32 nested values, of two levels each
)

// quick is split, and reports false if the full decoder must decide.
func (d *Decoder) quick(raw []byte, room []Attribute) (Item, bool) {
	if at(raw, 0) != '{' || !utf8.Valid(raw) {
		return Item{}, false
	}
	item := Item{Raw: raw, Attributes: room}
	asUsual := true // so far; then no name is there twice
	for i, n := 1, 0; n < quickNames; i, n = i+1, n+1 {
		end := quickName(raw, i)
		if end < 0 || at(raw, end) != ':' {
			return Item{}, false
		}
		var name string
		if asUsual = asUsual && n < len(d.usual) && d.usual[n] == string(raw[i+1:end-1]); asUsual {
			name = d.usual[n]
		} else {
			name = d.names.known(raw[i+1 : end-1])
		}
		i = end + 1
		end = quickTyped(raw, i)
		if end < 0 || !asUsual && item.Attribute(name) != nil {
			return Item{}, false
		}
		item.Attributes = append(item.Attributes, Attribute{Name: name, Value: raw[i:end:end]})
		i = end
		switch at(raw, i) {
		case ',':
		case '}':
			return item, i+1 == len(raw)
		default:
			return Item{}, false
		}
	}
	return Item{}, false
}

// at is the byte at an index; behind the end it is 0, which no JSON text has.
func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// quickTyped reads a typed value such as {"S":"x"}.
func quickTyped(b []byte, i int) int {
	if at(b, i) != '{' {
		return -1
	}
	end := quickName(b, i+1)
	if end < 0 || at(b, end) != ':' || kindOf(b[i+2:end-1]) == "" {
		return -1
	}
	if end = quickValue(b, end+1, quickDepth); end < 0 || at(b, end) != '}' {
		return -1
	}
	return end + 1
}

// quickValue reads any value.
func quickValue(b []byte, i, depth int) int {
	switch at(b, i) {
	case '"':
		return quickString(b, i)
	case '{':
		return quickObject(b, i, depth)
	case '[':
		return quickArray(b, i, depth)
	case 't':
		return quickLiteral(b, i, "true")
	case 'f':
		return quickLiteral(b, i, "false")
	}
	return -1
}

func quickLiteral(b []byte, i int, literal string) int {
	if end := i + len(literal); end <= len(b) && string(b[i:end]) == literal {
		return end
	}
	return -1
}

func quickArray(b []byte, i, depth int) int {
	if at(b, i+1) == ']' {
		return i + 2
	}
	for depth > 0 {
		if i = quickValue(b, i+1, depth-1); i < 0 {
			return -1
		}
		switch at(b, i) {
		case ',':
		case ']':
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

func quickObject(b []byte, i, depth int) int {
	if at(b, i+1) == '}' {
		return i + 2
	}
	var names [quickNested][]byte
	for n := 0; n < quickNested && depth > 0; n++ {
		end := quickName(b, i+1)
		if end < 0 || at(b, end) != ':' {
			return -1
		}
		names[n] = b[i+1 : end]
		for _, before := range names[:n] {
			if string(before) == string(names[n]) {
				return -1
			}
		}
		if i = quickValue(b, end+1, depth-1); i < 0 {
			return -1
		}
		switch at(b, i) {
		case ',':
		case '}':
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

// quickName reads a string without escapes: two of them are the same text exactly if they are the same bytes.
func quickName(b []byte, i int) int {
	if at(b, i) != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		if !plain[b[i]] {
			break
		}
	}
	if at(b, i) != '"' {
		return -1
	}
	return i + 1
}

func quickString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case plain[c]:
		case c == '"':
			return i + 1
		case c == '\\' && strings.IndexByte(`"\/bfnrt`, at(b, i+1)) >= 0:
			i++
		default:
			return -1
		}
	}
	return -1
}

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (all [256]bool) {
	for c := ' '; c < 256; c++ {
		all[c] = c != '"' && c != '\\'
	}
	return all
}()
