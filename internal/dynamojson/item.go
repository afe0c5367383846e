package dynamojson

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

// MalformedError is the error of a text that is no item.
type MalformedError struct {
	Detail string // what is wrong, in words
	Err    error  // the cause, or nil
}

func (m *MalformedError) Error() string {
	if m.Err == nil {
		return m.Detail
	}
	return fmt.Sprintf("%s: %v", m.Detail, m.Err)
}

func (m *MalformedError) Unwrap() error { return m.Err }

// maxTexts and maxText bound the texts that are remembered of one kind, and the bytes of one; a table with more or
// longer ones is read all the same, with one allocation for each.
const (
	maxTexts = 4096
	maxText  = 255
)

// Splitter splits items. It keeps its buffers and the attribute names it has seen, so that the usual item costs one
// allocation. It is not safe for concurrent use.
type Splitter struct {
	json   *jsontext.Decoder
	source bytes.Buffer
	names  Texts    // of attributes
	usual  []string // the attributes' names of the item before: those of most items of a table
}

// NewSplitter returns a splitter.
func NewSplitter() *Splitter {
	return &Splitter{json: jsontext.NewDecoder(bytes.NewReader(nil)), names: Texts{}}
}

// Item splits raw, one JSON object of typed attribute values, into its top-level attributes. The result
// shares raw's memory. The whole text is validated (syntax, UTF-8, duplicate names); that every value has
// exactly one type is checked, what the value says is not. Errors are of type *MalformedError.
func (s *Splitter) Item(raw []byte) (Item, error) {
	item, err := s.Into(raw, make([]Attribute, 0, len(s.usual)))
	s.expect(item)
	return item, err
}

// expect notes the names of an item: the next one has probably the same.
func (s *Splitter) expect(item Item) {
	s.usual = s.usual[:0]
	for _, a := range item.Attributes {
		s.usual = append(s.usual, a.Name)
	}
}

// Into is Item, with room for the attributes, of an object whose names say nothing of the next one's, such as a key.
func (s *Splitter) Into(raw []byte, room []Attribute) (Item, error) {
	if item, ok := s.quick(raw, room); ok {
		return item, nil
	}
	return s.full(raw, room)
}

// full is Into for any text.
func (s *Splitter) full(raw []byte, room []Attribute) (Item, error) {
	s.source = *bytes.NewBuffer(raw)
	s.json.Reset(&s.source)
	item := Item{Raw: raw, Attributes: room}
	if tok, err := s.json.ReadToken(); err != nil || tok.Kind() != '{' {
		return Item{}, malformed("the item is not a JSON object", err)
	}
	for s.json.PeekKind() != '}' {
		name, err := s.name()
		if err != nil {
			return Item{}, malformed("the item is not valid JSON", err)
		}
		value, err := s.json.ReadValue()
		if err != nil {
			return Item{}, malformed(fmt.Sprintf("attribute %q is not valid JSON", name), err)
		}
		end := s.json.InputOffset()
		a := Attribute{Name: name, Value: raw[end-int64(len(value)) : end : end]}
		if _, _, err := Typed(a.Value); err != nil {
			return Item{}, malformed(fmt.Sprintf("attribute %q is not a typed value such as {\"S\":\"x\"}", name), err)
		}
		item.Attributes = append(item.Attributes, a)
	}
	if _, err := s.json.ReadToken(); err != nil {
		return Item{}, malformed("the item is not valid JSON", err)
	}
	if _, err := s.json.ReadToken(); !errors.Is(err, io.EOF) {
		return Item{}, malformed("something follows the item", err)
	}
	return item, nil
}

// name reads an object member's name and returns the remembered copy of it.
func (s *Splitter) name() (string, error) {
	value, err := s.json.ReadValue()
	if err != nil {
		return "", err
	}
	quoted := value[1 : len(value)-1]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return s.names.Known(quoted), nil
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", err
	}
	return string(plain), nil
}

// Texts are short texts that come again and again; each costs one allocation. A bounded number is remembered.
type Texts map[string]string

// Known returns the remembered copy of a text.
func (t Texts) Known(text []byte) string {
	if s, ok := t[string(text)]; ok {
		return s
	}
	s := string(text)
	if len(t) < maxTexts && len(s) <= maxText {
		t[s] = s
	}
	return s
}

func malformed(detail string, err error) error { return &MalformedError{Detail: detail, Err: err} }
