package expression

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNesting is how many maps and lists may be inside each other: with the attribute itself, 32 levels.
const maxNesting = 31

// ParseItem reads an item, or the attributes of any map on the wire, and checks every value.
func ParseItem(raw []byte) (Item, error) {
	d := newDecoder(raw)
	item, err := readMap(d, 0)
	if err != nil {
		return nil, wireError(err)
	}
	return item, nil
}

// ParseValue reads one typed value such as {"S":"x"} and checks it.
func ParseValue(raw []byte) (Value, error) {
	v, err := readValue(newDecoder(raw), 0)
	if err != nil {
		return Value{}, wireError(err)
	}
	return v, nil
}

// MustParseItem is ParseItem for an item that has been parsed before.
func MustParseItem(raw []byte) Item {
	item, err := ParseItem(raw)
	if err != nil {
		panic(err)
	}
	return item
}

// UnmarshalJSONFrom reads an item as ParseItem does.
func (i *Item) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	if d.PeekKind() == 'n' {
		*i = nil
		return d.SkipValue()
	}
	*i, err = readMap(d, 0)
	return err
}

// UnmarshalJSONFrom reads a value as ParseValue does.
func (v *Value) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	*v, err = readValue(d, 0)
	return err
}

// MarshalJSONTo writes the item as Append does.
func (i Item) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteValue(i.Append(nil)) }

// MarshalJSONTo writes the value as Append does.
func (v Value) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteValue(v.Append(nil)) }

// errWire is JSON that is no attribute value at all.
var errWire = errors.New("no attribute value")

// textError is JSON whose text is none of its type. It is no *Error: a server does not get as far as judging the value.
type textError string

func (e textError) Error() string { return string(e) }

func newDecoder(raw []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowInvalidUTF8(true))
}

func wireError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return invalidf("Supplied AttributeValue has invalid JSON: %v", err)
}

func readMap(d *jsontext.Decoder, depth int) (Item, error) {
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, errors.Join(errWire, err)
	}
	item := Item{}
	for d.PeekKind() != '}' {
		name, err := readString(d)
		if err != nil {
			return nil, err
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		if item[name], err = readValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return item, err
}

// maxNameBytes is how long the name of an attribute may be.
const maxNameBytes = 65535

func checkName(name string) error {
	switch {
	case name == "":
		return invalidf("Empty attribute name")
	case len(name) > maxNameBytes:
		return invalidf("Attribute name is too large, must be less than %d bytes", maxNameBytes+1)
	}
	return nil
}

func readValue(d *jsontext.Decoder, depth int) (Value, error) {
	if depth > maxNesting {
		return Value{}, invalidf("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '{' {
		return Value{}, errors.Join(errWire, err)
	}
	if d.PeekKind() == '}' {
		return Value{}, invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	kind, err := readString(d)
	if err != nil {
		return Value{}, err
	}
	v, err := readContent(d, Kind(kind), depth)
	if err != nil {
		return Value{}, err
	}
	if d.PeekKind() != '}' {
		return Value{}, invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	_, err = d.ReadToken()
	return v, err
}

func readContent(d *jsontext.Decoder, kind Kind, depth int) (v Value, err error) {
	v.Kind = kind
	switch kind {
	case String, Num, Binary:
		if v.Text, err = readString(d); err == nil {
			v.Text, err = scalar(kind, v.Text, depth)
		}
	case Bool:
		v.Bool, err = readBool(d)
	case Null:
		var isNull bool
		if isNull, err = readBool(d); err == nil && !isNull {
			err = invalidf("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
	case Map:
		v.Map, err = readMap(d, depth+1)
	case List:
		v.List, err = readList(d, depth+1)
	case StringSet, NumberSet, BinarySet:
		v.Set, err = readSet(d, kind, depth)
	default:
		err = invalidf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	return v, err
}

// scalar checks the text of an S, N or B. Numbers directly in an item, also in its sets, are normalised; inside
// lists and maps their text stays as it came.
func scalar(kind Kind, text string, depth int) (string, error) {
	switch kind {
	case Num, NumberSet:
		n, err := ParseNumber(text)
		if err != nil || depth > 0 {
			return text, err
		}
		return n.String(), nil
	case Binary, BinarySet:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return "", textError("Invalid base64: " + err.Error())
		}
		return string(b), nil
	default:
		return text, nil
	}
}

func readList(d *jsontext.Decoder, depth int) ([]Value, error) {
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '[' {
		return nil, errors.Join(errWire, err)
	}
	list := []Value{}
	for d.PeekKind() != ']' {
		v, err := readValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.ReadToken()
	return list, err
}

func readSet(d *jsontext.Decoder, kind Kind, depth int) ([]string, error) {
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != '[' {
		return nil, errors.Join(errWire, err)
	}
	var set []string
	for d.PeekKind() != ']' {
		text, err := readString(d)
		if err != nil {
			return nil, err
		}
		if text, err = scalar(kind, text, depth); err != nil {
			return nil, err
		}
		set = append(set, text)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	if len(set) == 0 {
		return nil, emptySet(kind)
	}
	given := slices.Clone(set)
	if sortSet(kind, set) {
		return nil, duplicates(kind, given)
	}
	return set, nil
}

func emptySet(kind Kind) error {
	const prefix = "One or more parameter values were invalid: "
	switch kind {
	case StringSet:
		return invalidf(prefix + "An string set  may not be empty")
	case NumberSet:
		return invalidf(prefix + "An number set  may not be empty")
	default:
		return invalidf(prefix + "Binary sets should not be empty")
	}
}

func duplicates(kind Kind, set []string) error {
	switch kind {
	case StringSet:
		return invalidf("One or more parameter values were invalid: Input collection %s contains duplicates.", joined(set))
	case NumberSet:
		return invalidf("Input collection contains duplicates")
	default:
		return invalidf("One or more parameter values were invalid: Input collection contains duplicates")
	}
}

func readString(d *jsontext.Decoder) (string, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	if tok.Kind() != '"' {
		return "", errWire
	}
	return tok.String(), nil
}

func readBool(d *jsontext.Decoder) (bool, error) {
	tok, err := d.ReadToken()
	if err != nil {
		return false, err
	}
	if tok.Kind() != 't' && tok.Kind() != 'f' {
		return false, errWire
	}
	return tok.Bool(), nil
}
