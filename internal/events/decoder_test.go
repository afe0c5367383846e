package events

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

var pkOnly = KeySchema{{Name: "pk", Type: "S"}}

func requireReason(t require.TestingT, err error, want Reason) {
	invalid, ok := errors.AsType[*Invalid](err)
	require.True(t, ok, "%v is no *Invalid", err)
	require.Equal(t, want, invalid.Reason, err.Error())
	require.NotEmpty(t, invalid.Error())
}

// What is no item is a record that cannot be applied, with the cause in words.
func TestWhatIsNoItemIsUndecodable(t *testing.T) {
	d := NewDecoder(pkOnly)
	for text, detail := range map[string]string{
		``:                                "the item is not a JSON object",
		`[]`:                              "the item is not a JSON object",
		`{"pk":1}`:                        "attribute \"pk\" is not a typed value such as {\"S\":\"x\"}",
		`{"pk":{"S":"1"},"pk":{"S":"1"}}`: "the item is not valid JSON",
		`{"pk":{"S":"1"}}x`:               "something follows the item",
	} {
		item, err := d.Item([]byte(text))
		requireReason(t, err, Undecodable)
		require.ErrorContains(t, err, detail, text)
		require.Zero(t, item, text)
	}
	item, err := d.Item([]byte(`{"pk":{"S":"1"}}`))
	require.NoError(t, err)
	require.Equal(t, Item{Raw: []byte(`{"pk":{"S":"1"}}`), Attributes: []Attribute{{Name: "pk", Value: []byte(`{"S":"1"}`)}}}, item)
}
