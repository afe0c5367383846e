package dynamojson

import (
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendQuote appends s as a JSON string, escaped no more than JSON demands. It is an error if s is not UTF-8.
func AppendQuote(b []byte, s string) ([]byte, error) {
	for _, c := range []byte(s) {
		if c >= utf8.RuneSelf || !plain[c] {
			return jsontext.AppendQuote(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

// Quote is AppendQuote of a text that is known to be UTF-8: names come from JSON that has been validated, or from the
// configuration.
func Quote(b []byte, s string) []byte {
	b, err := AppendQuote(b, s)
	if err != nil {
		panic(fmt.Sprintf("dynamojson: quote %q: %v", s, err))
	}
	return b
}
