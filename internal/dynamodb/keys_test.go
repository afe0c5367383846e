package dynamodb

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

// A key that is found in the midst of an answer is the one that the item has by itself.
func TestQuickKeyIsTheItemsKey(t *testing.T) {
	d, whole := newDecoder(pkOnly), events.NewDecoder(pkOnly)
	rapid.Check(t, func(t *rapid.T) {
		var compact strings.Builder
		require.NoError(t, json.NewEncoder(&compact).Encode(json.RawMessage(eventstest.TypedValue(t, 2))))
		raw := fmt.Sprintf(`{"pk":{"S":"a%d"},"x":%s}`, rapid.IntRange(0, 9).Draw(t, "key"), strings.TrimSpace(compact.String()))
		if rapid.Bool().Draw(t, "key only") {
			raw = raw[:strings.Index(raw, ",")] + "}"
		}
		text, ok := dynamojson.AsQuick([]byte("x" + raw))
		require.True(t, ok)
		item, err := whole.Item([]byte(raw))
		require.NoError(t, err, raw)
		key, err := pkOnly.Key(item)
		require.NoError(t, err, raw)

		end, keys := d.row(text, 1, []byte("y"))
		if end < 0 {
			return // not of the quick form
		}
		require.Len(t, text, end)
		require.Equal(t, "y"+string(key), string(keys))
		end, keys = d.key(text, 1, []byte("y"))
		if len(item.Attributes) > 1 {
			require.Negative(t, end, "a key has no other attributes")
			require.Equal(t, "y", string(keys))
			return // no key
		}
		require.Len(t, text, end)
		require.Equal(t, "y"+string(key), string(keys))
	})
	text, _ := dynamojson.AsQuick([]byte(`{"x":{"S":"a"}}`))
	end, keys := d.row(text, 0, nil)
	require.Negative(t, end, "an item without a key")
	require.Empty(t, keys)
}
