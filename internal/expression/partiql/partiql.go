// Package partiql reads the statements of DynamoDB's PartiQL and says them in DynamoDB's other language: tables, keys, items
// and expressions.
//
//	SELECT * | path, … FROM table[."index"] [WHERE condition]
//	INSERT INTO table VALUE {'name': value, …}
//	UPDATE table {SET path = value, … | REMOVE path, …}… WHERE condition [RETURNING ALL|MODIFIED OLD|NEW *]
//	DELETE FROM table WHERE condition [RETURNING ALL OLD *]
//
// Which parts of a condition are the table's key is for the caller to say, who knows the table: a condition comes as its
// conjuncts. ORDER BY and EXISTS are not covered, and are errors.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
package partiql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// Kind is what a statement does.
type Kind string

// The kinds.
const (
	Select Kind = "SELECT"
	Insert Kind = "INSERT"
	Update Kind = "UPDATE"
	Delete Kind = "DELETE"
)

// Statement is one statement. Its expressions refer to Names and Values.
type Statement struct {
	Kind       Kind
	Table      string
	Index      string          // Select
	Item       expression.Item // Insert
	Projection string          // Select: a ProjectionExpression; empty for *
	Columns    []string        // Select: what the answer calls each path of Projection: the last name in it, with the indexes behind it
	Where      []Conjunct      // all but Insert: what must all be true
	Update     string          // Update: an UpdateExpression
	Returning  string          // Update and Delete: as ReturnValues, such as ALL_OLD; empty if nothing is asked for

	Names  map[string]string
	Values map[string]expression.Value

	placeholders map[string]string // by attribute name
}

// Conjunct is one of the conditions that a WHERE joins by AND.
type Conjunct struct {
	Text string // a ConditionExpression
	// Name and Value are set if it says that a top-level attribute equals a value, as the key of a single row is named.
	Name  string
	Value *expression.Value
}

// Equal splits the conjuncts into those that say what these attributes equal, and all others; and has the values of the
// first.
func (s *Statement) Equal(attributes ...string) (values expression.Item, equal, rest []string) {
	values = expression.Item{}
	for _, c := range s.Where {
		if _, twice := values[c.Name]; c.Value == nil || twice || !slices.Contains(attributes, c.Name) {
			rest = append(rest, c.Text)
			continue
		}
		values[c.Name] = *c.Value
		equal = append(equal, c.Text)
	}
	return values, equal, rest
}

// Table is the table that a statement names, without reading the rest; empty if it cannot be found.
func Table(text string) string {
	p := &parser{statement: &Statement{}, rest: text}
	switch {
	case p.word("INSERT"):
		p.word("INTO")
	case p.word("UPDATE"):
	case p.word("DELETE"):
		p.word("FROM")
	case p.word("SELECT"):
		for p.err == nil && p.peek() != 0 && !p.word("FROM") {
			p.token()
		}
	default:
		return ""
	}
	name, _ := p.identifier()
	return name
}

