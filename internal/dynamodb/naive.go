package dynamodb

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

var _ apply.Target = (*Naive)(nil)

// Naive writes as a plain copy does: whatever arrives last stands, and a delete leaves nothing behind. It exists so
// that the demonstration can show the damage.
type Naive struct{ table *Table }

// NewNaiveTarget returns a target without any condition.
func NewNaiveTarget(t *Table) *Naive { return &Naive{table: t} }

// Insert implements apply.Target.
func (n *Naive) Insert(ctx context.Context, rows []events.Event) []apply.Result {
	results := make([]apply.Result, len(rows))
	for i, row := range rows {
		results[i] = n.Put(ctx, row)
	}
	return results
}

// Put implements apply.Target, but for the condition.
func (n *Naive) Put(ctx context.Context, row events.Event) apply.Result {
	operation, body := "DynamoDB_20120810.DeleteItem", n.table.begin("Key")
	if row.Op == events.Write {
		operation, body = "DynamoDB_20120810.PutItem", append(n.table.begin("Item"), row.Item.Raw...)
	} else {
		body = append(body, row.Key...)
	}
	if _, err := n.table.wire.call(ctx, operation, append(body, '}')); err != nil {
		return apply.Result{Err: classify(err, "write "+string(row.Key))}
	}
	return apply.Result{Outcome: apply.Applied}
}
