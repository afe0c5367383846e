package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// contents is a table without the attributes that are ours.
type contents struct {
	items   map[string]string // key → canonical item
	markers map[string]string // key → item as it is
}

func tableOf(items []json.RawMessage) contents {
	c := contents{items: map[string]string{}, markers: map[string]string{}}
	for _, raw := range items {
		var item map[string]json.RawMessage
		if err := json.Unmarshal(raw, &item); err != nil {
			panic(err) // the database's own answer
		}
		marker := item[nameDeleted] != nil
		for _, name := range []string{nameVersion, nameDeleted, nameShard, nameTombstone} {
			delete(item, name)
		}
		plain, _ := json.Marshal(item) //nolint:errchkjson // it was decoded a moment ago
		if marker {
			c.markers[keyOf(item)] = string(raw)
		} else {
			c.items[keyOf(item)] = canonical(plain)
		}
	}
	return c
}

// keyOf is the key of an item, in its canonical form; keys of these tables need no more care than that.
func keyOf(item map[string]json.RawMessage) string {
	if item["sk"] == nil {
		return fmt.Sprintf(`{"pk":%s}`, item["pk"])
	}
	return fmt.Sprintf(`{"pk":%s,"sk":%s}`, item["pk"], item["sk"])
}

func equal(a, b map[string]string) bool { return maps.Equal(a, b) }

// difference describes the first few.
func difference(got, want map[string]string) string {
	keys := map[string]bool{}
	for key := range got {
		keys[key] = true
	}
	for key := range want {
		keys[key] = true
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if g, w := got[key], want[key]; g != w && len(all) < 5 {
			all = append(all, fmt.Sprintf("\n    %s is %.300q and must be %.300q", key, g, w))
		}
	}
	return fmt.Sprint(all)
}
