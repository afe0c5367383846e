package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/crossfadedb/crossfade/internal/apply"
)

// updates is what the application does to markers of the new table around a sweep: it updates one before it begins, and
// another while the sweep waits. To the application both are rows then, and no sweep may remove them.
type updates struct {
	*world
	before, during string // keys; "" for none, and the same if there is but one marker

	mu   sync.Mutex // a sweep that was killed may wait beside the next one
	made map[string]bool
}

// graceBegins tells that a sweep waits for a grace.
func (w *world) graceBegins() {
	w.mu.Lock()
	grace := w.grace
	w.mu.Unlock()
	if grace != nil {
		grace()
	}
}

// update updates a marker, now that nothing is on its way that could overwrite it. The caller has come to a quiet point.
func (w *world) update() *updates {
	u := &updates{world: w, made: map[string]bool{}}
	if w.plan.from == apply.FromNone {
		return u
	}
	w.witness.audit()
	var dead []string
	for key, e := range w.witness.ledger {
		if e.marker && w.model.owned[string(key)] == "" {
			dead = append(dead, string(key))
		}
	}
	slices.Sort(dead)
	if len(dead) == 0 {
		return u
	}
	u.before, u.during = dead[0], dead[len(dead)-1]
	w.witness.updated = map[string]bool{u.before: true, u.during: true}
	u.one(u.before)
	w.mu.Lock()
	w.grace = func() { u.one(u.during) }
	w.mu.Unlock()
	return u
}

// one updates one marker, if it is one still: a sweep that was cut off may have removed it.
func (u *updates) one(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.made[key] {
		return
	}
	err := u.try("UpdateItem", map[string]any{
		"TableName": newTable, "Key": json.RawMessage(key), "UpdateExpression": "SET kept = :x", "ConditionExpression": "attribute_exists(#d)",
		"ExpressionAttributeNames":  map[string]string{"#d": nameDeleted},
		"ExpressionAttributeValues": map[string]any{":x": json.RawMessage(`{"S":"of the application"}`)},
	}, nil)
	switch {
	case err == nil:
		u.made[key] = true
		u.story.tell("app", "updates the marker of %s", key)
	case !strings.Contains(err.Error(), "ConditionalCheckFailed"):
		u.fail("the application: %v", err)
	}
}

// check holds that what the application wrote is there still. Then the application deletes its rows, so that both tables are equal again.
func (u *updates) check() {
	u.world.mu.Lock()
	u.grace = nil
	u.world.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(u.made)) {
		var answer struct{ Item map[string]json.RawMessage }
		u.ask("GetItem", map[string]any{"TableName": newTable, "Key": json.RawMessage(key), "ConsistentRead": true}, &answer)
		if answer.Item["kept"] == nil {
			u.fail("invariant 10: the application updated the marker of %s, and after the sweep there is %s", key, answer.Item)
		}
		u.ask("DeleteItem", map[string]any{"TableName": newTable, "Key": json.RawMessage(key)}, nil)
	}
	u.witness.audit()
	u.witness.updated = nil
}
