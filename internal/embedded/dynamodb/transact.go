package dynamodb

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
	tokenLife           = 10 * time.Minute
)

type transactPut struct {
	TableName string
	Item      expression.Item
	conditional
}

type transactKeyed struct {
	TableName        string
	Key              expression.Item
	UpdateExpression *string
	conditional
}

type transactWrite struct {
	Put            *transactPut
	Delete         *transactKeyed
	Update         *transactKeyed
	ConditionCheck *transactKeyed
}

type transactWriteItems struct {
	TransactItems               []transactWrite
	ClientRequestToken          string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type transactWritten struct {
	ConsumedCapacity      []*consumedCapacity          `json:",omitzero"`
	ItemCollectionMetrics map[string][]*itemCollection `json:",omitzero"`
}

// parse checks one part of a transaction but for its key and its item.
func (r *transactWrite) parse() (p parsed, err error) {
	parts := 0
	for _, given := range []bool{r.Put != nil, r.Update != nil, r.Delete != nil, r.ConditionCheck != nil} {
		if given {
			parts++
		}
	}
	switch {
	case parts != 1:
		return p, validation("TransactItems can only contain one of Check, Put, Update or Delete")
	case r.Put != nil:
		return r.Put.parse()
	case r.Update != nil:
		return r.Update.parseUpdate(r.Update.UpdateExpression)
	case r.Delete != nil:
		return r.Delete.parse()
	}
	return r.ConditionCheck.parse()
}

// table is the name of the table that the part is about.
func (r *transactWrite) table() string {
	switch {
	case r.Put != nil:
		return r.Put.TableName
	case r.Update != nil:
		return r.Update.TableName
	case r.Delete != nil:
		return r.Delete.TableName
	}
	return r.ConditionCheck.TableName
}

// size is the part's share of the transaction's size: what it says, not what it changes.
func (r *transactWrite) size() int {
	switch {
	case r.Put != nil:
		return r.Put.Item.Size() + r.Put.size()
	case r.Update != nil:
		return r.Update.Key.Size() + r.Update.size()
	case r.Delete != nil:
		return r.Delete.Key.Size() + r.Delete.size()
	}
	return r.ConditionCheck.Key.Size() + r.ConditionCheck.size()
}

// size is that of the values in the expressions.
func (r *conditional) size() (n int) {
	for name, v := range r.ExpressionAttributeValues {
		n += len(name) + v.Size()
	}
	return n
}

// write checks the key, or the item, of one part.
func (r *transactWrite) write(c *call) (*write, error) {
	switch {
	case r.Put != nil:
		return c.newPut(r.Put.TableName, r.Put.Item)
	case r.Update != nil:
		return c.newKeyed(r.Update.TableName, r.Update.Key)
	case r.ConditionCheck != nil:
		return c.newKeyed(r.ConditionCheck.TableName, r.ConditionCheck.Key)
	}
	w, err := c.newKeyed(r.Delete.TableName, r.Delete.Key)
	if err != nil {
		return nil, err
	}
	w.remove = true
	return w, nil
}

func (c *call) transactWriteItems(in *transactWriteItems) (transactWritten, error) {
	writes, err := c.transactWrites(in.TransactItems)
	if err != nil {
		return transactWritten{}, err
	}
	request, err := json.Marshal(in.TransactItems, json.Deterministic(true))
	if err != nil {
		return transactWritten{}, fmt.Errorf("encode transaction: %w", err)
	}
	if done, err := c.server.remember(in.ClientRequestToken, string(request)); done || err != nil {
		return transactWritten{}, err
	}
	used, err := c.transact(writes)
	if err != nil {
		c.server.forget(in.ClientRequestToken)
		return transactWritten{}, err
	}
	var out transactWritten
	for _, w := range writes {
		if m := w.collection(in.ReturnItemCollectionMetrics); m != nil {
			if out.ItemCollectionMetrics == nil {
				out.ItemCollectionMetrics = map[string][]*itemCollection{}
			}
			out.ItemCollectionMetrics[w.table.name] = append(out.ItemCollectionMetrics[w.table.name], m)
		}
	}
	out.ConsumedCapacity = used.consumed(in.ReturnConsumedCapacity)
	return out, nil
}

// transactWrites checks all parts: first those things that refuse the whole request, then the keys and items, where the
// first one that is wrong cancels the transaction.
func (c *call) transactWrites(items []transactWrite) ([]*write, error) {
	expressions := make([]parsed, len(items))
	for i := range items {
		var err error
		if expressions[i], err = items[i].parse(); err != nil {
			return nil, err
		}
	}
	type target struct {
		*table
		place
	}
	writes := make([]*write, len(items))
	seen := map[target]bool{}
	bytes := 0
	for i := range items {
		if _, err := c.server.table(items[i].table()); err != nil {
			return nil, err
		}
		w, err := items[i].write(c)
		if err != nil {
			return nil, canceledAt(i, len(items), err)
		}
		if err := w.use(expressions[i]); err != nil {
			return nil, err
		}
		if at := (target{w.table, w.place}); seen[at] {
			return nil, validation("Transaction request cannot include multiple operations on one item")
		} else {
			seen[at] = true
		}
		bytes += items[i].size()
		writes[i] = w
	}
	if bytes > maxTransactionBytes {
		return nil, validation("Transaction payload size cannot exceed 4 MB")
	}
	return writes, nil
}

// canceledAt is the error of a transaction one of whose parts has a wrong key or item; an error of another kind stays what
// it is.
func canceledAt(i, n int, err error) error {
	e := asError(err)
	if e.Code != "ValidationException" {
		return err
	}
	reasons := make([]cancellation, n)
	for at := range reasons {
		reasons[at].Code = "None"
	}
	reasons[i] = cancellation{e.statementCode(), e.Message, nil}
	return canceledBy(reasons)
}

// inOrder sorts tables into the one order in which they are locked, each once.
func inOrder(tables []*table) []*table {
	slices.SortFunc(tables, func(a, b *table) int { return strings.Compare(a.name+a.id, b.name+b.id) })
	return slices.Compact(tables)
}

// transact does all writes, or none, and returns what they used, twice as much as single writes.
func (c *call) transact(writes []*write) (usages, error) {
	tables := make([]*table, 0, len(writes))
	for _, w := range writes {
		tables = append(tables, w.table)
	}
	for _, t := range inOrder(tables) {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	outs := make([]outcome, len(writes))
	reasons := make([]cancellation, len(writes))
	failed := false
	for i, w := range writes {
		out, err := w.plan()
		outs[i], reasons[i] = out, cancellation{Code: "None"}
		if err != nil {
			e := asError(err)
			reasons[i] = cancellation{e.statementCode(), e.Message, e.item}
			failed = true
		}
	}
	if failed {
		return nil, canceledBy(reasons)
	}
	used := usages{}
	for i, w := range writes {
		w.table.store(outs[i].old, outs[i].new, false, &outs[i].used)
		used.add(w.table, outs[i].used, 2)
	}
	return used, nil
}

// canceledBy is the error of a transaction that was not done, with a reason for each of its parts.
func canceledBy(reasons []cancellation) *Error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.Code
	}
	return &Error{
		Code:          "TransactionCanceledException",
		Message:       fmt.Sprintf("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", ")),
		cancellations: reasons,
	}
}

// remember notes a client request token, and reports whether the same request was done under it before.
func (s *Server) remember(name, request string) (done bool, err error) {
	if name == "" {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.tokens {
		if s.now().Sub(t.at) > tokenLife {
			delete(s.tokens, name)
		}
	}
	if t, ok := s.tokens[name]; ok {
		if t.request != request {
			return false, &Error{Code: "IdempotentParameterMismatchException", Message: "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token that was already used"}
		}
		return true, nil
	}
	s.tokens[name] = token{request, s.now()}
	return false, nil
}

// forget drops the token of a transaction that did not happen.
func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, name)
}

