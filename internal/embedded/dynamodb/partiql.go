package dynamodb

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
	"github.com/crossfadedb/crossfade/internal/expression/partiql"
)

// maxStatement is how many characters a PartiQL statement may have.
const maxStatement = 8192

// statement is one PartiQL statement with its parameters.
type statement struct {
	Statement                           string
	Parameters                          []expression.Value
	ReturnValuesOnConditionCheckFailure string
	ConsistentRead                      bool // of no meaning for a write
}

type executeStatement struct {
	statement
	Limit                  *int
	NextToken              string
	ReturnConsumedCapacity string
}

type executed struct {
	Items            []jsontext.Value
	NextToken        string            `json:",omitzero"`
	LastEvaluatedKey jsontext.Value    `json:",omitzero"`
	ConsumedCapacity *consumedCapacity `json:",omitzero"`
}

type batchExecuteStatement struct {
	Statements             []statement
	ReturnConsumedCapacity string
}

type batchExecuted struct {
	Responses        []statementAnswer
	ConsumedCapacity []*consumedCapacity `json:",omitzero"`
}

type statementAnswer struct {
	Error     *cancellation  `json:",omitzero"`
	TableName string         `json:",omitzero"`
	Item      jsontext.Value `json:",omitzero"`
}

type executeTransaction struct {
	TransactStatements     []statement
	ClientRequestToken     string
	ReturnConsumedCapacity string
}

type transactionExecuted struct {
	Responses        []itemAnswer
	ConsumedCapacity []*consumedCapacity `json:",omitzero"`
}

func (r *executeStatement) target() (string, expression.Item) {
	s, err := partiql.Parse(r.Statement, r.Parameters)
	if err != nil {
		return "", nil
	}
	return s.Table, s.Item
}

func (r *executeStatement) constrain(v *violations) {
	v.capacity(r.ReturnConsumedCapacity)
	v.statement("statement", r.Statement)
}

func (r *batchExecuteStatement) constrain(v *violations) {
	v.length("statements", len(r.Statements), maxBatchWrites, func() string { return opaque("BatchStatementRequest", len(r.Statements)) })
	v.capacity(r.ReturnConsumedCapacity)
	for _, s := range r.Statements {
		v.statement("statements.member.statement", s.Statement)
	}
}

func (r *executeTransaction) constrain(v *violations) {
	v.length("transactStatements", len(r.TransactStatements), maxTransaction, func() string { return opaque("ParameterizedStatement", len(r.TransactStatements)) })
	v.capacity(r.ReturnConsumedCapacity)
	for _, s := range r.TransactStatements {
		v.statement("transactStatements.member.statement", s.Statement)
	}
}

// statement checks the length of a statement.
func (v *violations) statement(member, text string) {
	if text == "" || len(text) > maxStatement {
		v.add("Value at '%s' failed to satisfy constraint: Member must have length between 1 and %d", member, maxStatement)
	}
}

func (c *call) executeStatement(in *executeStatement) (executed, error) {
	s, err := partiql.Parse(in.Statement, in.Parameters)
	if err != nil {
		return executed{}, err
	}
	if s.Kind == partiql.Select {
		return c.selectRows(in, s)
	}
	w, err := c.newStatement(&in.statement, s)
	if err != nil {
		return executed{}, err
	}
	out, err := w.do()
	if err != nil {
		return executed{}, duplicate(s, err)
	}
	answer := executed{Items: []jsontext.Value{}, ConsumedCapacity: consumed(in.ReturnConsumedCapacity, w.table, out.used)}
	if item := returned(s.Returning, w, out); item != nil {
		answer.Items = append(answer.Items, item)
	}
	return answer, nil
}

// duplicate is the error of an insert whose key is there already; other errors stay what they are.
func duplicate(s *partiql.Statement, err error) error {
	e := asError(err)
	if s.Kind != partiql.Insert || e.Code != "ConditionalCheckFailedException" {
		return err
	}
	return &Error{Code: "DuplicateItemException", Message: "Duplicate primary key exists in table", item: e.item}
}

// newStatement checks a statement that writes, and makes it a conditional write.
func (c *call) newStatement(in *statement, s *partiql.Statement) (*write, error) {
	if s.Kind == partiql.Insert {
		w, err := c.newPut(s.Table, s.Item)
		if err != nil {
			return nil, err
		}
		scope := expression.NewScope(map[string]string{"#k": w.table.schema[0].name}, nil)
		w.condition, err = scope.Condition("Statement", "attribute_not_exists(#k)")
		w.allOld = in.ReturnValuesOnConditionCheckFailure == "ALL_OLD"
		return w, err
	}
	w, rest, err := c.keyed(s)
	if err != nil {
		return nil, err
	}
	scope := expression.NewScope(s.Names, s.Values)
	w.allOld = in.ReturnValuesOnConditionCheckFailure == "ALL_OLD"
	if s.Kind == partiql.Delete {
		w.remove = true
	} else {
		if w.update, err = scope.Update("Statement", s.Update); err != nil {
			return nil, err
		}
		if err := w.table.checkUpdated(w.update.Paths()); err != nil {
			return nil, err
		}
		// An UPDATE changes an item that is there.
		s.Names["#k"] = w.table.schema[0].name
		rest = append([]string{"attribute_exists(#k)"}, rest...)
	}
	if len(rest) > 0 {
		w.condition, err = scope.Condition("Statement", strings.Join(rest, " AND "))
	}
	return w, err
}

