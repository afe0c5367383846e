package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/crossfadedb/crossfade/internal/events"
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
	decoder := m.decoders.Get().(*events.Decoder)
	defer m.decoders.Put(decoder)
	page := sweep.Page{Last: scanned.last}
	for _, raw := range scanned.items {
		marker, ok, err := m.marker(decoder, raw)
		if err != nil {
			return sweep.Page{}, fmt.Errorf("a marker of table %s: %w", m.table.name, err)
		}
		if ok {
			page.Markers = append(page.Markers, marker)
		}
	}
	return page, nil
}

// marker reads an item that has the deleted-at attribute; false when that is no number, so not ours.
func (m *Markers) marker(decoder *events.Decoder, raw []byte) (marker sweep.Marker, ok bool, err error) {
	item, err := decoder.Item(raw)
	if err != nil {
		return marker, false, err
	}
	if marker.Key, err = m.schema.Key(item); err != nil {
		return marker, false, err
	}
	if marker.Deleted = m.names.deleted(item); marker.Deleted == "" {
		return marker, false, nil
	}
	if marker.Version, err = m.names.version(item); err != nil {
		return marker, false, err
	}
	marker.Shard = typedText(item.Attribute(m.names.Shard), "S")
	marker.Tombstone = item.Attribute(m.names.Tombstone) != nil
	return marker, true, nil
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
func (m *Markers) Remove(ctx context.Context, marker sweep.Marker) (bool, error) {
	body := append(m.table.begin("Key"), marker.Key...)
	if marker.Version != (events.Version{}) {
		body = append(body, `,"ConditionExpression":"#v = :v AND attribute_exists(#d)","ExpressionAttributeValues":{":v":{"S":"`...)
		body = append(append(body, marker.Version.String()...), `"}}`...)
	} else {
		body = append(body, `,"ConditionExpression":"#d = :d AND attribute_not_exists(#v)","ExpressionAttributeValues":{":d":{"N":`...)
		body = append(quote(body, marker.Deleted), `}}`...)
	}
	body = append(quote(append(body, `,"ExpressionAttributeNames":{"#v":`...), m.names.Version), `,"#d":`...)
	body = append(quote(body, m.names.Deleted), `}}`...)
	_, err := m.table.wire.call(ctx, "DynamoDB_20120810.DeleteItem", body)
	if _, changed := conditionFailed(err); changed {
		return false, nil
	}
	if err != nil {
		return false, notRecord(classify(err, fmt.Sprintf("remove the marker of %s from %s", marker.Key, m.table.name)))
	}
	return true, nil
}
