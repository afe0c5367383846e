// Package legacy turns the parameters that DynamoDB had before expressions into expressions.
//
//	Expected, ConditionalOperator     ConditionExpression
//	AttributeUpdates                  UpdateExpression
//	KeyConditions                     KeyConditionExpression
//	QueryFilter, ScanFilter           FilterExpression
//	AttributesToGet                   ProjectionExpression
//
// Many mappers still send them. Whoever reads requests translates them once, at the door, and knows expressions only
// from there on. Values are passed on byte for byte. What the parameters mean:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
package legacy

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// parameter is one of the older parameters, and the expression that took its place.
type parameter struct{ name, expression string }

// parameters are the older ones that an operation knows.
var parameters = map[string][]parameter{
	"GetItem":      {{"AttributesToGet", "ProjectionExpression"}},
	"BatchGetItem": {{"AttributesToGet", "ProjectionExpression"}}, // of each table
	"PutItem":      {{"Expected", "ConditionExpression"}, {"ConditionalOperator", ""}},
	"DeleteItem":   {{"Expected", "ConditionExpression"}, {"ConditionalOperator", ""}},
	"UpdateItem":   {{"AttributeUpdates", "UpdateExpression"}, {"Expected", "ConditionExpression"}, {"ConditionalOperator", ""}},
	"Query": {
		{"KeyConditions", "KeyConditionExpression"},
		{"QueryFilter", "FilterExpression"},
		{"AttributesToGet", "ProjectionExpression"},
		{"ConditionalOperator", ""},
	},
	"Scan": {{"ScanFilter", "FilterExpression"}, {"AttributesToGet", "ProjectionExpression"}, {"ConditionalOperator", ""}},
}

// expressions are the parameters that must not stand beside an older one.
var expressions = []string{"UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"}

