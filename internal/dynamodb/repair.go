package dynamodb

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// repairEmptyMaps undoes a fault of DynamoDB Local, whose stream images have "m":{} where "m":{"M":{}} belongs. A
// value without a type does not occur otherwise, so a right image comes out as it went in.
func repairEmptyMaps(image []byte) []byte {
	if !bytes.Contains(image, []byte("{}")) {
		return image
	}
	r := repairer{in: jsontext.NewDecoder(bytes.NewBuffer(image))}
	r.out = jsontext.NewEncoder(&r.text)
	if err := r.attributes(); err != nil {
		return image // not an item; whoever decodes it says so
	}
	if _, err := r.in.ReadToken(); !errors.Is(err, io.EOF) {
		return image // likewise: what follows is not to be lost
	}
	return bytes.TrimRight(r.text.Bytes(), "\n")
}

type repairer struct {
	in   *jsontext.Decoder
	out  *jsontext.Encoder
	text bytes.Buffer
}

// attributes copies an object of names and typed values.
func (r *repairer) attributes() error { return r.container('}', func() error { return r.typed() }) }

// container copies a bracket, then for each member its name, if it has one, and its value by value, then the bracket.
func (r *repairer) container(end jsontext.Kind, value func() error) error {
	if err := r.token(); err != nil {
		return err
	}
	for r.in.PeekKind() != end {
		if end == '}' {
			if err := r.token(); err != nil {
				return err
			}
		}
		if err := value(); err != nil {
			return err
		}
	}
	return r.token()
}

// typed copies a typed value, such as {"S":"x"}.
func (r *repairer) typed() error {
	if err := r.token(); err != nil {
		return err
	}
	if r.in.PeekKind() == '}' {
		for _, t := range []jsontext.Token{jsontext.String("M"), jsontext.BeginObject, jsontext.EndObject} {
			if err := r.out.WriteToken(t); err != nil {
				return err
			}
		}
		return r.token()
	}
	kind, err := r.in.ReadToken()
	if err != nil {
		return err
	}
	name := kind.String()
	if err := r.out.WriteToken(jsontext.String(name)); err != nil {
		return err
	}
	switch name {
	case "M":
		err = r.attributes()
	case "L":
		err = r.container(']', r.typed)
	default:
		var v jsontext.Value
		if v, err = r.in.ReadValue(); err == nil {
			err = r.out.WriteValue(v)
		}
	}
	if err != nil {
		return err
	}
	return r.token()
}

func (r *repairer) token() error {
	t, err := r.in.ReadToken()
	if err != nil {
		return err
	}
	return r.out.WriteToken(t)
}
