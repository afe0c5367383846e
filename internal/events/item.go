package events

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Attribute is one top-level attribute of an item.
type Attribute struct {
	Name  string // unescaped
	Value []byte // the typed value as DynamoDB JSON, such as {"S":"x"}: a part of the item's own bytes
}

// Item is one item as DynamoDB JSON. The zero Item is "no item".
type Item struct {
	Raw        []byte
	Attributes []Attribute // in the order of Raw
}

// Attribute returns the value of the attribute called name, or nil.
func (i Item) Attribute(name string) []byte {
	for _, a := range i.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

// maxTexts and maxText bound the texts that a Decoder remembers of one kind, and the bytes of one; a table with more or
// longer ones is decoded all the same, with one allocation for each.
const (
	maxTexts = 4096
	maxText  = 255
)

// Decoder splits items and decodes records. It keeps its buffers and the attribute names it has seen, so
// that the usual item costs one allocation. It is not safe for concurrent use.
type Decoder struct {
	schema  KeySchema
	json    *jsontext.Decoder
	source  bytes.Buffer
	names   texts       // of attributes
	sources texts       // of records
	usual   []string    // the attributes' names of the item before: those of most items of a table
	inKey   []Attribute // of the key before; nobody keeps them
	inRow   []Attribute // of the row before, likewise
	key     []byte      // a key, to compare
}

// NewDecoder returns a decoder for items and records of a table with this key schema.
func NewDecoder(schema KeySchema) *Decoder {
	return &Decoder{schema: schema, json: jsontext.NewDecoder(bytes.NewReader(nil)), names: texts{}, sources: texts{}}
}

// Item splits raw, one JSON object of typed attribute values, into its top-level attributes. The result
// shares raw's memory. The whole text is validated (syntax, UTF-8, duplicate names); that every value has
// exactly one type is checked, what the value says is not. Errors are of type *Invalid.
func (d *Decoder) Item(raw []byte) (Item, error) {
	item, err := d.split(raw, make([]Attribute, 0, len(d.usual)))
	d.expect(item)
	return item, err
}

// expect notes the names of an item: the next one has probably the same.
func (d *Decoder) expect(item Item) {
	d.usual = d.usual[:0]
	for _, a := range item.Attributes {
		d.usual = append(d.usual, a.Name)
	}
}

// split is Item, with room for the attributes.
func (d *Decoder) split(raw []byte, room []Attribute) (Item, error) {
	if item, ok := d.quick(raw, room); ok {
		return item, nil
	}
	return d.full(raw, room)
}

// full is split for any text.
func (d *Decoder) full(raw []byte, room []Attribute) (Item, error) {
	d.source = *bytes.NewBuffer(raw)
	d.json.Reset(&d.source)
	item := Item{Raw: raw, Attributes: room}
	if tok, err := d.json.ReadToken(); err != nil || tok.Kind() != '{' {
		return Item{}, undecodable("the item is not a JSON object", err)
	}
	for d.json.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return Item{}, undecodable("the item is not valid JSON", err)
		}
		value, err := d.json.ReadValue()
		if err != nil {
			return Item{}, undecodable(fmt.Sprintf("attribute %q is not valid JSON", name), err)
		}
		end := d.json.InputOffset()
		a := Attribute{Name: name, Value: raw[end-int64(len(value)) : end : end]}
		if _, _, err := typed(a.Value); err != nil {
			return Item{}, undecodable(fmt.Sprintf("attribute %q is not a typed value such as {\"S\":\"x\"}", name), err)
		}
		item.Attributes = append(item.Attributes, a)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return Item{}, undecodable("the item is not valid JSON", err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return Item{}, undecodable("something follows the item", err)
	}
	return item, nil
}

// name reads an object member's name and returns the remembered copy of it.
func (d *Decoder) name() (string, error) {
	value, err := d.json.ReadValue()
	if err != nil {
		return "", err
	}
	quoted := value[1 : len(value)-1]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return d.names.known(quoted), nil
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", err
	}
	return string(plain), nil
}

// texts are short texts that come again and again; each costs one allocation.
type texts map[string]string

// known returns the remembered copy of a text.
func (t texts) known(text []byte) string {
	if s, ok := t[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(t) < maxTexts && len(s) <= maxText {
		t[s] = s
	}
	return s
}

// typed cuts a typed value, valid JSON, into its type and the text of its value.
func typed(value []byte) (kind string, text []byte, err error) {
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
