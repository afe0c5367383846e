package dynamodb

import (
	"context"
	"errors"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/newtable"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

var _ sweep.Markers = (*Markers)(nil)

// Markers is the new table as the sweep sees it.
type Markers struct {
	table  *Table
	format *newtable.Format
	filter []byte
}

// NewMarkers returns the markers of a table with this key schema.
func NewMarkers(t *Table, schema events.KeySchema, names newtable.Attributes) *Markers {
	format := newtable.NewFormat(schema, names)
	return &Markers{table: t, format: format, filter: format.Deleted().Append(nil, newtable.FilterExpression)}
}

// Scan implements sweep.Markers.
func (m *Markers) Scan(ctx context.Context, segment, total int, after []byte) (sweep.Page, error) {
	scanned, err := m.table.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: m.filter})
	if err != nil {
		return sweep.Page{}, err
	}
	page := sweep.Page{Last: scanned.last, Units: scanned.units}
	for _, raw := range scanned.items {
		marker, item, err := m.marker(raw)
		switch {
		case err != nil:
			return sweep.Page{}, fmt.Errorf("a marker of table %s: %w", m.table.name, err)
		case !item.Marker():
		case item.Foreign():
			page.Updated = append(page.Updated, marker.Key)
		default:
			page.Markers = append(page.Markers, marker)
		}
	}
	return page, nil
}

// marker reads an item that has the deleted-at attribute; the marker is the zero one when the item is none.
func (m *Markers) marker(raw []byte) (marker sweep.Marker, item newtable.Item, err error) {
	if item, err = m.format.Parse(raw); err != nil {
		return marker, item, err
	}
	key, err := item.Key()
	if err != nil || !item.Marker() {
		return marker, item, err
	}
	version, err := item.Version()
	if err != nil {
		return marker, item, err
	}
	return sweep.Marker{Key: key, Version: version, Deleted: item.Deleted(), Shard: item.Shard(), Tombstone: item.Tombstone()}, item, nil
}

// state says what an item is that was this marker when it was seen; raw is nil when there is none.
func (m *Markers) state(was sweep.Marker, raw []byte) (sweep.State, error) {
	if raw == nil {
		return sweep.Changed, nil
	}
	_, item, err := m.marker(raw)
	switch {
	case err != nil:
		return sweep.Changed, err
	case !item.Is(was.Version, was.Deleted):
		return sweep.Changed, nil
	case item.Foreign():
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

// Remove implements sweep.Markers.
func (m *Markers) Remove(ctx context.Context, marker sweep.Marker) (was sweep.State, taken []byte, err error) {
	what := fmt.Sprintf("remove the marker of %s from %s", marker.Key, m.table.name)
	body := append(m.table.begin("Key"), marker.Key...)
	body = m.format.Is(marker.Version, marker.Deleted).Append(body, newtable.ConditionExpression)
	body = append(body, `,"ReturnValues":"ALL_OLD"}`...)
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
	body = newtable.Absent(m.format.Schema).Append(body, newtable.ConditionExpression)
	body = append(body, `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`...)
	_, err := m.table.wire.call(ctx, "DynamoDB_20120810.PutItem", body)
	if is, there := conditionFailed(err); there {
		// What carries this marker is an attempt before, whose answer was lost: nobody else writes that version once more.
		state, err := m.state(marker, is)
		if err != nil {
			return false, fmt.Errorf("%s: %w", what, err)
		}
		return state != sweep.Changed, nil
	}
	return err == nil, notRecord(classify(err, what))
}
