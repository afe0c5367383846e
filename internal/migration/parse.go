package migration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Load reads the file at path. Errors are of type *Problems; a file that cannot be read is one, without a line.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &Problems{[]Problem{{File: path, Message: unreadable(err)}}}
	}
	return Parse(path, data)
}

// unreadable is why a file could not be read, without its path: the Problem has that.
func unreadable(err error) string {
	message := err.Error()
	if about, ok := errors.AsType[*fs.PathError](err); ok {
		message = about.Err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		message += "; 'crossfade init' prints a file to start from"
	}
	return message
}

// Parse reads a configuration; file is its name for messages. Errors are of type *Problems.
func Parse(file string, data []byte) (*Config, error) {
	p := &reader{file: file, problems: &Problems{}, places: map[string]*token.Position{}}
	c := &Config{}
	setDefaults(reflect.ValueOf(c).Elem())
	p.document(data, c)
	if len(p.problems.List) == 0 {
		p.validate(c)
	}
	if len(p.problems.List) > 0 {
		p.problems.sort()
		return nil, p.problems
	}
	c.File = file
	return c, nil
}

// reader fills a Config from a syntax tree, and notes where each field stands.
type reader struct {
	file     string
	problems *Problems
	places   map[string]*token.Position
}

// document reads the one document of a file.
func (r *reader) document(data []byte, c *Config) {
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey()) // object finds those, with all else
	if err != nil {
		line, column, message := 1, 1, err.Error()
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			message = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				line, column = t.Position.Line, t.Position.Column
			}
		}
		r.problems.List = append(r.problems.List, Problem{r.file, max(1, line), max(1, column), "", message})
		return
	}
	var body ast.Node
	for i, d := range tree.Docs {
		if i > 0 && d.Body != nil {
			r.problem(d.Body, "", "the file holds more than one document")
			return
		}
		body = d.Body
	}
	if body == nil {
		r.at(nil, "", "the file is empty; 'crossfade init' prints one to start from")
		return
	}
	r.object(body, reflect.ValueOf(c).Elem(), "")
}

func (r *reader) problem(n ast.Node, field, format string, args ...any) {
	r.at(n.GetToken().Position, field, format, args...)
}

func (r *reader) at(p *token.Position, field, format string, args ...any) {
	line, column := 1, 1
	if p != nil {
		line, column = max(1, p.Line), max(1, p.Column)
	}
	r.problems.List = append(r.problems.List, Problem{r.file, line, column, field, fmt.Sprintf(format, args...)})
}

// object reads a mapping into a struct. Unknown keys are problems, and so are missing required ones.
func (r *reader) object(n ast.Node, to reflect.Value, path string) {
	entries, ok := mapping(n)
	if !ok {
		r.problem(n, path, "must be a mapping of names to values, not %s", kindOf(n))
		return
	}
	fields := fieldsOf(to.Type())
	seen := map[string]bool{}
	for _, e := range entries {
		name := e.Key.GetToken().Value
		field, known := fields[name]
		full := join(path, name)
		switch {
		case !known:
			r.problem(e.Key, full, "unknown name%s", suggest(name, fields))
		case seen[name]:
			r.problem(e.Key, full, "stands here a second time")
		default:
			seen[name] = true
			r.places[full] = e.Key.GetToken().Position
			r.value(e.Value, to.FieldByIndex(field.Index), field, full)
		}
	}
	for _, field := range structFields(to.Type()) {
		name := field.Tag.Get("yaml")
		if field.Tag.Get("required") == "true" && !seen[name] {
			r.problem(n, join(path, name), "is required and missing")
		}
	}
}

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// value reads one value into a field of its kind.
func (r *reader) value(n ast.Node, to reflect.Value, field reflect.StructField, path string) {
	if _, null := n.(*ast.NullNode); null {
		if field.Tag.Get("required") == "true" {
			r.problem(n, path, "is required and empty")
		}
		return // an empty value is the default
	}
	if to.Kind() == reflect.Struct {
		if _, ok := mapping(n); !ok && field.Tag.Get("example") != "" {
			r.problem(n, path, "must be a mapping of names to values such as %s, not %s", field.Tag.Get("example"), kindOf(n))
			return
		}
		r.object(n, to, path)
		return
	}
	if to.Kind() == reflect.Slice {
		r.list(n, to, path)
		return
	}
	text, ok := scalar(n)
	if !ok {
		r.problem(n, path, "must be %s, not %s", wanted(to), kindOf(n))
		return
	}
	if message := set(to, n, text); message != "" {
		r.problem(n, path, "%s", message)
		return
	}
	if message := bounds(to, field); message != "" {
		r.problem(n, path, "%s", message)
	}
}

