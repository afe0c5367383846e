package conformance

import (
	"fmt"
	"strings"
)

// indexedKind is the table with indexes, as target.indexed makes it; questions about it are asked by this kind.
const indexedKind = "indexed"

// indexedItem is the item of number n of a partition in the table with indexes. Its h is its own, so that the order in the
// indexes is no matter of luck; a few have no g, or no h.
func (g *generator) indexedItem(partition string, n int) string {
	members := []string{`"pk":{"S":` + quote(partition) + `}`, fmt.Sprintf(`"sk":{"N":"%d"}`, n)}
	if !g.one(8) {
		members = append(members, `"g":{"S":`+quote(partition+pick(g, "/1", "/2"))+`}`)
	}
	if !g.one(8) {
		members = append(members, fmt.Sprintf(`"h":{"N":"%d"}`, (n*7)%chunkItems))
	}
	for _, name := range []string{"shown", "hidden"} {
		if !g.one(4) {
			members = append(members, quote(name)+":"+g.value(1))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// indexQuestion asks an index.
func (g *generator) indexQuestion(partition string) question {
	bound := func() string { return g.constant(fmt.Sprintf(`{"N":"%d"}`, g.IntN(chunkItems))) }
	key := "g = " + g.constant(`{"S":`+quote(partition+pick(g, "/1", "/2"))+`}`)
	index := pick(g, "all", "all", "some")
	if index == "some" {
		key = "pk = " + g.constant(`{"S":`+quote(partition)+`}`)
	}
	switch g.IntN(4) {
	case 0:
		key += " AND h BETWEEN " + bound() + " AND " + bound()
	case 1:
		key += " AND h " + pick(g, "=", "<", "<=", ">", ">=") + " " + bound()
	}
	more := `,"ScanIndexForward":` + pick(g, "true", "false")
	switch g.IntN(5) {
	case 0:
		more += `,"FilterExpression":` + quote("attribute_exists(shown) OR attribute_type(hidden, "+g.constant(`{"S":"N"}`)+")")
	case 1:
		more += `,"ProjectionExpression":"sk,shown"`
	case 2:
		more += `,"Limit":` + fmt.Sprint(1+g.IntN(chunkItems))
	case 3:
		more += `,"Select":` + pick(g, `"COUNT"`, `"ALL_PROJECTED_ATTRIBUTES"`, `"ALL_ATTRIBUTES"`)
	}
	return question{operation: "Query", kind: indexedKind, members: g.placeholders(`,"IndexName":` + quote(index) + `,"KeyConditionExpression":` + quote(key) + more)}
}

// olderCondition is one of Expected or QueryFilter.
func (g *generator) olderCondition() string {
	list := func(n int, kinds ...string) string {
		var values []string
		kind := pick(g, kinds...)
		for range n {
			values = append(values, g.of(1, kind))
		}
		return `,"AttributeValueList":[` + strings.Join(values, ",") + "]"
	}
	operator := pick(g, "EQ", "NE", "LE", "LT", "GE", "GT", "NULL", "NOT_NULL", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH", "IN", "BETWEEN")
	text := `{"ComparisonOperator":` + quote(operator)
	switch operator {
	case "NULL", "NOT_NULL":
	case "EQ", "NE":
		text += list(1, "S", "N", "B", "SS", "NS")
	case "BEGINS_WITH":
		text += list(1, "S", "B")
	case "IN":
		text += list(1+g.IntN(3), "S", "N", "B")
	case "BETWEEN":
		value := g.of(0, "S", "N")
		text += `,"AttributeValueList":[` + value + "," + value + "]"
	default:
		text += list(1, "S", "N", "B")
	}
	return text + "}"
}

// olderConditions are one to three of them.
func (g *generator) olderConditions() (text string, n int) {
	var members []string
	for _, i := range g.Perm(len(topNames))[:1+g.IntN(3)] {
		members = append(members, quote(topNames[i])+":"+g.olderCondition())
	}
	return "{" + strings.Join(members, ",") + "}", len(members)
}

// olderQuestion asks in the parameters from before expressions.
func (g *generator) olderQuestion(partition string, items []string) question {
	conditions, n := g.olderConditions()
	operator := ""
	if n > 1 && g.one(2) {
		operator = `,"ConditionalOperator":` + pick(g, `"AND"`, `"OR"`)
	}
	if g.one(2) {
		return question{operation: "Query", kind: "N", members: `,"ConsistentRead":true,"KeyConditions":{"pk":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":` +
			quote(partition) + `}]}},"QueryFilter":` + conditions + operator}
	}
	key := `"pk":{"S":` + quote(partition+" older") + `},"sk":{"N":"0"}`
	q := question{operation: "UpdateItem", kind: "N", before: "{" + key + "}"}
	if item := pick(g, items...); item != "" {
		q.before = "{" + key + "," + item + "}"
	}
	var updates []string
	for _, i := range g.Perm(len(topNames))[:1+g.IntN(3)] {
		update := pick(g,
			func() string { return `{"Action":"PUT","Value":` + g.value(1) + "}" },
			func() string { return `{"Action":"DELETE"}` },
			func() string { return `{"Action":"DELETE","Value":` + g.of(1, "SS", "NS", "BS") + "}" },
			func() string { return `{"Action":"ADD","Value":` + g.of(1, "N", "SS", "NS", "BS") + "}" })()
		updates = append(updates, quote(topNames[i])+":"+update)
	}
	q.members = `,"Key":{` + key + `},"ReturnValues":"ALL_NEW","AttributeUpdates":{` + strings.Join(updates, ",") + "}"
	if g.one(3) {
		q.members += `,"Expected":` + conditions + operator
	}
	return q
}

// literal is a value of PartiQL, and its name an attribute's of the generated items.
func (g *generator) literal() string {
	return pick(g, "1", "2.5", "'a'", "'ab'", "TRUE", "NULL", "'it''s'", "-3")
}

// statementQuestion asks by a statement about the items of a partition. Attributes are of the plain names, in quotes.
func (g *generator) statementQuestion(partition string) question {
	name := func() string { return `"` + pick(g, "a", "b", "c", "d", "e", "f", "g_1", "it's", "select") + `"` }
	term := func() string {
		return pick(g,
			func() string { return name() + " " + pick(g, "=", "<>", "<", "<=", ">", ">=") + " " + g.literal() },
			func() string { return name() + " IS " + pick(g, "", "NOT ") + "MISSING" },
			func() string { return "begins_with(" + name() + ", 'a')" },
			func() string { return name() + " IN [" + g.literal() + ", " + g.literal() + "]" },
			func() string { return "NOT " + name() + " = " + g.literal() })()
	}
	where := term()
	if g.one(2) {
		where = "(" + term() + pick(g, " AND ", " OR ") + term() + ")"
	}
	columns := pick(g, "*", "sk, "+name(), `"c"."x"`, `"b"[1]`)
	return question{operation: "ExecuteStatement", kind: "N", members: `"ConsistentRead":true,"Statement":` +
		quote(`SELECT `+columns+` FROM "`+tableOfSide+`" WHERE pk = '`+partition+`' AND `+where)}
}

// tableOfSide stands for the name of a side's table in a statement.
const tableOfSide = "TABLE OF THIS SIDE"
