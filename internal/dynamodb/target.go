package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

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
	table  *Table
	format *newtable.Format
	form   Form
	begin  []byte // of a PutItem, up to the item
	// Of a PutItem in the form Plain, its condition.
	absent    []byte
	around    int    // about the size of a PutItem beside its row
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
func NewTarget(t *Table, schema events.KeySchema, names newtable.Attributes, form Form) *Target {
	target := &Target{
		table: t, format: newtable.NewFormat(schema, names), form: form, begin: t.begin("Item"), insert: insertInto(t.name),
		absent: newtable.Absent(schema).Append(nil, newtable.ConditionExpression),
	}
	target.succeeded = append(quote([]byte(`{"TableName":`), t.name), '}')
	target.around = len(target.begin) + len(target.appendEnd(nil, events.Version{})) + aroundItem
	return target
}

// Put implements apply.Target.
func (t *Target) Put(ctx context.Context, row events.Event) apply.Result {
	room := len(row.Key) + len(row.Item.Raw) + len(row.Source) + t.around
	body := t.appendItem(append(make([]byte, 0, room), t.begin...), row)
	answer, err := t.table.wire.call(ctx, "DynamoDB_20120810.PutItem", t.appendEnd(body, row.Version))
	units := consumedByPut(answer)
	if err == nil {
		return apply.Result{Outcome: apply.Applied, Units: units}
	}
	if there, refused := conditionFailed(err); refused {
		return apply.Result{Outcome: t.refused(there, row.Version)}
	}
	return apply.Result{Err: classify(err, fmt.Sprintf("put %s into %s", row.Key, t.table.name))}
}

// aroundItem is about what our attributes take in an item.
const aroundItem = 512

// appendItem appends the item, or the marker, that the event leaves in the table.
func (t *Target) appendItem(b []byte, row events.Event) []byte {
	if row.Time.IsZero() {
		row.Time = time.Now()
	}
	if t.form == Plain {
		return t.format.AppendOwn(b, row)
	}
	return t.format.AppendCopy(b, row)
}

// appendEnd appends what follows the item of a PutItem. Invariant 1: every write of every kind stands under this condition.
func (t *Target) appendEnd(b []byte, v events.Version) []byte {
	b = append(b, `,"ReturnConsumedCapacity":"TOTAL","ReturnValuesOnConditionCheckFailure":"ALL_OLD"`...)
	if t.form == Plain {
		return append(append(b, t.absent...), '}')
	}
	return append(t.format.AppendAbsentOrLower(b, v), '}')
}

// refused says what the item that is there means for a write of this version; it is nil when the server does not say.
func (t *Target) refused(there []byte, version events.Version) apply.Outcome {
	if t.form == Plain {
		return apply.AppOwned
	}
	if there == nil {
		return apply.Present
	}
	item, err := t.format.Parse(there)
	if err != nil || item.VersionText() == "" {
		return apply.AppOwned
	}
	// The comparison is the database's own: the bytes of the text.
	if item.VersionText() == version.String() {
		return apply.Duplicate
	}
	return apply.Stale
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