type transactGet struct {
	Get struct {
		TableName                string
		Key                      expression.Item
		ProjectionExpression     *string
		ExpressionAttributeNames map[string]string
	}
}

type transactGetItems struct {
	TransactItems          []transactGet
	ReturnConsumedCapacity string
}

type itemAnswer struct {
	Item jsontext.Value `json:",omitzero"`
}

type transactGot struct {
	Responses        []itemAnswer
	ConsumedCapacity []*consumedCapacity `json:",omitzero"`
}

// transactGetItems reads all items at one moment: it holds the read locks of all their tables.
func (c *call) transactGetItems(in *transactGetItems) (transactGot, error) {
	type read struct {
		*table
		place      place
		projection expression.Projection
	}
	reads := make([]read, len(in.TransactItems))
	reasons := make([]cancellation, len(in.TransactItems))
	canceled := false
	var tables []*table
	for i, item := range in.TransactItems {
		t, err := c.server.table(item.Get.TableName)
		if err != nil {
			return transactGot{}, err
		}
		reads[i].table = t
		reasons[i].Code = "None"
		if reads[i].place, err = t.schema.placeOfKey(item.Get.Key); err != nil {
			e := asError(err)
			reasons[i], canceled = cancellation{e.statementCode(), e.Message, nil}, true
		}
		if slices.ContainsFunc(reads[:i], func(r read) bool { return r.table == t && r.place == reads[i].place && reasons[i].Code == "None" }) {
			return transactGot{}, validation("Transaction request cannot include multiple operations on one item")
		}
		if reads[i].projection, err = newProjection(item.Get.ProjectionExpression, item.Get.ExpressionAttributeNames); err != nil {
			return transactGot{}, err
		}
		tables = append(tables, t)
	}
	if canceled {
		return transactGot{}, canceledBy(reasons)
	}
	for _, t := range inOrder(tables) {
		t.mu.RLock()
		defer t.mu.RUnlock()
	}
	out := transactGot{Responses: make([]itemAnswer, len(reads))}
	used := usages{}
	for i, r := range reads {
		found := r.rows.get(r.place)
		used.add(r.table, usage{table: readUnits(sizeOf(found), true)}, 2)
		if found != nil {
			out.Responses[i].Item = projected(found, r.projection)
		}
	}
	out.ConsumedCapacity = used.consumed(in.ReturnConsumedCapacity)
	return out, nil
}
