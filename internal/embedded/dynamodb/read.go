package dynamodb

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

type getItem struct {
	TableName                string
	Key                      expression.Item
	ConsistentRead           bool
	ProjectionExpression     *string
	ExpressionAttributeNames map[string]string
	ReturnConsumedCapacity   string
}

type gotItem struct {
	Item             jsontext.Value    `json:",omitzero"`
	ConsumedCapacity *consumedCapacity `json:",omitzero"`
}

func (r *getItem) target() (string, expression.Item) { return r.TableName, r.Key }

func (c *call) getItem(in *getItem) (gotItem, error) {
	projection, err := newProjection(in.ProjectionExpression, in.ExpressionAttributeNames)
	if err != nil {
		return gotItem{}, err
	}
	t, err := c.server.table(in.TableName)
	if err != nil {
		return gotItem{}, err
	}
	p, err := t.schema.placeOfKey(in.Key)
	if err != nil {
		return gotItem{}, err
	}
	if err := t.checkPaths(projection); err != nil {
		return gotItem{}, err
	}
	r := t.get(p)
	out := gotItem{ConsumedCapacity: consumed(in.ReturnConsumedCapacity, t, usage{table: readUnits(sizeOf(r), in.ConsistentRead)})}
	if r != nil {
		out.Item = projected(r, projection)
	}
	return out, nil
}

func (t *table) get(p place) *row {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows.get(p)
}

func newProjection(text *string, names map[string]string) (expression.Projection, error) {
	scope, err := newScope("", names, nil, text)
	if err != nil || text == nil {
		return nil, err
	}
	p, err := scope.Projection("ProjectionExpression", *text)
	if err != nil {
		return nil, err
	}
	return p, scope.Unused()
}

// projected is the row's item, or the part of it that the projection names.
func projected(r *row, p expression.Projection) jsontext.Value {
	if p == nil {
		return r.raw
	}
	return p.Of(expression.MustParseItem(r.raw)).Append(nil)
}

func sizeOf(r *row) int {
	if r == nil {
		return 0
	}
	return r.size
}

// readUnits is what reading this many bytes costs: one for 4 KB if consistent, else half.
func readUnits(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}