// Request translates a whole request, if it has an older parameter; else it is returned as it is.
func Request(operation string, body []byte) ([]byte, error) {
	if !slices.ContainsFunc(parameters[operation], func(p parameter) bool { return bytes.Contains(body, []byte(`"`+p.name+`"`)) }) {
		return body, nil
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(body, &members, lenient) != nil {
		return body, nil //nolint:nilerr // whoever decodes the request says what is wrong with it
	}
	translated, err := Translate(operation, members)
	if err != nil || !translated {
		return body, err
	}
	return encode(members), nil
}

// Translate replaces the older parameters among the members of a request of an operation (such as PutItem) by
// expressions, in place, and reports whether there were any. The error is an *expression.Error: what DynamoDB's
// ValidationException says.
func Translate(operation string, members map[string]jsontext.Value) (translated bool, err error) {
	known := parameters[operation]
	if operation == "BatchGetItem" {
		return translateTables(known, members)
	}
	return translate(known, members)
}

// translateTables translates the part of each table of a BatchGetItem.
func translateTables(known []parameter, members map[string]jsontext.Value) (translated bool, err error) {
	var tables map[string]jsontext.Value
	if json.Unmarshal(members["RequestItems"], &tables, lenient) != nil {
		return false, nil //nolint:nilerr // whoever decodes the request says what is wrong with it
	}
	for name, table := range tables {
		var part map[string]jsontext.Value
		if json.Unmarshal(table, &part, lenient) != nil {
			return false, nil //nolint:nilerr // as above
		}
		did, err := translate(known, part)
		if err != nil {
			return false, err
		}
		if did {
			translated, tables[name] = true, encode(part)
		}
	}
	if translated {
		members["RequestItems"] = encode(tables)
	}
	return translated, nil
}

// lenient takes what DynamoDB takes: the application's bytes are not ours to judge.
var lenient = jsontext.AllowInvalidUTF8(true)

// encode is v as JSON; it is made of JSON and strings, so it cannot fail.
func encode(v any) jsontext.Value {
	b, err := json.Marshal(v, json.Deterministic(true), lenient)
	if err != nil {
		panic(err)
	}
	return b
}

func translate(known []parameter, members map[string]jsontext.Value) (translated bool, err error) {
	var found []string
	for _, p := range known {
		if v, ok := members[p.name]; ok && string(v) != "null" {
			found = append(found, p.name)
		}
	}
	if found == nil {
		return false, nil
	}
	if err := unmixed(apart(found, members), members); err != nil {
		return false, err
	}
	t := &translation{names: map[string]string{}, values: map[string]jsontext.Value{}, byName: map[string]string{}}
	if members["ExpressionAttributeNames"] != nil || members["ExpressionAttributeValues"] != nil {
		t.prefix = "legacy_"
	}
	if err := t.operator(members); err != nil {
		return false, err
	}
	for _, p := range known {
		given, ok := members[p.name]
		delete(members, p.name)
		if !ok || p.expression == "" || string(given) == "null" {
			continue
		}
		text, err := t.expression(p, given)
		if err != nil {
			return false, err
		}
		if text != "" {
			members[p.expression] = encode(text)
		}
	}
	if err := merge(members, "ExpressionAttributeNames", t.names); err != nil {
		return false, err
	}
	return true, merge(members, "ExpressionAttributeValues", t.values)
}

// merge adds the placeholders of the translation to those of the request's own expressions.
func merge[V any](members map[string]jsontext.Value, parameter string, placeholders map[string]V) error {
	if len(placeholders) == 0 {
		return nil
	}
	all := map[string]jsontext.Value{}
	if given, ok := members[parameter]; ok {
		if err := json.Unmarshal(given, &all, lenient); err != nil {
			return err
		}
		if all == nil {
			all = map[string]jsontext.Value{}
		}
	}
	for name, v := range placeholders {
		all[name] = encode(v)
	}
	members[parameter] = encode(all)
	return nil
}

// apart is the older parameters that must not stand beside expressions: KeyConditions may, if it is the only one of its kind
// and nothing else says what the key is.
func apart(found []string, members map[string]jsontext.Value) []string {
	if _, ok := members["KeyConditionExpression"]; ok {
		return found
	}
	return slices.DeleteFunc(slices.Clone(found), func(name string) bool { return name == "KeyConditions" })
}

// unmixed refuses a request that has parameters of both kinds.
func unmixed(found []string, members map[string]jsontext.Value) error {
	var beside []string
	for _, name := range expressions {
		if _, ok := members[name]; ok {
			beside = append(beside, name)
		}
	}
	if beside == nil || len(found) == 0 {
		return nil
	}
	return invalidf("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} Expression parameters: {%s}",
		strings.Join(found, ", "), strings.Join(beside, ", "))
}

func invalidf(format string, args ...any) error {
	return &expression.Error{Message: fmt.Sprintf(format, args...)}
}

// translation is the expressions of one request as they are written.
type translation struct {
	join   string // AND or OR, between conditions
	names  map[string]string
	values map[string]jsontext.Value
	byName map[string]string // the placeholder of an attribute
	prefix string            // of placeholders, where the request has its own
}

// operator reads ConditionalOperator.
func (t *translation) operator(members map[string]jsontext.Value) error {
	t.join = " AND "
	given, ok := members["ConditionalOperator"]
	if !ok {
		return nil
	}
	var text string
	if err := json.Unmarshal(given, &text); err != nil || text != "AND" && text != "OR" {
		return invalidf("1 validation error detected: Value '%s' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]", text)
	}
	filters := 0
	for _, name := range []string{"Expected", "QueryFilter", "ScanFilter"} {
		var conditions map[string]jsontext.Value
		if json.Unmarshal(members[name], &conditions, lenient) == nil && len(conditions) > 0 {
			filters = len(conditions)
		}
	}
	switch filters {
	case 0:
		return invalidf("ConditionalOperator cannot be used without Filter or Expected")
	case 1:
		return invalidf("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	}
	t.join = " " + text + " "
	return nil
}

func (t *translation) expression(p parameter, given jsontext.Value) (string, error) {
	switch p.name {
	case "AttributesToGet":
		return t.projection(given)
	case "AttributeUpdates":
		return t.update(given)
	case "KeyConditions":
		return t.conditions(p.name, " AND ", given)
	default:
		return t.conditions(p.name, t.join, given)
	}
}

// name is the placeholder of an attribute: its name may be anything, with dots, and reserved.
func (t *translation) name(attribute string) string {
	if placeholder, ok := t.byName[attribute]; ok {
		return placeholder
	}
	placeholder := "#" + t.prefix + "n" + strconv.Itoa(len(t.names))
	t.names[placeholder], t.byName[attribute] = attribute, placeholder
	return placeholder
}

func (t *translation) value(v jsontext.Value) string {
	placeholder := ":" + t.prefix + "v" + strconv.Itoa(len(t.values))
	t.values[placeholder] = v
	return placeholder
}

func (t *translation) projection(given jsontext.Value) (string, error) {
	var attributes []string
	if err := json.Unmarshal(given, &attributes, lenient); err != nil {
		return "", err
	}
	if len(attributes) == 0 {
		return "", invalidf("1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	placeholders := make([]string, 0, len(attributes))
	for i, a := range attributes {
		if slices.Contains(attributes[:i], a) {
			return "", invalidf("One or more parameter values were invalid: Duplicate value in attribute name: %s", a)
		}
		placeholders = append(placeholders, t.name(a))
	}
	return strings.Join(placeholders, ", "), nil
}

// attributeUpdate is one of AttributeUpdates.
type attributeUpdate struct {
	Action string
	Value  jsontext.Value
}

// update writes one clause for each action. Without any update there is no expression: such a request makes sure that the
// item is there.
func (t *translation) update(given jsontext.Value) (string, error) {
	var updates map[string]attributeUpdate
	if err := json.Unmarshal(given, &updates, lenient); err != nil {
		return "", err
	}
	clauses := map[string][]string{}
	for _, attribute := range slices.Sorted(maps.Keys(updates)) {
		u := updates[attribute]
		name := t.name(attribute)
		switch {
		case u.Action != "" && u.Action != "PUT" && u.Action != "ADD" && u.Action != "DELETE":
			return "", invalidf("1 validation error detected: Value '%s' at 'attributeUpdates.%s.member.action' failed to satisfy constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]",
				u.Action, attribute)
		case u.Action == "DELETE" && u.Value == nil:
			clauses["REMOVE"] = append(clauses["REMOVE"], name)
		case u.Value == nil:
			return "", invalidf("One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified")
		case u.Action == "ADD" && kindOf([]jsontext.Value{u.Value}) == string(expression.List):
			empty := t.value(jsontext.Value(`{"L":[]}`))
			clauses["SET"] = append(clauses["SET"], name+" = list_append(if_not_exists("+name+", "+empty+"), "+t.value(u.Value)+")")
		case u.Action == "DELETE" || u.Action == "ADD":
			clauses[u.Action] = append(clauses[u.Action], name+" "+t.value(u.Value))
		default:
			clauses["SET"] = append(clauses["SET"], name+" = "+t.value(u.Value))
		}
	}
	var text []string
	for _, clause := range slices.Sorted(maps.Keys(clauses)) {
		text = append(text, clause+" "+strings.Join(clauses[clause], ", "))
	}
	return strings.Join(text, " "), nil
}

// condition is one of Expected, KeyConditions, QueryFilter or ScanFilter; Value and Exists are of Expected only.
type condition struct {
	ComparisonOperator string
	AttributeValueList []jsontext.Value
	Value              jsontext.Value
	Exists             *bool
}

func (t *translation) conditions(parameter, join string, given jsontext.Value) (string, error) {
	var conditions map[string]condition
	if err := json.Unmarshal(given, &conditions, lenient); err != nil {
		return "", err
	}
	var terms []string
	for _, attribute := range slices.Sorted(maps.Keys(conditions)) {
		term, err := t.condition(parameter, attribute, conditions[attribute])
		if err != nil {
			return "", err
		}
		terms = append(terms, term)
	}
	return strings.Join(terms, join), nil
}

func (t *translation) condition(parameter, attribute string, c condition) (string, error) {
	name := t.name(attribute)
	if c.ComparisonOperator != "" {
		if c.Exists != nil || c.Value != nil && c.AttributeValueList != nil {
			return "", invalidf("One or more parameter values were invalid: Exists and ComparisonOperator cannot be used together for Attribute: %s", attribute)
		}
		if c.Value != nil {
			c.AttributeValueList = []jsontext.Value{c.Value}
		}
		return t.comparison(parameter, name, attribute, c)
	}
	exists := c.Exists == nil || *c.Exists
	switch {
	case parameter != "Expected":
		return "", invalidf("One or more parameter values were invalid: ComparisonOperator is missing for attribute: %s", attribute)
	case c.AttributeValueList != nil:
		return "", invalidf("One or more parameter values were invalid: AttributeValueList can only be used with a ComparisonOperator for Attribute: %s", attribute)
	case exists && c.Value == nil:
		return "", invalidf("One or more parameter values were invalid: Value must be provided when Exists is %s for Attribute: %s", existsText(c.Exists), attribute)
	case !exists && c.Value != nil:
		return "", invalidf("One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: %s", attribute)
	case !exists:
		return "attribute_not_exists(" + name + ")", nil
	}
	return name + " = " + t.value(c.Value), nil
}

func existsText(exists *bool) string {
	if exists == nil {
		return "null"
	}
	return strconv.FormatBool(*exists)
}

// operators are how a comparison is written, and how many values it has; -1 is any number but none.
var operators = map[string]struct {
	values int
	text   string // %n is the name; %v, and %w the second, are the values
}{
	"EQ": {1, "%n = %v"}, "NE": {1, "%n <> %v"},
	"LE": {1, "%n <= %v"}, "LT": {1, "%n < %v"}, "GE": {1, "%n >= %v"}, "GT": {1, "%n > %v"},
	"NOT_NULL": {0, "attribute_exists(%n)"}, "NULL": {0, "attribute_not_exists(%n)"},
	"CONTAINS":     {1, "contains(%n, %v)"},
	"NOT_CONTAINS": {1, "(attribute_exists(%n) AND NOT contains(%n, %v))"},
	"BEGINS_WITH":  {1, "begins_with(%n, %v)"},
	"IN":           {-1, "%n IN (%v)"},
	"BETWEEN":      {2, "%n BETWEEN %v AND %w"},
}

// arguments refuses values of a type that the operator does not take.
func arguments(parameter string, c condition) error {
	first := kindOf(c.AttributeValueList)
	var takes string
	switch c.ComparisonOperator {
	case "LE", "LT", "GE", "GT", "BETWEEN", "IN":
		takes = " S N B "
	case "CONTAINS", "NOT_CONTAINS":
		takes = " S N B BOOL NULL "
	case "BEGINS_WITH":
		takes = " S B "
	default:
		takes = " S N B BOOL NULL M L SS NS BS "
	}
	for i := range c.AttributeValueList {
		kind := kindOf(c.AttributeValueList[i:])
		switch {
		case kind == "":
			continue // whoever decodes the request says what is wrong with the value
		case !strings.Contains(takes, " "+kind+" "):
			return invalidf("One or more parameter values were invalid: ComparisonOperator %s is not valid for %s AttributeValue type", c.ComparisonOperator, kind)
		case kind != first:
			return invalidf("One or more parameter values were invalid: AttributeValues inside AttributeValueList must be of same type")
		}
	}
	indexable := []string{"EQ", "LE", "LT", "GE", "GT", "BEGINS_WITH", "BETWEEN"}
	if parameter == "KeyConditions" && !slices.Contains(indexable, c.ComparisonOperator) {
		return invalidf("Attempted conditional constraint is not an indexable operation")
	}
	return nil
}

// kindOf is the type of the first value; "" if it cannot be told.
func kindOf(values []jsontext.Value) string {
	if len(values) == 0 {
		return ""
	}
	v, err := expression.ParseValue(values[0])
	if err != nil {
		return ""
	}
	return string(v.Kind)
}

func (t *translation) comparison(parameter, name, attribute string, c condition) (string, error) {
	o, ok := operators[c.ComparisonOperator]
	if !ok {
		return "", invalidf("1 validation error detected: Value '%s' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: "+
			"[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]", c.ComparisonOperator)
	}
	if n := len(c.AttributeValueList); o.values >= 0 && n != o.values || o.values < 0 && n == 0 {
		return "", invalidf("One or more parameter values were invalid: Invalid number of argument(s) for the %s ComparisonOperator", c.ComparisonOperator)
	}
	if err := arguments(parameter, c); err != nil {
		return "", err
	}
	placeholders := make([]string, 0, len(c.AttributeValueList))
	for _, v := range c.AttributeValueList {
		placeholders = append(placeholders, t.value(v))
	}
	replace := []string{"%n", name, "%v", strings.Join(placeholders, ", ")}
	if o.values == 2 {
		replace = []string{"%n", name, "%v", placeholders[0], "%w", placeholders[1]}
	}
	return strings.NewReplacer(replace...).Replace(o.text), nil
}
