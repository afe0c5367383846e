package dynamojson

import (
	"strings"
	"unicode/utf8"
)

// Quick is JSON of the form that comes in practice: compact, no escapes but the short ones, few names in one object. The
// quick path takes only what jsontext takes too, and finds the same in it; what it does not take, jsontext
// judges. Each of its functions begins at an index of the text and returns the index behind what it has read, or
// -1.
type Quick []byte

// AsQuick returns text for the quick path, if it is UTF-8.
func AsQuick(text []byte) (Quick, bool) { return text, utf8.Valid(text) }

// Value reads any value.
func (q Quick) Value(i int) int { return quickValue(q, i, quickDepth) }

// Text reads a string without escapes; inner is what it says.
func (q Quick) Text(i int) (inner []byte, end int) {
	if end = quickName(q, i); end < 0 {
		return nil, -1
	}
	return q[i+1 : end-1], end
}

// Elements reads an array: each of its elements by element.
func (q Quick) Elements(i int, element func(i int) int) int {
	if at(q, i) != '[' {
		return -1
	}
	if at(q, i+1) == ']' {
		return i + 2
	}
	for {
		if i = element(i + 1); i < 0 {
			return -1
		}
		switch at(q, i) {
		case ',':
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// Members reads an object: the value of each of its members by member.
func (q Quick) Members(i int, member func(name []byte, i int) int) int {
	if at(q, i) != '{' {
		return -1
	}
	if at(q, i+1) == '}' {
		return i + 2
	}
	first, i := q.member(i+1, member)
	if i < 0 || at(q, i) != ',' {
		return closed(q, i)
	}
	var room [16][]byte // more are rare
	names := append(room[:0], first)
	for len(names) < quickNested {
		var name []byte
		if name, i = q.member(i+1, member); i < 0 {
			return -1
		}
		for _, before := range names {
			if string(before) == string(name) {
				return -1
			}
		}
		names = append(names, name)
		if at(q, i) != ',' {
			return closed(q, i)
		}
	}
	return -1
}

// closed reads the end of an object.
func closed(q Quick, i int) int {
	if i < 0 || at(q, i) != '}' {
		return -1
	}
	return i + 1
}

// member reads one member.
func (q Quick) member(i int, member func(name []byte, i int) int) (name []byte, end int) {
	name, end = q.Text(i)
	if end < 0 || at(q, end) != ':' {
		return nil, -1
	}
	return name, member(name, end+1)
}

const (
	quickNames  = 256 // attributes of an item: each name is compared with those before it
	quickNested = 64  // names of an object within a value, likewise
	quickDepth  = 64  // DynamoDB's own limit is 32 nested values, of two levels each
)

// quick is Into, and reports false if full must decide.
func (s *Splitter) quick(raw []byte, room []Attribute) (Item, bool) {
	q, ok := AsQuick(raw)
	if !ok {
		return Item{}, false
	}
	item, end := s.quickItem(q, 0, room)
	return item, end == len(raw)
}

// At reads the item that begins at an index of a quick text, with room for its attributes. It returns the index behind it, or -1 if
// it is not of the quick form.
func (s *Splitter) At(q Quick, i int, room []Attribute) (item Item, end int) {
	if item, end = s.quickItem(q, i, room); end >= 0 {
		s.expect(item)
	}
	return item, end
}

// quickItem reads an item, with room for its attributes.
func (s *Splitter) quickItem(raw Quick, from int, room []Attribute) (Item, int) {
	if at(raw, from) != '{' {
		return Item{}, -1
	}
	item := Item{Attributes: room}
	asUsual := true // so far; then no name is there twice
	for i, n := from+1, 0; n < quickNames; i, n = i+1, n+1 {
		end := quickName(raw, i)
		if end < 0 || at(raw, end) != ':' {
			return Item{}, -1
		}
		var name string
		if asUsual = asUsual && n < len(s.usual) && s.usual[n] == string(raw[i+1:end-1]); asUsual {
			name = s.usual[n]
		} else {
			name = s.names.Known(raw[i+1 : end-1])
		}
		i = end + 1
		end = quickTyped(raw, i)
		if end < 0 || !asUsual && item.Attribute(name) != nil {
			return Item{}, -1
		}
		item.Attributes = append(item.Attributes, Attribute{Name: name, Value: raw[i:end:end]})
		i = end
		switch at(raw, i) {
		case ',':
		case '}':
			item.Raw = raw[from : i+1 : i+1]
			return item, i + 1
		default:
			return Item{}, -1
		}
	}
	return Item{}, -1
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
	case 'n':
		return quickLiteral(b, i, "null")
	}
	return quickNumber(b, i)
}

func quickNumber(b []byte, i int) int {
	if at(b, i) == '-' {
		i++
	}
	if at(b, i) == '0' {
		i++
	} else if i = quickDigits(b, i); i < 0 {
		return -1
	}
	if at(b, i) == '.' {
		if i = quickDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if at(b, i) == 'e' || at(b, i) == 'E' {
		if i++; at(b, i) == '+' || at(b, i) == '-' {
			i++
		}
		return quickDigits(b, i)
	}
	return i
}

// quickDigits reads one digit at least.
func quickDigits(b []byte, i int) int {
	from := i
	for c := at(b, i); '0' <= c && c <= '9'; c = at(b, i) {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

func quickLiteral(b []byte, i int, literal string) int {
	if end := i + len(literal); end <= len(b) && string(b[i:end]) == literal {
		return end
	}
	return -1
}

func quickArray(b Quick, i, depth int) int {
	if depth == 0 {
		return -1
	}
	return b.Elements(i, func(i int) int { return quickValue(b, i, depth-1) })
}

func quickObject(b Quick, i, depth int) int {
	if depth == 0 {
		return -1
	}
	return b.Members(i, func(_ []byte, i int) int { return quickValue(b, i, depth-1) })
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