// Parse reads a statement; parameters take the places of its question marks. The error is an *expression.Error.
func Parse(text string, parameters []expression.Value) (*Statement, error) {
	s := &Statement{Names: map[string]string{}, Values: map[string]expression.Value{}, placeholders: map[string]string{}}
	p := &parser{statement: s, rest: text, parameters: parameters}
	switch {
	case p.word("INSERT"):
		s.Kind = Insert
		p.insert()
	case p.word("SELECT"):
		s.Kind = Select
		p.selection()
	case p.word("UPDATE"):
		s.Kind = Update
		p.update()
	case p.word("DELETE"):
		s.Kind = Delete
		p.deletion()
	default:
		p.fail("unknown statement")
	}
	p.take(";")
	if p.err == nil && p.peek() != 0 {
		p.fail("unexpected: " + p.rest)
	}
	if p.err == nil && p.used != len(parameters) {
		p.mismatch()
	}
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// parser cuts a statement from the front. After the first error it does nothing any more.
type parser struct {
	statement  *Statement
	rest       string
	parameters []expression.Value
	used       int
	last       string // the last name of the last path, with the indexes behind it
	err        error
}

func (p *parser) fail(why string) {
	if p.err == nil {
		p.err = &expression.Error{Message: "Statement wasn't well formed, can't be processed: " + why}
	}
	p.rest = ""
}

func (p *parser) mismatch() {
	p.fail("")
	p.err = &expression.Error{Message: "Number of parameters in request and statement don't match."}
}

func (p *parser) insert() {
	p.expectWord("INTO")
	p.table()
	p.expectWord("VALUE")
	if p.peek() != '{' {
		p.fail("a VALUE is a map")
		return
	}
	p.statement.Item = p.value().Map
}

func (p *parser) selection() {
	if !p.take("*") {
		var paths []string
		for more := true; more && p.err == nil; more = p.take(",") {
			paths = append(paths, p.path())
			p.statement.Columns = append(p.statement.Columns, p.last)
		}
		p.statement.Projection = strings.Join(paths, ", ")
	}
	p.expectWord("FROM")
	p.table()
	if p.take(".") {
		p.statement.Index, _ = p.identifier()
	}
	if p.word("WHERE") {
		p.where()
	}
	if p.word("ORDER") {
		p.fail("ORDER BY is not covered")
	}
}

func (p *parser) update() {
	p.table()
	clauses := map[string][]string{}
	for p.err == nil && !p.word("WHERE") {
		switch {
		case p.word("SET"):
			for more := true; more && p.err == nil; more = p.take(",") {
				p.assignment(clauses)
			}
		case p.word("REMOVE"):
			for more := true; more && p.err == nil; more = p.take(",") {
				clauses["REMOVE"] = append(clauses["REMOVE"], p.path())
			}
		default:
			p.fail("SET, REMOVE or WHERE expected")
		}
	}
	var text []string
	for _, clause := range []string{"SET", "REMOVE", "ADD", "DELETE"} {
		if list := clauses[clause]; list != nil {
			text = append(text, clause+" "+strings.Join(list, ", "))
		}
	}
	p.statement.Update = strings.Join(text, " ")
	p.where()
	p.returning()
}

// assignment reads path = data.
func (p *parser) assignment(clauses map[string][]string) {
	path := p.path()
	p.symbol("=")
	switch {
	case p.word("set_add"):
		clauses["ADD"] = append(clauses["ADD"], p.setFunction(path))
	case p.word("set_delete"):
		clauses["DELETE"] = append(clauses["DELETE"], p.setFunction(path))
	default:
		clauses["SET"] = append(clauses["SET"], path+" = "+p.sum())
	}
}

func (p *parser) setFunction(path string) string {
	p.symbol("(")
	if p.path() != path {
		p.fail("a set is changed in its own place")
	}
	p.symbol(",")
	v := p.placeholder(p.value())
	p.symbol(")")
	return path + " " + v
}

func (p *parser) sum() string {
	text := p.operand()
	for _, operator := range []string{"+", "-"} {
		if p.take(operator) {
			return text + " " + operator + " " + p.operand()
		}
	}
	return text
}

func (p *parser) deletion() {
	p.expectWord("FROM")
	p.table()
	p.expectWord("WHERE")
	p.where()
	p.returning()
}

func (p *parser) returning() {
	if !p.word("RETURNING") {
		return
	}
	what, when := "", ""
	switch {
	case p.word("ALL"):
		what = "ALL"
	case p.word("MODIFIED"):
		what = "UPDATED"
	}
	switch {
	case p.word("OLD"):
		when = "OLD"
	case p.word("NEW"):
		when = "NEW"
	}
	if what == "" || when == "" || !p.take("*") {
		p.fail("RETURNING ALL or MODIFIED, OLD or NEW, *")
		return
	}
	p.statement.Returning = what + "_" + when
}

// where reads a condition, conjunct by conjunct.
func (p *parser) where() {
	s := p.statement
	start := len(s.Where)
	for more := true; more && p.err == nil; more = p.word("AND") {
		s.Where = append(s.Where, p.not())
	}
	if !p.peekWord("OR") {
		return
	}
	all := make([]string, 0, len(s.Where)-start)
	for _, c := range s.Where[start:] {
		all = append(all, c.Text)
	}
	s.Where = append(s.Where[:start], Conjunct{Text: "(" + p.disjunction(strings.Join(all, " AND ")) + ")"})
}

// disjunction reads what follows its first term: terms joined by OR.
func (p *parser) disjunction(first string) string {
	terms := []string{first}
	for p.word("OR") {
		terms = append(terms, p.conjunction())
	}
	return strings.Join(terms, " OR ")
}

// conjunction reads terms joined by AND.
func (p *parser) conjunction() string {
	terms := []string{p.not().Text}
	for p.word("AND") {
		terms = append(terms, p.not().Text)
	}
	return strings.Join(terms, " AND ")
}

func (p *parser) not() Conjunct {
	if p.word("NOT") {
		return Conjunct{Text: "NOT " + p.not().Text}
	}
	if p.take("(") {
		text := p.disjunction(p.conjunction())
		p.symbol(")")
		return Conjunct{Text: "(" + text + ")"}
	}
	return p.comparison()
}

// functions are those that are conditions by themselves, with the number of their arguments.
var functions = map[string]int{"begins_with": 2, "contains": 2, "attribute_type": 2, "attribute_exists": 1, "attribute_not_exists": 1}

func (p *parser) comparison() Conjunct {
	for name, arguments := range functions {
		if p.call(name) {
			list := []string{p.path()}
			for range arguments - 1 {
				p.symbol(",")
				list = append(list, p.operand())
			}
			p.symbol(")")
			return Conjunct{Text: name + "(" + strings.Join(list, ", ") + ")"}
		}
	}
	left := p.operand()
	switch {
	case p.word("IS"):
		return Conjunct{Text: p.is(left)}
	case p.word("BETWEEN"):
		low := p.operand()
		p.expectWord("AND")
		return Conjunct{Text: left + " BETWEEN " + low + " AND " + p.operand()}
	case p.word("IN"):
		closing := "]"
		if !p.take("[") {
			p.symbol("(")
			closing = ")"
		}
		var list []string
		for more := true; more && p.err == nil; more = p.take(",") {
			list = append(list, p.operand())
		}
		p.symbol(closing)
		return Conjunct{Text: left + " IN (" + strings.Join(list, ", ") + ")"}
	}
	for _, operator := range []string{"<>", "!=", "<=", ">=", "=", "<", ">"} {
		if !p.take(operator) {
			continue
		}
		right := p.operand()
		if operator == "!=" {
			operator = "<>"
		}
		c := Conjunct{Text: left + " " + operator + " " + right}
		name, isName := p.statement.Names[left]
		if v, isValue := p.statement.Values[right]; operator == "=" && isName && isValue {
			c.Name, c.Value = name, &v
		}
		return c
	}
	p.fail("a comparison expected")
	return Conjunct{}
}

// is reads what follows IS.
func (p *parser) is(left string) string {
	not := p.word("NOT")
	switch {
	case p.word("MISSING"):
		if not {
			return "attribute_exists(" + left + ")"
		}
		return "attribute_not_exists(" + left + ")"
	case p.word("NULL"):
		text := "attribute_type(" + left + ", " + p.placeholder(expression.Value{Kind: expression.String, Text: string(expression.Null)}) + ")"
		if not {
			text = "NOT " + text
		}
		return text
	}
	p.fail("MISSING or NULL expected")
	return ""
}

// operand reads a path, size of one, list_append, or a value.
func (p *parser) operand() string {
	switch c := p.peek(); {
	case p.call("size"):
		text := "size(" + p.path() + ")"
		p.symbol(")")
		return text
	case p.call("list_append"):
		text := "list_append(" + p.operand()
		p.symbol(",")
		text += ", " + p.operand() + ")"
		p.symbol(")")
		return text
	case c == '"' || isLetter(c) && !p.peekWord("TRUE") && !p.peekWord("FALSE") && !p.peekWord("NULL"):
		return p.path()
	}
	return p.placeholder(p.value())
}

// path reads an attribute and the way into it, as a document path of placeholders.
func (p *parser) path() string {
	name, ok := p.identifier()
	if !ok {
		return ""
	}
	var text strings.Builder
	text.WriteString(p.name(name))
	for p.err == nil {
		switch {
		case p.take("["):
			digits := 0
			for digits < len(p.rest) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
				digits++
			}
			text.WriteString("[" + p.rest[:digits] + "]")
			p.last += "[" + p.rest[:digits] + "]"
			p.rest = p.rest[digits:]
			p.symbol("]")
			if digits == 0 {
				p.fail("an index expected")
			}
		case p.take("."):
			name, _ := p.identifier()
			text.WriteString("." + p.name(name))
		default:
			return text.String()
		}
	}
	return text.String()
}

