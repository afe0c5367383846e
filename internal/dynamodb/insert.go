package dynamodb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/newtable"
	"github.com/crossfadedb/crossfade/internal/pace"
)

// maxStatement is the most characters of a statement.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html
const maxStatement = 8192

// Insert implements apply.Target by BatchExecuteStatement: one INSERT for each row, which says "must not exist". Without
// PartiQL it makes a PutItem for each row instead, one after the other: so there are no more calls at once than there may be.
func (t *Target) Insert(ctx context.Context, rows []events.Event) []apply.Result {
	results := make([]apply.Result, len(rows))
	if t.singly {
		for i, row := range rows {
			results[i] = t.Put(ctx, row)
		}
		return results
	}
	batched := make([]int, 0, len(rows))   // indexes into rows
	statement := t.statement(rows[0].Item) // quoted; nil when it would be too long
	room := 0
	for _, row := range rows {
		room += len(statement) + len(row.Item.Raw) + aroundRow
	}
	body := append(make([]byte, 0, room), `{"Statements":[`...)
	for i, row := range rows {
		if i > 0 && !sameNames(row.Item, rows[i-1].Item) {
			statement = t.statement(row.Item)
		}
		if statement == nil {
			results[i] = t.Put(ctx, row)
			continue // written alone
		}
		if len(batched) > 0 {
			body = append(body, ',')
		}
		body = t.appendInsert(body, statement, row)
		batched = append(batched, i)
	}
	if len(batched) == 0 {
		return results
	}
	answer, err := t.table.wire.call(ctx, "DynamoDB_20120810.BatchExecuteStatement", append(body, `]}`...))
	var answers []statementAnswer
	if err == nil {
		answers, err = t.parseInsert(answer, len(batched))
	}
	if err != nil {
		err = classify(err, fmt.Sprintf("insert %d rows into %s", len(batched), t.table.name))
	}
	if fault.Of(err) == fault.Record && err != nil {
		// The call was refused as a whole for what may be one row's fault. Alone, each says its own.
		for _, i := range batched {
			results[i] = t.Put(ctx, rows[i])
		}
		return results
	}
	for n, i := range batched {
		switch {
		case err != nil:
			results[i].Err = err
		default:
			results[i] = t.inserted(answers[n], rows[i])
		}
	}
	return results
}

// aroundRow is about what a batch has for each row beside its statement and its values.
const aroundRow = 192

// sameNames reports whether two items have the same attributes, in the same order: the same statement does for both.
func sameNames(a, b events.Item) bool {
	return slices.EqualFunc(a.Attributes, b.Attributes, func(a, b events.Attribute) bool { return a.Name == b.Name })
}

// statement is the INSERT for an item, as JSON; nil when it would be too long.
func (t *Target) statement(item events.Item) []byte {
	var s strings.Builder
	s.WriteString(t.insert)
	if t.form == Versioned {
		name(&s, t.format.Names.Version)
	}
	for i, a := range item.Attributes {
		if i > 0 || t.form == Versioned {
			s.WriteByte(',')
		}
		name(&s, a.Name)
	}
	s.WriteByte('}')
	if s.Len() > maxStatement {
		return nil
	}
	return quote(nil, s.String())
}

func name(s *strings.Builder, name string) {
	s.WriteByte('\'')
	s.WriteString(strings.ReplaceAll(name, "'", "''"))
	s.WriteString("':?")
}

func (t *Target) appendInsert(b, statement []byte, row events.Event) []byte {
	b = append(append(append(b, `{"Statement":`...), statement...), `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD","Parameters":[`...)
	if t.form == Versioned {
		b = newtable.AppendVersion(b, row.Version)
	}
	for i, a := range row.Item.Attributes {
		if i > 0 || t.form == Versioned {
			b = append(b, ',')
		}
		b = append(b, a.Value...)
	}
	return append(b, `]}`...)
}

// statementAnswer is the answer to one statement; a success has no Error.
type statementAnswer struct {
	Error *struct {
		Code    string
		Message string
		Item    json.RawMessage
	}
}

// parseInsert is parseStatements; the usual answer, that all of them succeeded, needs no decoder.
func (t *Target) parseInsert(answer []byte, want int) ([]statementAnswer, error) {
	rest, usual := bytes.CutPrefix(answer, []byte(`{"Responses":[`))
	for n := 0; n < want && usual; n++ {
		if n > 0 {
			if rest, usual = bytes.CutPrefix(rest, []byte{','}); !usual {
				break
			}
		}
		rest, usual = bytes.CutPrefix(rest, t.succeeded)
	}
	if usual && string(rest) == "]}" {
		return make([]statementAnswer, want), nil
	}
	return parseStatements(answer, want)
}

func parseStatements(answer []byte, want int) ([]statementAnswer, error) {
	var body struct{ Responses []statementAnswer }
	if err := json.Unmarshal(answer, &body); err != nil {
		return nil, err
	}
	if len(body.Responses) != want {
		return nil, fmt.Errorf("%d answers to %d statements", len(body.Responses), want)
	}
	return body.Responses, nil
}

// codes are the per-statement codes, as the exceptions that they stand for.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
var codes = map[string]string{
	"ProvisionedThroughputExceeded":   "ProvisionedThroughputExceededException",
	"ThrottlingError":                 "ThrottlingException",
	"ConditionalCheckFailed":          "ConditionalCheckFailedException",
	"ItemCollectionSizeLimitExceeded": "ItemCollectionSizeLimitExceededException",
	"TransactionConflict":             "TransactionConflictException",
	"ResourceNotFound":                "ResourceNotFoundException",
	"AccessDenied":                    "AccessDeniedException",
}

// inserted is the result of one statement. HTTP 200 says nothing about it.
func (t *Target) inserted(a statementAnswer, row events.Event) apply.Result {
	if a.Error == nil {
		return apply.Result{Outcome: apply.Applied, Units: pace.WriteUnits(len(row.Item.Raw))}
	}
	if a.Error.Code == "DuplicateItem" {
		return apply.Result{Outcome: t.refused(a.Error.Item, row.Version)}
	}
	return apply.Result{Err: classify(a.err(), fmt.Sprintf("insert %s into %s", row.Key, t.table.name))}
}

// err is the error of a statement as that of a call would be.
func (a statementAnswer) err() error {
	if a.Error == nil {
		return nil
	}
	return &answerError{code: cmp.Or(codes[a.Error.Code], a.Error.Code), message: a.Error.Message}
}

// CheckInsert tries an INSERT whose key has a type that no key can have: it needs the permission (dynamodb:PartiQLInsert),
// and changes nothing.
func (t *Table) CheckInsert(ctx context.Context, schema events.KeySchema) error {
	what := "insert into table " + t.name
	var statement strings.Builder
	statement.WriteString(insertInto(t.name))
	name(&statement, schema[0].Name)
	statement.WriteByte('}')
	body := append(quote([]byte(`{"Statements":[{"Statement":`), statement.String()), `,"Parameters":[{"NULL":true}]}]}`...)
	answer, err := t.wire.call(ctx, "DynamoDB_20120810.BatchExecuteStatement", body)
	if err == nil {
		var answers []statementAnswer
		if answers, err = parseStatements(answer, 1); err == nil {
			err = answers[0].err()
		}
	}
	if err = classify(err, what); err != nil && fault.Of(err) == fault.Record {
		return nil // it was allowed, and the key was refused
	}
	return err
}

// insertInto is the beginning of an INSERT statement.
func insertInto(table string) string { return `INSERT INTO "` + table + `" VALUE {` }
