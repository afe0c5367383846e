package dynamodb

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// Limits of the batch calls.
const (
	maxBatchWrites = 25
	maxBatchKeys   = 100
	maxBatchBytes  = 16 << 20
)

// writeRequest is one part of a BatchWriteItem.
type writeRequest struct {
	PutRequest    *struct{ Item expression.Item } `json:",omitzero"`
	DeleteRequest *struct{ Key expression.Item }  `json:",omitzero"`
}

type batchWriteItem struct {
	RequestItems                map[string][]writeRequest
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type batchWritten struct {
	UnprocessedItems      map[string][]writeRequest
	ConsumedCapacity      []*consumedCapacity          `json:",omitzero"`
	ItemCollectionMetrics map[string][]*itemCollection `json:",omitzero"`
}

// checkBatch refuses an empty batch and one with too many parts.
func (c *call) checkBatch(n, most int) error {
	if n == 0 {
		return validation("The requestItems parameter is required for %s", c.operation)
	}
	if n > most {
		return validation("Too many items requested for the %s call", c.operation)
	}
	return nil
}

func (c *call) batchWriteItem(in *batchWriteItem) (batchWritten, error) {
	n := 0
	for _, requests := range in.RequestItems {
		n += len(requests)
	}
	if err := c.checkBatch(n, maxBatchWrites); err != nil {
		return batchWritten{}, err
	}
	writes := map[string][]*write{}
	for name, requests := range in.RequestItems {
		seen := map[place]bool{}
		for _, r := range requests {
			w, err := c.batchWrite(name, r)
			if err != nil {
				return batchWritten{}, err
			}
			if seen[w.place] {
				return batchWritten{}, validation("Provided list of item keys contains duplicates")
			}
			seen[w.place] = true
			writes[name] = append(writes[name], w)
		}
	}
	return c.runBatch(in, writes)
}

func (c *call) batchWrite(name string, r writeRequest) (*write, error) {
	switch {
	case (r.PutRequest == nil) == (r.DeleteRequest == nil):
		return nil, validation("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case r.PutRequest != nil:
		return c.newPut(name, r.PutRequest.Item)
	}
	w, err := c.newKeyed(name, r.DeleteRequest.Key)
	if err != nil {
		return nil, err
	}
	w.remove = true
	return w, nil
}

// runBatch does the writes, each by itself; those that a fault refuses come back as unprocessed.
func (c *call) runBatch(in *batchWriteItem, writes map[string][]*write) (batchWritten, error) {
	out := batchWritten{UnprocessedItems: map[string][]writeRequest{}}
	for name, list := range writes {
		var used usage
		for i, w := range list {
			request := in.RequestItems[name][i]
			key := w.key
			if request.PutRequest != nil {
				key = request.PutRequest.Item
			}
			if c.part(w.table.name, key) != nil {
				out.UnprocessedItems[name] = append(out.UnprocessedItems[name], request)
				continue // the caller sends it again
			}
			done, err := w.do()
			if err != nil {
				return batchWritten{}, err
			}
			used.add(done.used, 1)
			if m := w.collection(in.ReturnItemCollectionMetrics); m != nil {
				if out.ItemCollectionMetrics == nil {
					out.ItemCollectionMetrics = map[string][]*itemCollection{}
				}
				out.ItemCollectionMetrics[name] = append(out.ItemCollectionMetrics[name], m)
			}
		}
		if capacity := consumed(in.ReturnConsumedCapacity, list[0].table, used); capacity != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, capacity)
		}
	}
	return out, nil
}

// keysAndAttributes is what a BatchGetItem wants of one table.
type keysAndAttributes struct {
	Keys                     []expression.Item
	ConsistentRead           bool              `json:",omitzero"`
	ProjectionExpression     *string           `json:",omitzero"`
	ExpressionAttributeNames map[string]string `json:",omitzero"`
}

type batchGetItem struct {
	RequestItems           map[string]keysAndAttributes
	ReturnConsumedCapacity string
}

type batchGot struct {
	Responses        map[string][]jsontext.Value
	UnprocessedKeys  map[string]keysAndAttributes
	ConsumedCapacity []*consumedCapacity `json:",omitzero"`
}

func (c *call) batchGetItem(in *batchGetItem) (batchGot, error) {
	n := 0
	for _, want := range in.RequestItems {
		n += len(want.Keys)
	}
	if err := c.checkBatch(n, maxBatchKeys); err != nil {
		return batchGot{}, err
	}
	out := batchGot{Responses: map[string][]jsontext.Value{}, UnprocessedKeys: map[string]keysAndAttributes{}}
	room := maxBatchBytes
	for name, want := range in.RequestItems {
		if err := c.batchGet(&out, name, want, &room, in.ReturnConsumedCapacity); err != nil {
			return batchGot{}, err
		}
	}
	return out, nil
}

// batchGet reads the keys of one table while there is room for the answer.
func (c *call) batchGet(out *batchGot, name string, want keysAndAttributes, room *int, capacity string) error {
	projection, err := newProjection(want.ProjectionExpression, want.ExpressionAttributeNames)
	if err != nil {
		return err
	}
	t, err := c.server.table(name)
	if err != nil {
		return err
	}
	places := map[place]bool{}
	units := 0.0
	left := want
	left.Keys = nil
	out.Responses[name] = []jsontext.Value{}
	for _, key := range want.Keys {
		p, err := t.schema.placeOfKey(key)
		if err != nil {
			return err
		}
		if places[p] {
			return validation("Provided list of item keys contains duplicates")
		}
		places[p] = true
		r := t.get(p)
		if c.part(t.name, key) != nil || sizeOf(r) > *room {
			left.Keys = append(left.Keys, key)
			continue // the caller asks again
		}
		units += readUnits(sizeOf(r), want.ConsistentRead)
		if r != nil {
			*room -= r.size
			out.Responses[name] = append(out.Responses[name], projected(r, projection))
		}
	}
	if left.Keys != nil {
		out.UnprocessedKeys[name] = left
	}
	if used := consumed(capacity, t, usage{table: units}); used != nil {
		out.ConsumedCapacity = append(out.ConsumedCapacity, used)
	}
	return nil
}
