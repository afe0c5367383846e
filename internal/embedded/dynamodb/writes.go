package dynamodb

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// returns is what every single write may ask back.
type returns struct {
	ReturnValues                string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type putItem struct {
	TableName string
	Item      expression.Item
	conditional
	returns
}

type deleteItem struct {
	TableName string
	Key       expression.Item
	conditional
	returns
}

type updateItem struct {
	TableName        string
	Key              expression.Item
	UpdateExpression *string
	conditional
	returns
}

type written struct {
	Attributes            jsontext.Value    `json:",omitzero"`
	ConsumedCapacity      *consumedCapacity `json:",omitzero"`
	ItemCollectionMetrics *itemCollection   `json:",omitzero"`
}

func (r *putItem) target() (string, expression.Item)    { return r.TableName, r.Item }
func (r *deleteItem) target() (string, expression.Item) { return r.TableName, r.Key }
func (r *updateItem) target() (string, expression.Item) { return r.TableName, r.Key }

// check refuses what this kind of write cannot return.
func (r *returns) check(allowed ...string) error {
	if r.ReturnValues != "" && r.ReturnValues != "NONE" && !slices.Contains(allowed, r.ReturnValues) {
		return validation("Return values set to invalid value")
	}
	return nil
}

func (c *call) putItem(in *putItem) (written, error) {
	if err := in.check("ALL_OLD"); err != nil {
		return written{}, err
	}
	expressions, err := in.parse()
	if err != nil {
		return written{}, err
	}
	w, err := c.newPut(in.TableName, in.Item)
	if err != nil {
		return written{}, err
	}
	if err := w.use(expressions); err != nil {
		return written{}, err
	}
	return in.run(w)
}

func (c *call) deleteItem(in *deleteItem) (written, error) {
	if err := in.check("ALL_OLD"); err != nil {
		return written{}, err
	}
	expressions, err := in.parse()
	if err != nil {
		return written{}, err
	}
	w, err := c.newKeyed(in.TableName, in.Key)
	if err != nil {
		return written{}, err
	}
	w.remove = true
	if err := w.use(expressions); err != nil {
		return written{}, err
	}
	return in.run(w)
}

func (c *call) updateItem(in *updateItem) (written, error) {
	if err := in.check("ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"); err != nil {
		return written{}, err
	}
	expressions, err := in.parseUpdate(in.UpdateExpression)
	if err != nil {
		return written{}, err
	}
	w, err := c.newKeyed(in.TableName, in.Key)
	if err != nil {
		return written{}, err
	}
	w.older = c.given("AttributeUpdates")
	if err := w.use(expressions); err != nil {
		return written{}, err
	}
	return in.run(w)
}

func (r *returns) run(w *write) (written, error) {
	out, err := w.do()
	if err != nil {
		return written{}, err
	}
	answer := written{
		ConsumedCapacity:      consumed(r.ReturnConsumedCapacity, w.table, out.used),
		ItemCollectionMetrics: w.collection(r.ReturnItemCollectionMetrics),
	}
	switch r.ReturnValues {
	case "ALL_OLD":
		answer.Attributes = attributes(out.old)
	case "ALL_NEW":
		answer.Attributes = attributes(out.new)
	case "UPDATED_OLD":
		answer.Attributes = updated(w.update, out.before)
	case "UPDATED_NEW":
		answer.Attributes = updated(w.update, out.after)
	}
	return answer, nil
}

// updated is the part of item that the update named.
func updated(u *expression.Update, item expression.Item) jsontext.Value {
	part := expression.Projection(u.Paths()).Of(item)
	if len(part) == 0 {
		return nil
	}
	return part.Append(nil)
}
