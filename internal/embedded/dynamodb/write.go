package dynamodb

import (
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// write is one checked write of one item, ready to be done under the table's lock.
type write struct {
	table     *table
	place     place
	key       expression.Item
	item      *row               // put
	update    *expression.Update // update
	remove    bool               // delete
	condition *expression.Condition
	allOld    bool // a failed condition shows the item
	older     bool // the update came as AttributeUpdates, of which errors have other texts
}

// outcome is what a write did, or would do.
type outcome struct {
	old, new *row
	before   expression.Item // of an update
	after    expression.Item
	used     usage
}

// collection is the answer to ReturnItemCollectionMetrics: nil unless the table has local indexes.
func (w *write) collection(want string) *itemCollection {
	if want != "SIZE" || !w.table.hasLocal() {
		return nil
	}
	item := w.key
	if w.item != nil {
		item = expression.MustParseItem(w.item.key)
	}
	partition := w.table.schema[0].name
	return &itemCollection{expression.Item{partition: item[partition]}.Append(nil), [2]float64{0, 1}}
}

// plan checks the condition and computes what is stored. It needs the table's lock.
func (w *write) plan() (outcome, error) {
	if w.table.deleted {
		return outcome{}, notFound("Requested resource not found")
	}
	out := outcome{old: w.table.rows.get(w.place)}
	if out.old != nil && (w.condition != nil || w.update != nil) {
		out.before = expression.MustParseItem(out.old.raw)
	}
	if w.condition != nil && !w.condition.Holds(out.before) {
		e := &Error{Code: "ConditionalCheckFailedException", Message: "The conditional request failed"}
		if w.allOld && out.old != nil {
			e.item = out.old.raw
		}
		return out, e
	}
	switch {
	case w.item != nil:
		out.new = w.item
	case w.update != nil:
		if err := w.planUpdate(&out); err != nil {
			return out, err
		}
	case !w.remove: // a ConditionCheck
		out.new = out.old
	}
	out.used.table = writeUnits(out.old, out.new)
	return out, nil
}

func (w *write) planUpdate(out *outcome) error {
	before := out.before
	if out.old == nil {
		if !w.update.Creates() {
			return nil // nothing is written, and the stream has no record of it
		}
		before = w.key
	}
	after, err := w.update.Apply(before)
	switch {
	case err != nil && w.older && errors.Is(err, expression.ErrOperand):
		return validation("Type mismatch for attribute to update")
	case err != nil:
		return err
	}
	out.after = after
	if err := w.table.checkIndexed(after); err != nil && w.older {
		return err
	} else if err != nil {
		return validation("The update expression attempted to update the secondary index key to unsupported type")
	}
	if out.new, err = w.table.schema.rowOf(w.place, after); err != nil {
		return validation("Item size to update has exceeded the maximum allowed size")
	}
	return deepEnough(after)
}

// deepEnough refuses what an update may have nested too deeply.
func deepEnough(item expression.Item) error {
	_, err := expression.ParseItem(item.Append(nil))
	return err
}

// store puts the new row, nil for none, in the place of the old one, in the table and in its indexes, and tells the stream. What
// the indexes cost goes to used. It needs the table's lock.
func (t *table) store(old, new *row, ttl bool, used *usage) {
	for _, x := range t.indexes {
		used.addIndex(x, x.change(old, new, t.schema))
	}
	switch {
	case new != nil:
		t.rows.put(new, old)
	case old != nil:
		t.rows.remove(old)
	}
	if t.stream != nil {
		t.stream.append(old, new, ttl)
	}
}

// do runs one write.
func (w *write) do() (outcome, error) {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	out, err := w.plan()
	if err == nil {
		w.table.store(out.old, out.new, false, &out.used)
	}
	return out, err
}

func writeUnits(old, new *row) float64 {
	size := 1
	for _, r := range []*row{old, new} {
		if r != nil {
			size = max(size, r.size)
		}
	}
	return float64((size + 1023) / 1024)
}

// conditional is what every single write may ask for.
type conditional struct {
	ConditionExpression                 *string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]expression.Value
	ReturnValuesOnConditionCheckFailure string
}

// newScope starts reading the expressions of a request. missing says in the service's words which a request with values lacks
// if there is none.
func newScope(missing string, names map[string]string, values map[string]expression.Value, expressions ...*string) (*expression.Scope, error) {
	scope := expression.NewScope(names, values)
	if !slices.ContainsFunc(expressions, func(e *string) bool { return e != nil }) {
		if names != nil {
			return nil, validation("ExpressionAttributeNames can only be specified when using expressions")
		}
		if values != nil {
			return nil, validation("ExpressionAttributeValues can only be specified when using expressions: %s", missing)
		}
	}
	return scope, scope.Check()
}

// parsed is the expressions of a write, read before its table is looked up.
type parsed struct {
	condition *expression.Condition
	update    *expression.Update
	allOld    bool
}

// parse reads the condition.
func (r *conditional) parse() (parsed, error) { return r.parseWith("ConditionExpression is null", nil) }

// parseUpdate reads the condition and the update; one without an expression only makes sure that the item is there.
func (r *conditional) parseUpdate(update *string) (parsed, error) {
	p, err := r.parseWith("UpdateExpression and ConditionExpression are null", update)
	if update == nil {
		p.update = &expression.Update{}
	}
	return p, err
}

// parseWith says in the service's words what is missing if there is no expression.
func (r *conditional) parseWith(missing string, update *string) (p parsed, err error) {
	p.allOld = r.ReturnValuesOnConditionCheckFailure == "ALL_OLD"
	if update == nil && r.ConditionExpression == nil && r.ExpressionAttributeNames == nil && r.ExpressionAttributeValues == nil {
		return p, nil
	}
	scope, err := newScope(missing, r.ExpressionAttributeNames, r.ExpressionAttributeValues, r.ConditionExpression, update)
	if err != nil {
		return p, err
	}
	if update != nil {
		if p.update, err = scope.Update("UpdateExpression", *update); err != nil {
			return p, err
		}
	}
	if r.ConditionExpression != nil {
		if p.condition, err = scope.Condition("ConditionExpression", *r.ConditionExpression); err != nil {
			return p, err
		}
	}
	return p, scope.Unused()
}

// use takes over what was parsed.
func (w *write) use(p parsed) error {
	w.condition, w.update, w.allOld = p.condition, p.update, p.allOld
	if w.update == nil {
		return nil
	}
	return w.table.checkUpdated(w.update.Paths())
}

// newPut checks a put of item.
func (c *call) newPut(name string, item expression.Item) (*write, error) {
	t, err := c.server.table(name)
	if err != nil {
		return nil, err
	}
	w := &write{table: t}
	if w.place, err = t.schema.placeOfItem(item); err != nil {
		return nil, err
	}
	if err := t.checkIndexed(item); err != nil {
		return nil, err
	}
	w.item, err = t.schema.rowOf(w.place, item)
	return w, err
}

// newKeyed starts a write of the item with this key.
func (c *call) newKeyed(name string, key expression.Item) (*write, error) {
	t, err := c.server.table(name)
	if err != nil {
		return nil, err
	}
	w := &write{table: t, key: key}
	w.place, err = t.schema.placeOfKey(key)
	return w, err
}

// attributes is an item in an answer: absent when nil.
func attributes(r *row) jsontext.Value {
	if r == nil {
		return nil
	}
	return r.raw
}
