package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/crossfadedb/crossfade/internal/apply"
)

// model is what a simple program would say that both tables must hold: two maps.
type model struct {
	plan plan

	mu     sync.Mutex
	old    map[string]string   // key → canonical item; the old table
	owned  map[string]string   // items of the new table that are the application's, in the forms stream and app
	writes map[string][]string // form none: what the application has put into the new table, key by key; a marker is ""
	dead   map[string]bool     // form none: keys that the application has deleted
	big    string              // the key of an item that fits the old table only; "" for none
}

func newModel(w *world) *model {
	m := &model{plan: w.plan, old: map[string]string{}, owned: map[string]string{}, writes: map[string][]string{}, dead: map[string]bool{}}
	r := random(w.plan.seed, "rows")
	for i := range w.plan.rows {
		item := m.item(r, i, -1)
		w.ask("PutItem", map[string]any{"TableName": oldTable, "Item": json.RawMessage(item)}, nil)
		m.old[m.key(i)] = canonical([]byte(item))
	}
	for i := range w.plan.heavy {
		n := w.plan.keys + 10 + i // no change ever meets them
		item := members(m.key(n), `"heavy":{"S":"`+strings.Repeat("x", 300_000)+`"}`)
		w.ask("PutItem", map[string]any{"TableName": oldTable, "Item": json.RawMessage(item)}, nil)
		m.old[m.key(n)] = canonical([]byte(item))
	}
	for range w.plan.owned {
		n := r.IntN(w.plan.keys)
		if m.owned[m.key(n)] != "" {
			continue // it has this one
		}
		item := m.item(r, n, -2)
		w.ask("PutItem", map[string]any{"TableName": newTable, "Item": json.RawMessage(item)}, nil)
		m.owned[m.key(n)] = canonical([]byte(item))
	}
	if w.plan.big {
		n := w.plan.keys + 1 // no change ever meets it
		m.big = m.key(n)
		// It fits with its own attributes, and not with the version beside them.
		item := members(m.key(n), `"x":{"S":"`+strings.Repeat("x", 409_600-40)+`"}`)
		w.ask("PutItem", map[string]any{"TableName": oldTable, "Item": json.RawMessage(item)}, nil)
		m.old[m.big] = canonical([]byte(item))
	}
	return m
}

// key is the key of row n, as JSON in its canonical form.
func (m *model) key(n int) string {
	if len(m.plan.schema) == 1 {
		return fmt.Sprintf(`{"pk":{"S":"row %d"}}`, n)
	}
	return fmt.Sprintf(`{"pk":{"S":"%c"},"sk":{"N":"%d"}}`, 'a'+n%3, n-10)
}

// item makes an item of row n. No two of them are equal: the serial number is in it.
func (m *model) item(r *rand.Rand, n, serial int) string {
	all := []string{fmt.Sprintf(`"serial":{"N":"%d"}`, serial)}
	for i := range values {
		if r.IntN(3) == 0 {
			all = append(all, fmt.Sprintf(`"%c":%s`, 'a'+i, values[i][r.IntN(len(values[i]))]))
		}
	}
	return members(m.key(n), all...)
}

// values are texts of the ten types, most of them ones that something has damaged somewhere.
var values = [...][]string{
	{`{"S":""}`, `{"S":"é 😀 \u0000 \"quoted\""}`, `{"S":"plain"}`},
	{`{"N":"0"}`, `{"N":"-1.5"}`, `{"N":"12345678901234567890123456789012345678"}`, `{"N":"0.1"}`},
	{`{"B":""}`, `{"B":"AAECAw=="}`},
	{`{"BOOL":true}`, `{"BOOL":false}`},
	{`{"NULL":true}`},
	{`{"L":[]}`, `{"L":[{"N":"1"},{"S":"x"},{"L":[{"M":{}}]}]}`},
	{`{"M":{}}`, `{"M":{"a":{"N":"7"},"b":{"M":{"c":{"BOOL":true}}}}}`},
	{`{"SS":["a","b"]}`},
	{`{"NS":["1","2"]}`},
	{`{"BS":["AA==","AQ=="]}`},
}

// members is an object with the members of key and others.
func members(key string, more ...string) string {
	return strings.TrimSuffix(key, "}") + "," + strings.Join(more, ",") + "}"
}

// canonical is the one text of a JSON value: members by name, nothing else changed.
func canonical(raw []byte) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		panic(fmt.Sprintf("%v in %s", err, raw)) // the simulation's own mistake
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it was decoded a moment ago
	}
	return string(text)
}

// expected is what the new table must hold now: items, and keys that may be there as markers.
func (m *model) expected() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.old)
	if m.plan.from != apply.FromNone {
		delete(all, m.big) // in the dlq
	}
	maps.Copy(all, m.owned)
	for key, writes := range m.writes {
		all[key] = writes[len(writes)-1]
		if all[key] == "" {
			delete(all, key)
		}
	}
	return all
}

// source is what the old table must hold now.
func (m *model) source() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.old)
}