func (r *reader) list(n ast.Node, to reflect.Value, path string) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(n, path, "must be a list, not %s", kindOf(n))
		return
	}
	for i, element := range sequence.Values {
		if s, ok := element.(*ast.StringNode); ok && s.Value != "" {
			to.Set(reflect.Append(to, reflect.ValueOf(s.Value)))
		} else {
			r.problem(element, fmt.Sprintf("%s[%d]", path, i), "must be a text, not %s", kindOf(element))
		}
	}
}

func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// set parses text into a scalar field, and says what is wrong with it.
func set(to reflect.Value, n ast.Node, text string) string {
	wrong := fmt.Sprintf("must be %s, not %s", wanted(to), kindOf(n))
	_, isText := n.(*ast.StringNode)
	if to.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return wrong
		}
		to.SetInt(int64(d))
		return ""
	}
	switch to.Kind() {
	case reflect.String:
		if !isText {
			return wrong + "; put it in quotes"
		}
		to.SetString(text)
		return ""
	case reflect.Int, reflect.Int64:
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || isText {
			return wrong
		}
		to.SetInt(v)
	case reflect.Float64:
		if n.GetToken().Type == token.StringType && strings.Trim(text, "0123456789.eE+-") == "" {
			isText = false // the parser takes 1e3 for a text, unlike YAML
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || isText || v != v || v > 1e15 {
			return wrong
		}
		to.SetFloat(v)
	case reflect.Bool:
		if _, ok := n.(*ast.BoolNode); !ok {
			return wrong
		}
		to.SetBool(text == "true")
	default:
		panic("migration: no rule for " + to.Type().String())
	}
	return ""
}

// bounds checks the min, max and oneof tags.
func bounds(v reflect.Value, field reflect.StructField) string {
	if words := field.Tag.Get("oneof"); words != "" {
		for word := range strings.FieldsSeq(words) {
			if v.String() == word {
				return ""
			}
		}
		return fmt.Sprintf("must be one of %s, not %q", strings.Join(strings.Fields(words), ", "), v.String())
	}
	number := 0.0
	switch {
	case v.CanInt():
		number = float64(v.Int())
	case v.CanFloat():
		number = v.Float()
	}
	if least := field.Tag.Get("min"); least != "" && number < parseTag(least) {
		return "must be at least " + least
	}
	if most := field.Tag.Get("max"); most != "" && number > parseTag(most) {
		return "must be at most " + most
	}
	return ""
}

func parseTag(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic("migration: tag " + strconv.Quote(text) + " is not a number")
	}
	return v
}

func wanted(v reflect.Value) string {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return "a duration such as 10m or 30s"
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	default:
		return "a text"
	}
}

func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return strconv.Quote(n.Value)
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.NullNode:
		return "empty"
	}
	return n.GetToken().Value
}

// place is where a field stands, or else the nearest section above it that does.
func (r *reader) place(field string) *token.Position {
	for {
		if p := r.places[field]; p != nil {
			return p
		}
		i := strings.LastIndexByte(field, '.')
		if i < 0 {
			return nil
		}
		field = field[:i]
	}
}
