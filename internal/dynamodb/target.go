package dynamodb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Attributes are the names of our attributes on items of the new table.
type Attributes struct {
	Version   string // S: events.Version
	Deleted   string // N, seconds since 1970: the item is a marker
	Shard     string // S: on a marker, where its event came from
	Tombstone string // BOOL true: on a marker that must stay until nothing reads the old table
}

// version is the version that an item of the new table carries; zero when it has none.
func (a Attributes) version(item events.Item) (events.Version, error) {
	text := typedText(item.Attribute(a.Version), "S")
	if text == "" {
		return events.Version{}, nil
	}
	return events.ParseVersion(text)
}

// deleted is the text of an item's deleted-at number; empty when the item is no marker.
func (a Attributes) deleted(item events.Item) string {
	return typedText(item.Attribute(a.Deleted), "N")
}

// foreign reports whether an item has attributes that are neither its key nor ours: an item with a marker's attributes that the
// application has updated is no marker.
func (a Attributes) foreign(item events.Item, schema events.KeySchema) bool {
	return slices.ContainsFunc(item.Attributes, func(i events.Attribute) bool {
		switch i.Name {
		case a.Version, a.Deleted, a.Shard, a.Tombstone:
			return false
		}
		return !slices.ContainsFunc(schema, func(k events.KeyAttribute) bool { return k.Name == i.Name })
	})
}

// Form is how the new table carries the order.
type Form uint8

// The forms.
const (
	Versioned Form = iota // each item carries its version
	Plain                 // items carry nothing of ours, and a write needs the key to be absent
)

var _ apply.Target = (*Target)(nil)

// Target is the new table under the condition.
type Target struct {
	table *Table
	names Attributes
	form  Form
	begin []byte // of a PutItem, up to the item
	// The part of a PutItem that follows the item, up to the version.
	condition []byte
	insert    string // the beginning of an INSERT statement
	succeeded []byte // the answer to one
	singly    bool   // without INSERT statements
}

// Singly makes the target write every row by a PutItem of its own, for a server that knows no PartiQL.
func (t *Target) Singly() *Target {
	t.singly = true
	return t
}

// NewTarget returns the target of a table with this key schema.
func NewTarget(t *Table, schema events.KeySchema, names Attributes, form Form) *Target {
	target := &Target{table: t, names: names, form: form, begin: t.begin("Item"), insert: insertInto(t.name)}
	target.succeeded = append(quote([]byte(`{"TableName":`), t.name), '}')
	// Invariant 1: every write of every kind stands under this condition.
	c := []byte(`,"ReturnConsumedCapacity":"TOTAL","ReturnValuesOnConditionCheckFailure":"ALL_OLD","ConditionExpression":`)
	if form == Plain {
		c = append(c, `"attribute_not_exists(#k)","ExpressionAttributeNames":{"#k":`...)
		c = append(quote(c, schema[0].Name), `}}`...)
	} else {
		c = append(c, `"attribute_not_exists(#k) OR #v < :v","ExpressionAttributeNames":{"#k":`...)
		c = append(quote(c, schema[0].Name), `,"#v":`...)
		c = append(quote(c, names.Version), `},"ExpressionAttributeValues":{":v":{"S":"`...)
	}
	target.condition = c
	return target
}

// Put implements apply.Target.
func (t *Target) Put(ctx context.Context, row events.Event) apply.Result {
	room := len(t.begin) + len(row.Key) + len(row.Item.Raw) + len(row.Source) + aroundItem + len(t.condition)
	body := t.appendItem(append(make([]byte, 0, room), t.begin...), row)
	body = append(body, t.condition...)
	if t.form == Versioned {
		body = append(row.Version.Append(body), `"}}}`...)
	}
	answer, err := t.table.wire.call(ctx, "DynamoDB_20120810.PutItem", body)
	units := consumedByPut(answer)
	if err == nil {
		return apply.Result{Outcome: apply.Applied, Units: units}
	}
	if stored, refused := conditionFailed(err); refused {
		return apply.Result{Outcome: t.refused(stored, row.Version)}
	}
	return apply.Result{Err: classify(err, fmt.Sprintf("put %s into %s", row.Key, t.table.name))}
}

// aroundItem is about what a PutItem has beside the item and its condition: two versions and the names of our attributes.
const aroundItem = 512

// appendItem appends the item, or the marker, that the event leaves in the table.
func (t *Target) appendItem(b []byte, row events.Event) []byte {
	base := []byte(row.Key)
	if row.Op == events.Write {
		base = row.Item.Raw
	}
	b = append(b, '{')
	if t.form == Versioned {
		b = row.Version.Append(append(quote(b, t.names.Version), `:{"S":"`...))
		b = append(b, `"},`...)
	}
	if row.Op != events.Write {
		at := row.Time
		if at.IsZero() {
			at = time.Now()
		}
		b = append(quote(b, t.names.Deleted), `:{"N":"`...)
		b = append(strconv.AppendInt(b, at.Unix(), 10), `"},`...)
		if row.Source != "" {
			b = append(quote(b, t.names.Shard), `:{"S":`...)
			b = append(quote(b, row.Source), `},`...)
		}
		if row.Op == events.Tombstone {
			b = append(quote(b, t.names.Tombstone), `:{"BOOL":true},`...)
		}
	}
	return append(b, base[bytes.IndexByte(base, '{')+1:]...)
}

// refused says what the stored item means for a write of this version.
func (t *Target) refused(stored []byte, version events.Version) apply.Outcome {
	if t.form == Plain {
		return apply.AppOwned
	}
	if stored == nil {
		return apply.Present
	}
	var item map[string]json.RawMessage
	var held struct{ S string }
	if json.Unmarshal(stored, &item) != nil || json.Unmarshal(item[t.names.Version], &held) != nil || held.S == "" {
		return apply.AppOwned
	}
	// The comparison is the database's own: the bytes of the text.
	switch cmp.Compare(held.S, version.String()) {
	case 0:
		return apply.Duplicate
	default:
		return apply.Stale
	}
}

func consumed(answer []byte) float64 {
	var body struct {
		ConsumedCapacity struct{ CapacityUnits float64 }
	}
	if answer == nil || json.Unmarshal(answer, &body) != nil {
		return 0 // unknown: the item's size is used
	}
	return body.ConsumedCapacity.CapacityUnits
}

// consumedByPut is consumed of an answer without an item: there is no text but a table's name in which the word could be.
func consumedByPut(answer []byte) float64 {
	_, rest, _ := bytes.Cut(answer, []byte(`"CapacityUnits":`))
	rest = bytes.TrimLeft(rest, " ")
	end := 0
	for end < len(rest) && (rest[end] == '.' || '0' <= rest[end] && rest[end] <= '9') {
		end++
	}
	units, err := strconv.ParseFloat(string(rest[:end]), 64)
	if err != nil {
		return 0
	}
	return units
}