func (p *parser) name(attribute string) string {
	s := p.statement
	p.last = attribute
	if s.placeholders == nil {
		return ""
	}
	if placeholder, ok := s.placeholders[attribute]; ok {
		return placeholder
	}
	placeholder := "#n" + strconv.Itoa(len(s.Names))
	s.Names[placeholder], s.placeholders[attribute] = attribute, placeholder
	return placeholder
}

func (p *parser) placeholder(v expression.Value) string {
	if p.err != nil {
		return ""
	}
	placeholder := ":v" + strconv.Itoa(len(p.statement.Values))
	p.statement.Values[placeholder] = v
	return placeholder
}

// value reads a literal or takes a parameter.
func (p *parser) value() expression.Value {
	switch c := p.peek(); {
	case c == '?':
		p.take("?")
		if p.used == len(p.parameters) {
			p.mismatch()
			return expression.Value{}
		}
		p.used++
		return p.parameters[p.used-1]
	case c == '\'':
		return expression.Value{Kind: expression.String, Text: p.quoted('\'')}
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == '{':
		return p.mapLiteral()
	case p.take("<<"):
		return p.set()
	case p.take("["):
		v := expression.Value{Kind: expression.List}
		for more := p.peek() != ']'; more && p.err == nil; more = p.take(",") {
			v.List = append(v.List, p.value())
		}
		p.symbol("]")
		return v
	case p.word("TRUE"):
		return expression.Value{Kind: expression.Bool, Bool: true}
	case p.word("FALSE"):
		return expression.Value{Kind: expression.Bool}
	case p.word("NULL"):
		return expression.Value{Kind: expression.Null}
	}
	p.fail("a value expected")
	return expression.Value{}
}

