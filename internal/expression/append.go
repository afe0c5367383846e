package expression

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Append appends the item's JSON, names in order, so that equal items have equal bytes.
func (i Item) Append(b []byte) []byte {
	b = append(b, '{')
	for n, name := range slices.Sorted(maps.Keys(i)) {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = i[name].Append(b)
	}
	return append(b, '}')
}

// Append appends the value's JSON, such as {"S":"x"}.
func (v Value) Append(b []byte) []byte {
	b = append(append(append(b, `{"`...), v.Kind...), `":`...)
	switch v.Kind {
	case Bool:
		b = appendBool(b, v.Bool)
	case Null:
		b = appendBool(b, true)
	case Map:
		b = v.Map.Append(b)
	case List:
		b = appendArray(b, v.List, func(b []byte, e Value) []byte { return e.Append(b) })
	case BinarySet:
		b = appendArray(b, v.Set, appendBytes)
	case StringSet, NumberSet:
		b = appendArray(b, v.Set, appendString)
	case Binary:
		b = appendBytes(b, v.Text)
	default:
		b = appendString(b, v.Text)
	}
	return append(b, '}')
}

func appendArray[T any](b []byte, array []T, element func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, e := range array {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, e)
	}
	return append(b, ']')
}

// appendString quotes s; the text is valid UTF-8, or what is not becomes U+FFFD, which AppendQuote reports and does.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendBytes(b []byte, s string) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, []byte(s))
	return append(b, '"')
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

// joined is a list of names as DynamoDB's messages show it.
func joined(names []string) string { return "[" + strings.Join(names, ", ") + "]" }