// keyed finds the one row that a statement is about, and what else it says.
func (c *call) keyed(s *partiql.Statement) (w *write, rest []string, err error) {
	t, err := c.server.table(s.Table)
	if err != nil {
		return nil, nil, err
	}
	key, _, rest := s.Equal(t.schema.names()...)
	if len(key) != len(t.schema) {
		return nil, nil, validation("Where clause does not contain a mandatory equality on all key attributes")
	}
	w, err = c.newKeyed(s.Table, key)
	return w, rest, err
}

func (s schema) names() []string {
	var names []string
	for _, a := range s {
		names = append(names, a.name)
	}
	return names
}

// returned is what a write's RETURNING asks for.
func returned(want string, w *write, out outcome) jsontext.Value {
	switch want {
	case "ALL_OLD":
		return attributes(out.old)
	case "ALL_NEW":
		return attributes(out.new)
	case "UPDATED_OLD":
		return updated(w.update, out.before)
	case "UPDATED_NEW":
		return updated(w.update, out.after)
	}
	return nil
}

// selectRows answers a SELECT: by a Query if the condition names a partition, else by a Scan.
func (c *call) selectRows(in *executeStatement, s *partiql.Statement) (executed, error) {
	t, err := c.server.table(s.Table)
	if err != nil {
		return executed{}, err
	}
	reading := &reading{table: t, limit: 1 << 30, whole: map[place]*row{}}
	if in.Limit != nil {
		reading.limit = *in.Limit
	}
	if reading.index, err = c.readable(t, s.Index, false); err != nil {
		return executed{}, err
	}
	request := paged{ConsistentRead: in.ConsistentRead, ReturnConsumedCapacity: in.ReturnConsumedCapacity}
	if in.NextToken != "" {
		if request.ExclusiveStartKey, err = keyOfToken(in.NextToken); err != nil {
			return executed{}, err
		}
	}
	if err := reading.statement(s); err != nil {
		return executed{}, err
	}
	if err := reading.run(s, request.ExclusiveStartKey); err != nil {
		return executed{}, err
	}
	p := request.answer(reading)
	answer := executed{Items: []jsontext.Value{}, LastEvaluatedKey: p.LastEvaluatedKey, ConsumedCapacity: p.ConsumedCapacity}
	for i, item := range p.items {
		if s.Projection != "" {
			item = columns(reading.row(reading.rows[i], true), s, reading.projection)
		}
		answer.Items = append(answer.Items, item)
	}
	if p.LastEvaluatedKey != nil {
		answer.NextToken = base64.StdEncoding.EncodeToString(p.LastEvaluatedKey)
	}
	return answer, nil
}

// columns is what a SELECT shows of a row: each path under its last name and the indexes behind it.
func columns(r *row, s *partiql.Statement, paths expression.Projection) jsontext.Value {
	item, shown := expression.MustParseItem(r.raw), expression.Item{}
	for i, path := range paths {
		if v, ok := path.In(item); ok {
			shown[s.Columns[i]] = v
		}
	}
	return shown.Append(nil)
}

func keyOfToken(token string) (key expression.Item, err error) {
	text, err := base64.StdEncoding.DecodeString(token)
	if err == nil {
		key, err = expression.ParseItem(text)
	}
	if err != nil {
		return nil, validation("NextToken is invalid")
	}
	return key, nil
}

// statement sets what a SELECT filters by and shows.
func (r *reading) statement(s *partiql.Statement) (err error) {
	scope := expression.NewScope(s.Names, s.Values)
	if len(s.Where) > 0 {
		var all []string
		for _, c := range s.Where {
			all = append(all, c.Text)
		}
		if r.filter, err = scope.Condition("Statement", strings.Join(all, " AND ")); err != nil {
			return err
		}
	}
	if s.Projection != "" {
		r.projection, err = scope.Projection("Statement", s.Projection)
	}
	return err
}

// run reads a page of a SELECT.
func (r *reading) run(s *partiql.Statement, after expression.Item) error {
	hash, _ := r.key()
	names := make([]string, 0, len(hash))
	for _, a := range hash {
		names = append(names, a.name)
	}
	key, _, _ := s.Equal(names...)
	from, partition := place{}, ""
	if len(key) == len(hash) {
		p, err := r.partition(key)
		if err != nil {
			return err
		}
		from, partition = p, p.partition
	}
	if after != nil {
		p, err := r.startAt(after)
		if err != nil {
			return err
		}
		from = p.following()
	}
	r.table.mu.RLock()
	defer r.table.mu.RUnlock()
	r.content().ascend(from, func(row *row) bool {
		return (partition == "" || row.partition == partition) && r.take(row)
	})
	return nil
}