func (p *parser) number() expression.Value {
	end := 0
	for end < len(p.rest) && strings.IndexByte("+-.0123456789eE", p.rest[end]) >= 0 {
		end++
	}
	v, err := expression.ParseValue([]byte(`{"N":"` + p.rest[:end] + `"}`))
	if err != nil {
		p.fail("")
		p.err = err
		return expression.Value{}
	}
	p.rest = p.rest[end:]
	return v
}

func (p *parser) mapLiteral() expression.Value {
	p.symbol("{")
	v := expression.Value{Kind: expression.Map, Map: expression.Item{}}
	for more := p.peek() != '}'; more && p.err == nil; more = p.take(",") {
		name := p.quoted('\'')
		p.symbol(":")
		if _, twice := v.Map[name]; twice {
			p.fail("")
			p.err = &expression.Error{Message: "Duplicate attribute in statement: " + name}
			break
		}
		if name == "" && p.err == nil {
			p.fail("")
			p.err = &expression.Error{Message: "Empty attribute name"}
		}
		v.Map[name] = p.value()
	}
	p.symbol("}")
	return v
}

// set reads <<value, …>>, of texts or of numbers.
func (p *parser) set() expression.Value {
	var v expression.Value
	for more := p.peek() != '>'; more && p.err == nil; more = p.take(",") {
		e := p.value()
		kind := map[expression.Kind]expression.Kind{
			expression.String: expression.StringSet, expression.Num: expression.NumberSet, expression.Binary: expression.BinarySet,
		}[e.Kind]
		if kind == "" || v.Kind != "" && v.Kind != kind {
			p.fail("a set has texts, numbers or bytes, and one of the three")
			break
		}
		v.Kind = kind
		v.Set = append(v.Set, e.Text)
	}
	p.symbol(">>")
	if v.Kind == "" {
		p.fail("a set may not be empty")
		return v
	}
	v, err := expression.ParseValue(v.Append(nil)) // in order, and without duplicates
	if err != nil {
		p.fail("")
		p.err = err
	}
	return v
}

func (p *parser) table() {
	p.statement.Table, _ = p.identifier()
}

// skip passes over the space before the next token.
func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// peek is the first byte of the next token; 0 at the end.
func (p *parser) peek() byte {
	p.skip()
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *parser) take(symbol string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, symbol)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *parser) symbol(symbol string) {
	if !p.take(symbol) {
		p.fail(fmt.Sprintf("%s expected", symbol))
	}
}

// peekWord reports whether a keyword is next.
func (p *parser) peekWord(word string) bool {
	p.skip()
	n := len(word)
	return len(p.rest) >= n && strings.EqualFold(p.rest[:n], word) && (len(p.rest) == n || !isLetter(p.rest[n]) && !isDigit(p.rest[n]))
}

// word takes a keyword if it is next.
func (p *parser) word(word string) bool {
	if !p.peekWord(word) {
		return false
	}
	p.rest = p.rest[len(word):]
	return true
}

func (p *parser) expectWord(word string) {
	if !p.word(word) {
		p.fail(word + " expected")
	}
}

// call takes the name of a function and its parenthesis, if they are next.
func (p *parser) call(name string) bool {
	if !p.peekWord(name) || !strings.HasPrefix(strings.TrimLeft(p.rest[len(name):], " \t\r\n"), "(") {
		return false
	}
	p.rest = p.rest[len(name):]
	return p.take("(")
}

// token passes over whatever is next.
func (p *parser) token() {
	switch c := p.peek(); {
	case c == '"' || c == '\'':
		p.quoted(c)
	case isLetter(c) || isDigit(c):
		p.identifier()
	default:
		p.rest = p.rest[1:]
	}
}

// identifier is a name, in double quotes or without.
func (p *parser) identifier() (string, bool) {
	if p.peek() == '"' {
		name := p.quoted('"')
		return name, p.err == nil
	}
	end := 0
	for end < len(p.rest) && (isLetter(p.rest[end]) || isDigit(p.rest[end])) {
		end++
	}
	if end == 0 {
		p.fail("a name expected")
		return "", false
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name, true
}

// quoted is a text in quotes, where a quote inside is doubled.
func (p *parser) quoted(quote byte) string {
	if p.peek() != quote {
		p.fail("a text in quotes expected")
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
	p.fail("a quote is not closed")
	return ""
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
