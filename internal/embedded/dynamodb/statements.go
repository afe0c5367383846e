package dynamodb

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
	"github.com/crossfadedb/crossfade/internal/expression/partiql"
)

// prepared is a statement of a batch or a transaction: a write, or a read of one row.
type prepared struct {
	statement *partiql.Statement
	write     *write
	read      *reading // without rows
	place     place
}

// prepare checks a statement that is about one row.
func (c *call) prepare(in *statement) (prepared, error) {
	s, err := partiql.Parse(in.Statement, in.Parameters)
	if err != nil {
		return prepared{}, err
	}
	if s.Kind != partiql.Select {
		w, err := c.newStatement(in, s)
		if err != nil {
			return prepared{statement: s}, err
		}
		return prepared{statement: s, write: w, place: w.place}, nil
	}
	w, _, err := c.keyed(s)
	if err != nil {
		return prepared{statement: s}, err
	}
	r := &reading{table: w.table}
	return prepared{statement: s, read: r, place: w.place}, r.statement(s)
}

func (p prepared) table() *table {
	switch {
	case p.write != nil:
		return p.write.table
	case p.read != nil:
		return p.read.table
	}
	return nil
}

// key is what Options.Fault is told.
func (p prepared) key() expression.Item {
	switch {
	case p.statement.Kind == partiql.Insert:
		return p.statement.Item
	case p.write != nil:
		return p.write.key
	}
	key, _, _ := p.statement.Equal(p.read.table.schema.names()...)
	return key
}

// get reads the row of a SELECT. It needs the table's lock.
func (p prepared) get() (item jsontext.Value, units float64) {
	found := p.read.table.rows.get(p.place)
	units = readUnits(sizeOf(found), true)
	if found == nil || p.read.filter != nil && !p.read.filter.Holds(expression.MustParseItem(found.raw)) {
		return nil, units
	}
	if p.statement.Projection != "" {
		return columns(found, p.statement, p.read.projection), units
	}
	return found.raw, units
}

// batchExecuteStatement runs statements each by itself: those that fail are told in the answer.
func (c *call) batchExecuteStatement(in *batchExecuteStatement) (batchExecuted, error) {
	statements := make([]prepared, len(in.Statements))
	errs := make([]error, len(in.Statements))
	type target struct {
		*table
		place
	}
	seen := map[target]bool{}
	reads := 0
	for i := range in.Statements {
		statements[i], errs[i] = c.prepare(&in.Statements[i])
		if s := statements[i].statement; s != nil && s.Kind == partiql.Select {
			reads++
		}
		if errs[i] != nil {
			continue // this statement's answer
		}
		at := target{statements[i].table(), statements[i].place}
		if seen[at] {
			return batchExecuted{}, validation("Provided list of item keys contains duplicates")
		}
		seen[at] = true
	}
	if reads != 0 && reads != len(statements) {
		return batchExecuted{}, validation("Batch execute statement cannot contain both read and write statements")
	}
	out := batchExecuted{Responses: make([]statementAnswer, len(statements))}
	all := usages{}
	for i, s := range statements {
		answer, used, err := c.single(s, errs[i])
		if err != nil {
			e := asError(err)
			answer.Error = &cancellation{Code: e.statementCode(), Message: e.Message, Item: e.item}
		}
		out.Responses[i] = answer
		if t := s.table(); t != nil {
			all.add(t, used, 1)
		}
	}
	out.ConsumedCapacity = all.consumed(in.ReturnConsumedCapacity)
	return out, nil
}

// single runs one statement of a batch; a failed condition costs as a write does.
func (c *call) single(s prepared, wrong error) (answer statementAnswer, used usage, err error) {
	t := s.table()
	if t != nil {
		answer.TableName = t.name
	}
	if wrong != nil {
		return answer, used, wrong
	}
	if c.server.options.Fault != nil {
		if refused := c.part(t.name, s.key()); refused != nil {
			return answer, used, refused
		}
	}
	if s.read != nil {
		t.mu.RLock()
		defer t.mu.RUnlock()
		answer.Item, used.table = s.get()
		return answer, used, nil
	}
	out, err := s.write.do()
	if err != nil {
		return answer, usage{table: writeUnits(out.old, nil)}, duplicate(s.statement, err)
	}
	answer.Item = returned(s.statement.Returning, s.write, out)
	return answer, out.used, nil
}

// executeTransaction runs all statements, or none: all of them read, or all write.
func (c *call) executeTransaction(in *executeTransaction) (transactionExecuted, error) {
	statements := make([]prepared, len(in.TransactStatements))
	var writes []*write
	type target struct {
		*table
		place
	}
	seen := map[target]bool{}
	for i := range in.TransactStatements {
		s, err := c.prepare(&in.TransactStatements[i])
		if err != nil {
			return transactionExecuted{}, err
		}
		at := target{s.table(), s.place}
		if seen[at] {
			return transactionExecuted{}, validation("Transaction request cannot include multiple operations on one item")
		}
		seen[at] = true
		statements[i] = s
		if s.write != nil {
			writes = append(writes, s.write)
		}
	}
	switch {
	case len(writes) == 0:
		return c.transactSelects(in, statements)
	case len(writes) < len(statements):
		return transactionExecuted{}, validation("Transaction cannot contain both read and write statements")
	}
	request, err := json.Marshal(in.TransactStatements, json.Deterministic(true))
	if err != nil {
		return transactionExecuted{}, err
	}
	out := transactionExecuted{Responses: make([]itemAnswer, len(statements))}
	if done, err := c.server.remember(in.ClientRequestToken, string(request)); done || err != nil {
		return out, err
	}
	used, err := c.transact(writes)
	if err != nil {
		c.server.forget(in.ClientRequestToken)
		return transactionExecuted{}, insertsOf(statements, err)
	}
	out.ConsumedCapacity = used.consumed(in.ReturnConsumedCapacity)
	return out, nil
}

// insertsOf says of each INSERT whose condition failed that its key is there.
func insertsOf(statements []prepared, err error) error {
	e := asError(err)
	if e.cancellations == nil {
		return err
	}
	reasons := slices.Clone(e.cancellations)
	for i, r := range reasons {
		if r.Code == "ConditionalCheckFailed" && statements[i].statement.Kind == partiql.Insert {
			reasons[i].Code, reasons[i].Message = "DuplicateItem", "Duplicate primary key exists in table"
		}
	}
	return canceledBy(reasons)
}

func (c *call) transactSelects(in *executeTransaction, statements []prepared) (transactionExecuted, error) {
	tables := make([]*table, 0, len(statements))
	for _, s := range statements {
		tables = append(tables, s.table())
	}
	for _, t := range inOrder(tables) {
		t.mu.RLock()
		defer t.mu.RUnlock()
	}
	out := transactionExecuted{Responses: make([]itemAnswer, len(statements))}
	used := usages{}
	for i, s := range statements {
		item, units := s.get()
		out.Responses[i].Item = item
		used.add(s.table(), usage{table: units}, 2)
	}
	out.ConsumedCapacity = used.consumed(in.ReturnConsumedCapacity)
	return out, nil
}
