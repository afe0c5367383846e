package compare

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// appendCanonical appends a typed value in the one form of all its texts: members of objects by name, elements of
// sets by their text, strings escaped in one way. What strings and numbers say is left as it is.
func appendCanonical(b, value []byte) ([]byte, error) {
	return canonicalNext(b, jsontext.NewDecoder(bytes.NewBuffer(value)), false)
}

// canonicalNext appends the next value of in. set says that it is the value of a set type. The depth of recursion is
// that of the item, which DynamoDB limits to 32 levels.
func canonicalNext(b []byte, in *jsontext.Decoder, set bool) ([]byte, error) {
	token, err := in.ReadToken()
	if err != nil {
		return b, err
	}
	switch token.Kind() {
	case '{':
		return canonicalObject(b, in)
	case '[':
		return canonicalArray(b, in, set)
	case '"':
		return jsontext.AppendQuote(b, token.String())
	case 't', 'f', 'n':
		return append(b, token.String()...), nil
	default:
		return b, fmt.Errorf("a value of kind %s is not DynamoDB JSON", token.Kind())
	}
}

func canonicalObject(b []byte, in *jsontext.Decoder) ([]byte, error) {
	var members [][]byte
	for in.PeekKind() != '}' {
		token, err := in.ReadToken()
		if err != nil {
			return b, err
		}
		name := token.String()
		member, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			return b, err
		}
		// An attribute may have such a name too; its value is then an object, for which set means nothing.
		set := name == "SS" || name == "NS" || name == "BS"
		if member, err = canonicalNext(append(member, ':'), in, set); err != nil {
			return b, err
		}
		members = append(members, member)
	}
	slices.SortFunc(members, bytes.Compare)
	return canonicalEnd(b, in, '{', members, '}')
}

func canonicalArray(b []byte, in *jsontext.Decoder, set bool) ([]byte, error) {
	var elements [][]byte
	for in.PeekKind() != ']' {
		element, err := canonicalNext(nil, in, false)
		if err != nil {
			return b, err
		}
		elements = append(elements, element)
	}
	if set {
		slices.SortFunc(elements, bytes.Compare)
	}
	return canonicalEnd(b, in, '[', elements, ']')
}

func canonicalEnd(b []byte, in *jsontext.Decoder, open byte, parts [][]byte, end byte) ([]byte, error) {
	if _, err := in.ReadToken(); err != nil {
		return b, err
	}
	return append(append(append(b, open), bytes.Join(parts, []byte{','})...), end), nil
}
