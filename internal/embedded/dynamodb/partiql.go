package dynamodb

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// maxStatement is how many characters a PartiQL statement may have.
const maxStatement = 8192

// statement is one PartiQL statement with its parameters.
type statement struct {
	Statement                           string
	Parameters                          []expression.Value
	ReturnValuesOnConditionCheckFailure string
	ConsistentRead                      bool // of no meaning for an INSERT
}

type executeStatement struct {
	statement
	ReturnConsumedCapacity string
}

type executed struct {
	Items            []jsontext.Value
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
	Error     *cancellation `json:",omitzero"`
	TableName string        `json:",omitzero"`
}

func (r *executeStatement) target() (string, expression.Item) {
	table, item, err := parseInsert(r.Statement, r.Parameters)
	if err != nil {
		return "", nil
	}
	return table, item
}

func (c *call) executeStatement(in *executeStatement) (executed, error) {
	if err := checkStatement(in.Statement); err != nil {
		return executed{}, err
	}
	w, err := c.newInsert(&in.statement)
	if err != nil {
		return executed{}, err
	}
	out, err := w.do()
	if err != nil {
		return executed{}, duplicate(err)
	}
	return executed{Items: []jsontext.Value{}, ConsumedCapacity: consumed(in.ReturnConsumedCapacity, w.table, out.writeUnits)}, nil
}

// duplicate is the error of an insert whose key is there already.
func duplicate(err error) error {
	e := asError(err)
	if e.Code != "ConditionalCheckFailedException" {
		return err
	}
	return &Error{Code: "DuplicateItemException", Message: "Duplicate primary key exists in table", item: e.item}
}

func checkStatement(text string) error {
	if text == "" || len(text) > maxStatement {
		return validation("1 validation error detected: Value at 'statement' failed to satisfy constraint: Member must have length between 1 and %d", maxStatement)
	}
	return nil
}

// newInsert checks an INSERT and makes it a conditional put.
func (c *call) newInsert(s *statement) (*write, error) {
	name, item, err := parseInsert(s.Statement, s.Parameters)
	if err != nil {
		return nil, err
	}
	w, err := c.newPut(name, item)
	if err != nil {
		return nil, err
	}
	scope := expression.NewScope(map[string]string{"#k": w.table.schema[0].name}, nil)
	w.condition, err = scope.Condition("Statement", "attribute_not_exists(#k)")
	w.allOld = s.ReturnValuesOnConditionCheckFailure == "ALL_OLD"
	return w, err
}

// batchExecuteStatement runs statements each by itself: those that fail are told in the answer.
func (c *call) batchExecuteStatement(in *batchExecuteStatement) (batchExecuted, error) {
	if n := len(in.Statements); n < 1 || n > maxBatchWrites {
		return batchExecuted{}, validation("1 validation error detected: Value at 'statements' failed to satisfy constraint: Member must have length between 1 and %d", maxBatchWrites)
	}
	writes := make([]*write, len(in.Statements))
	errs := make([]error, len(in.Statements))
	type target struct {
		*table
		place
	}
	seen := map[target]bool{}
	for i := range in.Statements {
		if err := checkStatement(in.Statements[i].Statement); err != nil {
			return batchExecuted{}, err
		}
		writes[i], errs[i] = c.newInsert(&in.Statements[i])
		if errs[i] != nil {
			continue // this statement's answer
		}
		at := target{writes[i].table, writes[i].place}
		if seen[at] {
			return batchExecuted{}, validation("Provided list of item keys contains duplicates")
		}
		seen[at] = true
	}
	out := batchExecuted{Responses: make([]statementAnswer, len(writes))}
	units := map[*table]float64{}
	for i, w := range writes {
		used, err := c.insert(&in.Statements[i], w, errs[i])
		out.Responses[i] = statementAnswerOf(w, err)
		if w != nil {
			units[w.table] += used
		}
	}
	for t, used := range units {
		if capacity := consumed(in.ReturnConsumedCapacity, t, used); capacity != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, capacity)
		}
	}
	return out, nil
}

// insert runs one statement of a batch; a failed condition costs as a write does.
func (c *call) insert(s *statement, w *write, err error) (units float64, _ error) {
	if err != nil {
		return 0, err
	}
	if c.server.options.Fault != nil {
		_, item, err := parseInsert(s.Statement, s.Parameters)
		if err != nil {
			return 0, err
		}
		if refused := c.part(w.table.name, item); refused != nil {
			return 0, refused
		}
	}
	out, err := w.do()
	if err != nil {
		return writeUnits(out.old, nil), duplicate(err)
	}
	return out.writeUnits, nil
}

func statementAnswerOf(w *write, err error) (a statementAnswer) {
	if w != nil && w.table != nil {
		a.TableName = w.table.name
	}
	if err != nil {
		e := asError(err)
		a.Error = &cancellation{Code: e.statementCode(), Message: e.Message, Item: e.item}
	}
	return a
}

// parseInsert reads INSERT INTO "table" VALUE {'name': ?, …}, the one kind of statement that is covered.
func parseInsert(text string, parameters []expression.Value) (table string, item expression.Item, err error) {
	p := &statementParser{rest: text}
	p.word("INSERT")
	p.word("INTO")
	table = p.identifier()
	p.word("VALUE")
	p.symbol("{")
	item = expression.Item{}
	used := 0
	for more := p.peek() != '}'; more && !p.failed; more = p.take(",") {
		name := p.quoted('\'')
		p.symbol(":")
		p.symbol("?")
		if used == len(parameters) {
			return "", nil, validation("Number of parameters in request and statement don't match.")
		}
		if name == "" && !p.failed {
			return "", nil, validation("Empty attribute name")
		}
		if _, twice := item[name]; twice {
			return "", nil, validation("Duplicate attribute in statement: %s", name)
		}
		item[name] = parameters[used]
		used++
	}
	p.symbol("}")
	if p.failed || strings.TrimSpace(p.rest) != "" {
		return "", nil, validation("Statement wasn't well formed, can't be processed: only INSERT INTO \"table\" VALUE {'name': ?, ...} is covered")
	}
	if used != len(parameters) {
		return "", nil, validation("Number of parameters in request and statement don't match.")
	}
	return table, item, nil
}

// statementParser cuts a statement from the front; after a failure it stays failed.
type statementParser struct {
	rest   string
	failed bool
}

func (p *statementParser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *statementParser) peek() byte {
	p.skip()
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *statementParser) take(symbol string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, symbol)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *statementParser) symbol(symbol string) {
	if !p.take(symbol) {
		p.failed = true
	}
}

func (p *statementParser) word(word string) {
	p.skip()
	if len(p.rest) < len(word) || !strings.EqualFold(p.rest[:len(word)], word) {
		p.failed = true
		return
	}
	p.rest = p.rest[len(word):]
}

// identifier is a table's name, in double quotes or without.
func (p *statementParser) identifier() string {
	if p.peek() == '"' {
		return p.quoted('"')
	}
	end := strings.IndexAny(p.rest, " \t\r\n")
	if end < 0 {
		p.failed = true
		return ""
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name
}

// quoted is a text in quotes, where a quote inside is doubled.
func (p *statementParser) quoted(quote byte) string {
	if p.peek() != quote {
		p.failed = true
		return ""
	}
	var text strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch {
		case p.rest[i] != quote:
			text.WriteByte(p.rest[i])
		case i+1 < len(p.rest) && p.rest[i+1] == quote:
			text.WriteByte(quote)
			i++
		default:
			p.rest = p.rest[i+1:]
			return text.String()
		}
	}
	p.failed = true
	return ""
}
