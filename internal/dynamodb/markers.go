package dynamodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

var _ sweep.Markers = (*Markers)(nil)

// Markers is the new table as the sweep sees it.
type Markers struct {
	table    *Table
	schema   events.KeySchema
	names    Attributes
	filter   []byte
	decoders sync.Pool
}

// NewMarkers returns the markers of a table with this key schema.
func NewMarkers(t *Table, schema events.KeySchema, names Attributes) *Markers {
	filter := append([]byte(`,"FilterExpression":"attribute_exists(#d)","ExpressionAttributeNames":{"#d":`), quote(nil, names.Deleted)...)
	return &Markers{table: t, schema: schema, names: names, filter: append(filter, '}'), decoders: decoders(schema)}
}

// Scan implements sweep.Markers.
func (m *Markers) Scan(ctx context.Context, segment, total int, after []byte) (sweep.Page, error) {
	scanned, err := m.table.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: m.filter})
	if err != nil {
		return sweep.Page{}, err
	}
	decoder := m.decoders.Get().(*decoder)
	defer m.decoders.Put(decoder)
	page := sweep.Page{Last: scanned.last}
	for _, raw := range scanned.items {
		marker, item, ok, err := m.marker(decoder, raw)
		switch {
		case err != nil:
			return sweep.Page{}, fmt.Errorf("a marker of table %s: %w", m.table.name, err)
		case !ok:
		case m.names.foreign(item, m.schema):
			page.Updated = append(page.Updated, marker.Key)
		default:
			page.Markers = append(page.Markers, marker)
		}
	}
	return page, nil
}

// marker reads an item that has the deleted-at attribute; false when that is no number, so not ours.
func (m *Markers) marker(decoder *decoder, raw []byte) (marker sweep.Marker, item events.Item, ok bool, err error) {
	item, err = decoder.Item(raw)
	if err != nil {
		return marker, item, false, err
	}
	if marker.Key, err = m.schema.Key(item); err != nil {
		return marker, item, false, err
	}
	if marker.Deleted = m.names.deleted(item); marker.Deleted == "" {
		return marker, item, false, nil
	}
	if marker.Version, err = m.names.version(item); err != nil {
		return marker, item, false, err
	}
	marker.Shard = typedText(item.Attribute(m.names.Shard), "S")
	marker.Tombstone = item.Attribute(m.names.Tombstone) != nil
	return marker, item, true, nil
}

// state says what an item is that was this marker when it was seen; raw is nil when there is none.
func (m *Markers) state(was sweep.Marker, raw []byte) (sweep.State, error) {
	if raw == nil {
		return sweep.Changed, nil
	}
	decoder := m.decoders.Get().(*decoder)
	defer m.decoders.Put(decoder)
	now, item, ok, err := m.marker(decoder, raw)
	switch {
	case err != nil:
		return sweep.Changed, err
	case !ok || now.Version != was.Version || was.Version == (events.Version{}) && now.Deleted != was.Deleted:
		return sweep.Changed, nil
	case m.names.foreign(item, m.schema):
		return sweep.Updated, nil
	}
	return sweep.Same, nil
}

// Look implements sweep.Markers.
func (m *Markers) Look(ctx context.Context, marker sweep.Marker) (sweep.State, error) {
	what := fmt.Sprintf("look at the marker of %s in %s again", marker.Key, m.table.name)
	body := append(append(m.table.begin("Key"), marker.Key...), `,"ConsistentRead":true}`...)
	answer, err := m.table.wire.call(ctx, "DynamoDB_20120810.GetItem", body)
	if err != nil {
		return sweep.Changed, notRecord(classify(err, what))
	}
	raw, err := memberOf(answer, "Item")
	if err != nil {
		return sweep.Changed, classify(err, what)
	}
	state, err := m.state(marker, raw)
	if err != nil {
		return sweep.Changed, fmt.Errorf("%s: %w", what, err)
	}
	return state, nil
}

// memberOf cuts a member out of an answer; nil when it is not there.
func memberOf(answer []byte, member string) (value []byte, err error) {
	c := newCutter(answer)
	err = c.object(func(name string) (err error) {
		if name == member {
			value, err = c.value()
			return err
		}
		return c.skip()
	})
	return value, err
}

// typedText is the text of a value of this type, which is S or N; empty if it is of another, or nil.
func typedText(value []byte, kind string) string {
	var typed map[string]json.RawMessage
	var text string
	if value == nil || json.Unmarshal(value, &typed) != nil || json.Unmarshal(typed[kind], &text) != nil {
		return ""
	}
	return text
}

// Remove implements sweep.Markers.
func (m *Markers) Remove(ctx context.Context, marker sweep.Marker) (was sweep.State, taken []byte, err error) {
	what := fmt.Sprintf("remove the marker of %s from %s", marker.Key, m.table.name)
	body := append(m.table.begin("Key"), marker.Key...)
	if marker.Version != (events.Version{}) {
		body = append(body, `,"ConditionExpression":"#v = :v AND attribute_exists(#d)","ExpressionAttributeValues":{":v":{"S":"`...)
		body = append(append(body, marker.Version.String()...), `"}}`...)
	} else {
		body = append(body, `,"ConditionExpression":"#d = :d AND attribute_not_exists(#v)","ExpressionAttributeValues":{":d":{"N":`...)
		body = append(quote(body, marker.Deleted), `}}`...)
	}
	body = append(quote(append(body, `,"ExpressionAttributeNames":{"#v":`...), m.names.Version), `,"#d":`...)
	body = append(quote(body, m.names.Deleted), `},"ReturnValues":"ALL_OLD"}`...)
	answer, err := m.table.wire.call(ctx, "DynamoDB_20120810.DeleteItem", body)
	if _, changed := conditionFailed(err); changed {
		return sweep.Changed, nil, nil
	}
	if err != nil {
		return sweep.Changed, nil, notRecord(classify(err, what))
	}
	return m.removed(marker, answer)
}

// removed reads the answer to a removal.
func (m *Markers) removed(marker sweep.Marker, answer []byte) (was sweep.State, taken []byte, err error) {
	raw, err := memberOf(answer, "Attributes")
	if err == nil && raw == nil {
		err = errors.New("the answer does not have it")
	}
	if err == nil {
		was, err = m.state(marker, raw)
	}
	if err != nil {
		// Another attempt would find nothing, and say nothing.
		return sweep.Changed, nil, &fault.Error{
			Class: fault.Fatal, Reason: "answer", Err: err,
			What: fmt.Sprintf("the marker of %s is removed from %s, and what it was is not known", marker.Key, m.table.name),
		}
	}
	if was == sweep.Same {
		return was, nil, nil
	}
	return sweep.Updated, raw, nil
}

// PutBack implements sweep.Markers.
func (m *Markers) PutBack(ctx context.Context, marker sweep.Marker, taken []byte) (bool, error) {
	what := fmt.Sprintf("put %s back into %s", marker.Key, m.table.name)
	body := append(m.table.begin("Item"), taken...)
	body = append(body, `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD","ConditionExpression":"attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":`...)
	body = append(quote(body, m.schema[0].Name), `}}`...)
	_, err := m.table.wire.call(ctx, "DynamoDB_20120810.PutItem", body)
	if stored, there := conditionFailed(err); there {
		// What carries this marker is an attempt before, whose answer was lost: nobody else writes that version once more.
		state, err := m.state(marker, stored)
		if err != nil {
			return false, fmt.Errorf("%s: %w", what, err)
		}
		return state != sweep.Changed, nil
	}
	return err == nil, notRecord(classify(err, what))
}
