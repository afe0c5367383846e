package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// application is the live service: it writes, updates, deletes and re-creates rows, one change after the other, hot
// keys more often. What it does is a matter of its seed alone.
type application struct {
	*world
	random *rand.Rand
	serial int
	slow   bool
}

func newApplication(w *world) *application {
	return &application{world: w, random: random(w.plan.seed, "application")}
}

// run makes changes for a while.
func (a *application) run(length time.Duration) {
	for end := time.Now().Add(length); ; {
		pause := a.plan.pause
		if a.slow {
			pause = max(pause, time.Second)
		}
		time.Sleep(time.Duration(1 + a.random.Int64N(int64(pause))))
		if time.Now().After(end) {
			return
		}
		if err := a.change(); err != nil {
			a.fail("the application: %v", err)
			return
		}
	}
}

// change makes one change, in the way that the form demands.
func (a *application) change() error {
	a.serial++
	n := min(a.random.IntN(a.plan.keys), a.random.IntN(a.plan.keys), a.random.IntN(a.plan.keys)) // low ones are hot
	key := a.model.key(n)
	kind := a.random.IntN(10)
	item := a.model.item(a.random, n, a.serial)
	if a.plan.from == apply.FromNone {
		return a.redirected(key, kind, item)
	}
	var op events.Op
	var err error
	a.model.mu.Lock()
	before, exists := a.model.old[key]
	a.model.mu.Unlock()
	switch {
	case kind < 3: // delete, sometimes what is not there
		op, item = events.Delete, ""
		err = a.try("DeleteItem", map[string]any{"TableName": oldTable, "Key": json.RawMessage(key)}, nil)
	case kind < 6:
		op = events.Write
		item, err = a.update(key, before)
	default:
		op = events.Write
		err = a.try("PutItem", map[string]any{"TableName": oldTable, "Item": json.RawMessage(item)}, nil)
	}
	if err != nil {
		return err
	}
	a.story.tell("app", "%s %s serial %d", op, key, a.serial)
	a.model.mu.Lock()
	if op == events.Delete {
		delete(a.model.old, key)
	} else {
		a.model.old[key] = canonical([]byte(item))
	}
	a.model.mu.Unlock()
	if a.plan.from == apply.FromApp && (op == events.Write || exists || a.random.IntN(2) == 0) {
		return a.publish(key, op, item)
	}
	return nil
}

// purge deletes every second row.
func (a *application) purge() {
	for n := 0; n < a.plan.keys; n += 2 {
		key := a.model.key(n)
		if err := a.try("DeleteItem", map[string]any{"TableName": oldTable, "Key": json.RawMessage(key)}, nil); err != nil {
			a.fail("the application: %v", err)
		}
		a.story.tell("app", "delete %s", key)
		a.model.mu.Lock()
		delete(a.model.old, key)
		a.model.mu.Unlock()
	}
}

// update sets one attribute; it creates a row that is not there.
func (a *application) update(key, before string) (string, error) {
	value := fmt.Sprintf(`{"N":"%d"}`, a.serial)
	err := a.try("UpdateItem", map[string]any{
		"TableName": oldTable, "Key": json.RawMessage(key), "UpdateExpression": "SET u = :u, #s = :u",
		"ExpressionAttributeNames":  map[string]string{"#s": "serial"},
		"ExpressionAttributeValues": map[string]any{":u": json.RawMessage(value)},
	}, nil)
	if before == "" {
		before = key
	}
	var item map[string]json.RawMessage
	if err := json.Unmarshal([]byte(before), &item); err != nil {
		return "", err
	}
	item["u"], item["serial"] = json.RawMessage(value), json.RawMessage(value)
	after, _ := json.Marshal(item) //nolint:errchkjson // it was decoded a moment ago
	return string(after), err
}

// publish is what an application does in the form app: its own event, sometimes twice when it sends positions.
func (a *application) publish(key string, op events.Op, item string) error {
	e := events.Event{Key: events.Key(key), Op: op, Item: events.Item{Raw: []byte(item)}}
	times := 1
	if a.plan.header {
		e.Position = events.PositionAt(uint64(a.serial))
		times += a.random.IntN(2) * a.random.IntN(2)
	}
	for range times {
		if err := a.append(a.topics.Live, events.Encode(e)); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) append(topic string, record events.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	publish, records := a.broker.Publish(topic, a.plan.parts), []events.Record{record}
	return fault.Do(ctx, nil, func(ctx context.Context) error { return publish(ctx, records) })
}

// redirected is what an application does in the form none: it writes the new table, and a marker for a delete.
func (a *application) redirected(key string, kind int, item string) error {
	written := canonical([]byte(item))
	if kind < 3 {
		item, written = members(key, fmt.Sprintf(`"crossfade_deleted":{"N":"%d"}`, a.serial)), ""
	}
	// The model first: the witness must never see a write that the model does not know.
	a.model.mu.Lock()
	a.model.writes[key] = append(a.model.writes[key], written)
	a.model.mu.Unlock()
	a.story.tell("app", "writes the new table: %s serial %d, dead %t", key, a.serial, written == "")
	return a.try("PutItem", map[string]any{"TableName": newTable, "Item": json.RawMessage(item)}, nil)
}

// poison appends a record that can never be applied. Its header tells the witness to look for it in the dlq.
func (a *application) poison(r *rand.Rand) error {
	key := a.model.key(r.IntN(a.plan.keys))
	item := members(key, `"poison":{"BOOL":true}`)
	records := []events.Record{
		{Key: []byte(`not a key`), Value: []byte(item)},
		{Key: []byte(key), Value: []byte(`{"pk":`)},
		{Key: []byte(a.model.key(a.plan.keys + 5)), Value: []byte(item)}, // another key than the item's
		{Key: []byte(key), Value: []byte(item), Headers: []events.Header{{Key: events.HeaderOp, Value: []byte("upsert")}}},
		{Key: []byte(key), Value: []byte(item), Headers: []events.Header{{Key: events.HeaderVersion, Value: []byte("7")}}},
	}
	record := records[r.IntN(len(records))]
	record.Headers = append(record.Headers, events.Header{Key: headerPoison, Value: []byte("yes")})
	topic := a.topics.Live
	if a.plan.from == apply.FromNone || r.IntN(3) == 0 {
		topic = a.topics.Snapshot
	}
	a.story.tell("app", "poisons %s", topic)
	return a.append(topic, record)
}

const headerPoison = "poison"
