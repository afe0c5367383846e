package expression

import (
	"maps"
	"slices"
	"strings"
)

// Scope is what the expressions of one request may refer to, and what they did refer to. Parse all of a
// request's expressions with one Scope, then ask Unused. It is not safe for concurrent use.
type Scope struct {
	names      map[string]string
	values     map[string]Value
	usedNames  map[string]bool
	usedValues map[string]bool
}

// NewScope returns a scope of ExpressionAttributeNames and ExpressionAttributeValues, either may be nil.
func NewScope(names map[string]string, values map[string]Value) *Scope {
	return &Scope{names: names, values: values, usedNames: map[string]bool{}, usedValues: map[string]bool{}}
}

// Check reports placeholders that could never be used: those without their sign, and empty lists of them.
func (s *Scope) Check() error {
	if s.names != nil && len(s.names) == 0 {
		return invalidf("ExpressionAttributeNames must not be empty")
	}
	for name := range s.names {
		if len(name) < 2 || name[0] != '#' || wordSize(name[1:]) != len(name)-1 {
			return invalidf("ExpressionAttributeNames contains invalid key: Syntax error; key: \"%s\"", name)
		}
		if err := checkName(s.names[name]); err != nil {
			return invalidf("ExpressionAttributeNames contains invalid value: %s for key %s", err, name)
		}
	}
	if s.values != nil && len(s.values) == 0 {
		return invalidf("ExpressionAttributeValues must not be empty")
	}
	for name := range s.values {
		if len(name) < 2 || name[0] != ':' || wordSize(name[1:]) != len(name)-1 {
			return invalidf("ExpressionAttributeValues contains invalid key: Syntax error; key: \"%s\"", name)
		}
	}
	return nil
}

// Unused reports names and values that no expression referred to.
func (s *Scope) Unused() error {
	if unused := notIn(s.names, s.usedNames); unused != "" {
		return invalidf("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", unused)
	}
	if unused := notIn(s.values, s.usedValues); unused != "" {
		return invalidf("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", unused)
	}
	return nil
}

func notIn[T any](given map[string]T, used map[string]bool) string {
	var unused []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !used[name] {
			unused = append(unused, name)
		}
	}
	return strings.Join(unused, ", ")
}

// name resolves a token that is an attribute name.
func (s *Scope) name(where string, t token) (string, error) {
	if t.kind == nameToken {
		name, ok := s.names[t.text]
		if !ok {
			return "", invalidf("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", where, t.text)
		}
		s.usedNames[t.text] = true
		return name, nil
	}
	if reserved[strings.ToUpper(t.text)] {
		return "", invalidf("Invalid %s: Attribute name is a reserved keyword; reserved keyword: %s", where, t.text)
	}
	return t.text, nil
}

// value resolves a token that is a value placeholder.
func (s *Scope) value(where string, t token) (Value, error) {
	v, ok := s.values[t.text]
	if !ok {
		return Value{}, invalidf("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", where, t.text)
	}
	s.usedValues[t.text] = true
	return v, nil
}
