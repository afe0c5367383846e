package conformance

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"
)

const (
	failed  = "ConditionalCheckFailedException: The conditional request failed"
	invalid = "ValidationException: Invalid ConditionExpression: "
)

var conditionItem = attrs{
	"pk": str("a"), "s": str("hello"), "n": num("10"), "big": num("12345678901234567890123456789012345678"),
	"b": bin("\x01\x02\xff"), "t": boolean(true), "f": boolean(false), "z": null(),
	"l": list(str("x"), num("1.0"), obj(attrs{"deep": str("y")})), "m": obj(attrs{"k": str("v"), "e": obj(attrs{})}),
	"ss": strs("a", "b"), "ns": nums("1", "2.5"), "bs": bins("p", "q"), "blank": str(""), "utf": str("zß水🙂"),
	"it's a.#name": num("7"),
}

var conditionCases = []struct {
	text   string
	names  map[string]string
	values attrs
	want   difference[string]
}{
	{"attribute_exists(s)", nil, nil, same("")},
	{"attribute_exists(absent)", nil, nil, same(failed)},
	{"attribute_not_exists(absent)", nil, nil, same("")},
	{"attribute_not_exists(m.k)", nil, nil, same(failed)},
	{"attribute_exists(l[2].deep)", nil, nil, same("")},
	{"attribute_exists(l[3])", nil, nil, same(failed)},
	{"attribute_exists(#n)", map[string]string{"#n": "it's a.#name"}, nil, same("")},
	{"#n = :v", map[string]string{"#n": "it's a.#name"}, attrs{":v": num("7.00")}, same("")},
	{"n = :v", nil, attrs{":v": num("1e1")}, same("")},
	{"n = :v", nil, attrs{":v": str("10")}, same(failed)},
	{"n <> :v", nil, attrs{":v": str("10")}, same("")},
	{"absent <> :v", nil, attrs{":v": str("10")}, same("")},
	{"absent = :v", nil, attrs{":v": str("10")}, same(failed)},
	{"NOT absent = :v", nil, attrs{":v": str("10")}, same("")},
	{"absent < :v", nil, attrs{":v": num("10")}, same(failed)},
	{"n < :v", nil, attrs{":v": str("99")}, same(failed)},
	{"n < :v", nil, attrs{":v": num("9")}, same(failed)},
	{"n <= :v AND n >= :v", nil, attrs{":v": num("10")}, same("")},
	{"big < :v", nil, attrs{":v": num("12345678901234567890123456789012345679")}, same("")},
	{"big > :v", nil, attrs{":v": num("12345678901234567890123456789012345677")}, same("")},
	{"b > :v", nil, attrs{":v": bin("\x01\x02\x7f")}, same("")},
	{"s > :v", nil, attrs{":v": str("hell")}, same("")},
	{"utf > :v", nil, attrs{":v": str("zz")}, same("")},
	{"blank < s", nil, nil, same("")},
	{"t = :v", nil, attrs{":v": boolean(true)}, same("")},
	{"t = :v", nil, attrs{":v": boolean(false)}, same(failed)},
	{"z = :v", nil, attrs{":v": null()}, same("")},
	{"ns = :v", nil, attrs{":v": nums("2.50", "1")}, same("")},
	{"ss = :v", nil, attrs{":v": strs("b", "a")}, same("")},
	{"m.e = :v", nil, attrs{":v": obj(attrs{})}, same("")},
	{"l[1] = :v", nil, attrs{":v": num("1")}, same("")},
	{"l = :v", nil, attrs{":v": list(str("x"), num("1"), obj(attrs{"deep": str("y")}))}, same("")},
	{"n BETWEEN :a AND :b", nil, attrs{":a": num("9.99"), ":b": num("10")}, same("")},
	{"n BETWEEN :a AND :b", nil, attrs{":a": num("11"), ":b": num("12")}, same(failed)},
	{"NOT n BETWEEN :a AND :b OR s = :s AND n = :a", nil, attrs{":a": num("11"), ":b": num("12"), ":s": str("")}, same("")},
	{"s IN (:a, :b)", nil, attrs{":a": str("x"), ":b": str("hello")}, same("")},
	{"s IN (:a)", nil, attrs{":a": num("1")}, same(failed)},
	{"begins_with(s, :v)", nil, attrs{":v": str("he")}, same("")},
	{"begins_with(b, :v)", nil, attrs{":v": bin("\x01")}, same("")},
	{"begins_with(n, :v)", nil, attrs{":v": str("1")}, same(failed)},
	{"contains(s, :v)", nil, attrs{":v": str("ell")}, same("")},
	{"contains(ss, :v)", nil, attrs{":v": str("b")}, same("")},
	{"contains(ns, :v)", nil, attrs{":v": num("2.50")}, same("")},
	{"contains(l, :v)", nil, attrs{":v": num("1")}, same("")},
	{"contains(ss, :v)", nil, attrs{":v": num("1")}, same(failed)},
	{"size(s) = :v", nil, attrs{":v": num("5")}, same("")},
	{"size(utf) = :v", nil, attrs{":v": num("5")}, same("")},
	{"size(b) = :v AND size(l) = :v AND size(m) < :v AND size(ss) < :v", nil, attrs{":v": num("3")}, same("")},
	{"size(n) > :v", nil, attrs{":v": num("0")}, same(failed)},
	{"attribute_type(n, :v)", nil, attrs{":v": str("N")}, same("")},
	{"attribute_type(z, :v)", nil, attrs{":v": str("NULL")}, same("")},
	{"attribute_type(n, :v)", nil, attrs{":v": str("S")}, same(failed)},
	{"(s = :v OR n = :v) and not attribute_exists(absent)", nil, attrs{":v": str("hello")}, same("")},
	{"n = :v OR attribute_exists(s) AND attribute_exists(absent)", nil, attrs{":v": num("10")}, same("")},

	{"(s) = (:v) AND ((n) IN (:n, (n)) OR size((s)) = :n)", nil, attrs{":v": str("hello"), ":n": num("5")}, same(invalid + "The first operand must be distinct from the remaining operands for this operator or function; operator: IN, first operand: [n]")},
	{"(s) = (:v) AND (n IN (:n, (s)) OR (size((s))) = :n)", nil, attrs{":v": str("hello"), ":n": num("5")}, same("")},
	{"((s = :v) AND (n = :v)) OR ((s = :v) OR n = :v)", nil, attrs{":v": str("hello")}, same("")},

	{"", nil, nil, same(invalid + "The expression can not be empty;")},
	{"((s = :v))", nil, attrs{":v": str("x")}, same(invalid + "The expression has redundant parentheses;")},
	{"n = :v AND NOT ((s = :v OR s = :v))", nil, attrs{":v": str("x")}, same(invalid + "The expression has redundant parentheses;")},
	{"((s)) = :v", nil, attrs{":v": str("x")}, same(invalid + "The expression has redundant parentheses;")},
	{"s BETWEEN :v AND s", nil, attrs{":v": str("x")}, same(invalid + "The first operand must be distinct from the remaining operands for this operator or function; operator: BETWEEN, first operand: [s]")},
	{"begins_with(s, s)", nil, nil, same(invalid + "The first operand must be distinct from the remaining operands for this operator or function; operator: begins_with, first operand: [s]")},
	{"s = ", nil, nil, same(invalid + `Syntax error; token: "<EOF>", near: "= "`)},
	{"s = = :v", nil, attrs{":v": str("x")}, same(invalid + `Syntax error; token: "=", near: "= = :v"`)},
	{"s ! :v", nil, attrs{":v": str("x")}, same(invalid + `Syntax error; token: "!", near: "s ! :v"`)},
	{"(s = :v", nil, attrs{":v": str("x")}, same(invalid + `Syntax error; token: "<EOF>", near: ":v"`)},
	{"s = :v)", nil, attrs{":v": str("x")}, same(invalid + `Syntax error; token: ")", near: ":v)"`)},
	{"s = :v AND", nil, attrs{":v": str("x")}, same(invalid + `Syntax error; token: "<EOF>", near: "AND"`)},
	{"name = :v", nil, attrs{":v": str("x")}, same(invalid + "Attribute name is a reserved keyword; reserved keyword: name")},
	{"m.value = :v", nil, attrs{":v": str("x")}, same(invalid + "Attribute name is a reserved keyword; reserved keyword: value")},
	{"s = :w", nil, attrs{":v": str("x")}, same(invalid + "An expression attribute value used in expression is not defined; attribute value: :w")},
	{"#s = :v", nil, attrs{":v": str("x")}, same(invalid + "An expression attribute name used in the document path is not defined; attribute name: #s")},
	{"s = :v", nil, attrs{":v": str("x"), ":w": str("x")}, same("ValidationException: Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}")},
	{"s = s", nil, nil, same(invalid + "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [s]")},
	{"n < :v", nil, attrs{":v": boolean(true)}, same(invalid + "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL")},
	{"begins_with(s, :v)", nil, attrs{":v": num("1")}, same(invalid + "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N")},
	{"attribute_exists(:v)", nil, attrs{":v": num("1")}, same(invalid + "Operator or function requires a document path; operator or function: attribute_exists")},
	{"attribute_exists(s, n)", nil, nil, same(invalid + "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2")},
	{"attribute_type(s, :v)", nil, attrs{":v": str("X")}, difference[string]{
		invalid + "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
		invalid + "Invalid attribute type name found; type: X, valid types: {N,BS,L,B,NULL,M,S,SS,NS,BOOL}",
		unknown, "the order is that of a Java set",
	}},
	{"nonsense(s)", nil, nil, same(invalid + "Invalid function name; function: nonsense")},
	{"size(s)", nil, nil, same(invalid + "The function is not allowed to be used this way in an expression; function: size")},
	{"attribute_exists(s) = :v", nil, attrs{":v": num("1")}, same(invalid + "The function is not allowed to be used this way in an expression; function: attribute_exists")},
	{"n BETWEEN :a AND :b", nil, attrs{":a": num("12"), ":b": num("11")}, same(invalid + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:12}, upper bound operand: AttributeValue: {N:11}")},
	{"n BETWEEN :a AND :b", nil, attrs{":a": num("12"), ":b": str("x")}, same(invalid + "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:12}, upper bound operand: AttributeValue: {S:x}")},
}

func TestConditions(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		db.put(t, table, conditionItem)
		for _, c := range conditionCases {
			_, err := db.PutItem(t.Context(), &sdk.PutItemInput{
				TableName: &table, Item: conditionItem, ConditionExpression: &c.text,
				ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
			})
			if want := c.want.of(t, db); want != failure(err) {
				t.Errorf("%s\nwant %q\ngot  %q", c.text, want, failure(err))
			}
		}
	})
}

func TestUnusedNames(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		item := attrs{"pk": str("a")}
		_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: item, ExpressionAttributeNames: map[string]string{"#a": "b"}})
		require.Equal(t, "ValidationException: ExpressionAttributeNames can only be specified when using expressions", failure(err))
		_, err = db.PutItem(t.Context(), &sdk.PutItemInput{
			TableName: &table, Item: item, ConditionExpression: new("attribute_not_exists(pk)"), ExpressionAttributeNames: map[string]string{"#a": "b"},
		})
		require.Equal(t, "ValidationException: Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}", failure(err))
	})
}
