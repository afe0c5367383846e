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

// maxNames and maxName bound the names that a Decoder remembers, and the bytes of one; a table with more or longer
// ones is decoded all the same, with one allocation a name.
const (
	maxNames = 4096
	maxName  = 255
)

// Decoder splits items and decodes records. It keeps its buffers and the attribute names it has seen, so
// that the usual item costs one allocation. It is not safe for concurrent use.
type Decoder struct {
	schema KeySchema
	json   *jsontext.Decoder
	source bytes.Buffer
	names  map[string]string
	usual  int         // attributes of the item before
	inKey  []Attribute // of the key before; nobody keeps them
	key    []byte      // a key, to compare
}

// NewDecoder returns a decoder for items and records of a table with this key schema.
func NewDecoder(schema KeySchema) *Decoder {
	return &Decoder{schema: schema, json: jsontext.NewDecoder(bytes.NewReader(nil)), names: map[string]string{}}
}

// Item splits raw, one JSON object of typed attribute values, into its top-level attributes. The result
// shares raw's memory. The whole text is validated (syntax, UTF-8, duplicate names); that every value has
// exactly one type is checked, what the value says is not. Errors are of type *Invalid.
func (d *Decoder) Item(raw []byte) (Item, error) {
	item, err := d.split(raw, make([]Attribute, 0, d.usual))
	d.usual = len(item.Attributes)
	return item, err
}

// split is Item, with room for the attributes.
func (d *Decoder) split(raw []byte, room []Attribute) (Item, error) {
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
		if name, ok := d.names[string(quoted)]; ok {
			return name, nil
		}
		return d.remember(string(quoted)), nil
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", err
	}
	return string(plain), nil
}

func (d *Decoder) remember(name string) string {
	if len(d.names) < maxNames && len(name) <= maxName {
		d.names[name] = name
	}
	return name
}

// typed cuts a typed value, valid JSON, into its type and the text of its value.
func typed(value []byte) (kind string, text []byte, err error) {
	body := trimSpace(value)
	if len(body) < 2 || body[0] != '{' {
		return "", nil, errors.New("not an object")
	}
	body = trimSpace(body[1 : len(body)-1])
	for _, k := range [...]string{"S", "N", "B", "M", "L", "BOOL", "NULL", "SS", "NS", "BS"} {
		rest, ok := bytes.CutPrefix(body, []byte(`"`+k+`"`))
		if !ok {
			continue // the next type's name
		}
		rest = trimSpace(rest)
		if len(rest) == 0 || rest[0] != ':' {
			return "", nil, errors.New("no value")
		}
		text = trimSpace(rest[1:])
		if more := afterValue(text); len(more) > 0 {
			return "", nil, errors.New("more than one type")
		}
		return k, text, nil
	}
	return "", nil, errors.New("no known type")
}

func trimSpace(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

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
