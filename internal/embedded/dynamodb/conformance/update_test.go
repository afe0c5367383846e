package conformance

import (
	"strconv"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

const invalidUpdate = "ValidationException: Invalid UpdateExpression: "

func updateItem() attrs {
	return attrs{
		"pk": str("a"), "n": num("10"), "s": str("x"), "l": list(str("0"), str("1"), str("2")),
		"m": obj(attrs{"k": str("v"), "l": list(num("1"))}), "ss": strs("a", "b"), "ns": nums("1", "2"),
		"nested": list(list(str("a"), str("b")), list(str("c"), str("d")), obj(attrs{"l": list(str("e"), str("f"), str("g"))})),
	}
}

var updateCases = []struct {
	text   string
	values attrs
	change func(item attrs) // what the update makes of the item
	want   difference[string]
}{
	{"SET s = :v", attrs{":v": num("1")}, func(i attrs) { i["s"] = num("1") }, same("")},
	{"SET s = n, n = s", nil, func(i attrs) { i["s"], i["n"] = i["n"], i["s"] }, same("")},
	{"SET n = n + :v", attrs{":v": num("0.5")}, func(i attrs) { i["n"] = num("10.5") }, same("")},
	{"SET n = :v - n", attrs{":v": num("0.5")}, func(i attrs) { i["n"] = num("-9.5") }, same("")},
	{"SET n = n + :v", attrs{":v": num("12345678901234567890123456789012345678")}, func(i attrs) { i["n"] = num("12345678901234567890123456789012345688") }, same("")},
	{"SET x = if_not_exists(x, :v) + :v", attrs{":v": num("2")}, func(i attrs) { i["x"] = num("4") }, same("")},
	{"SET x = if_not_exists(n, :v)", attrs{":v": num("2")}, func(i attrs) { i["x"] = num("10") }, same("")},
	{"SET l = list_append(l, :v)", attrs{":v": list(str("3"))}, func(i attrs) { i["l"] = list(str("0"), str("1"), str("2"), str("3")) }, same("")},
	{"SET l = list_append(:v, l)", attrs{":v": list()}, func(attrs) {}, same("")},
	{"SET x = list_append(if_not_exists(x, :v), :v)", attrs{":v": list(str("3"))}, func(i attrs) { i["x"] = list(str("3"), str("3")) }, same("")},
	{"SET m.k = :v, m.#new = :v", attrs{":v": num("1")}, func(i attrs) {
		i["m"] = obj(attrs{"k": num("1"), "a.b": num("1"), "l": list(num("1"))})
	}, same("")},
	{"SET l[1] = :v, l[9] = :w, l[7] = :v", attrs{":v": str("v"), ":w": str("w")}, func(i attrs) {
		i["l"] = list(str("0"), str("v"), str("2"), str("v"), str("w"))
	}, same("")},
	{"SET m.l[0] = m.k REMOVE m.k", nil, func(i attrs) { i["m"] = obj(attrs{"l": list(str("v"))}) }, same("")},
	{"REMOVE l[0], l[2], s", nil, func(i attrs) { i["l"] = list(str("1")); delete(i, "s") }, same("")},
	{"REMOVE l[0] SET l[2] = :v", attrs{":v": str("v")}, func(i attrs) { i["l"] = list(str("1"), str("v")) }, same("")},
	{"REMOVE absent, m.absent, l[9]", nil, func(attrs) {}, same("")},
	{"ADD n :v, x :v", attrs{":v": num("-1.5")}, func(i attrs) { i["n"], i["x"] = num("8.5"), num("-1.5") }, same("")},
	{"ADD ss :v", attrs{":v": strs("c", "a")}, func(i attrs) { i["ss"] = strs("a", "b", "c") }, same("")},
	{"ADD ns :v", attrs{":v": nums("1.0", "0")}, func(i attrs) { i["ns"] = nums("0", "1", "2") }, same("")},
	{"DELETE ss :v", attrs{":v": strs("a", "z")}, func(i attrs) { i["ss"] = strs("b") }, same("")},
	{"DELETE ss :v, absent :v", attrs{":v": strs("a", "b")}, func(i attrs) { delete(i, "ss") }, same("")},
	{"set s = :v remove n add x :n delete ss :s", attrs{":v": str("v"), ":n": num("1"), ":s": strs("a")}, func(i attrs) {
		i["s"], i["x"], i["ss"] = str("v"), num("1"), strs("b")
		delete(i, "n")
	}, same("")},

	{"REMOVE nested[0], nested[1][0], nested[2].l[1], nested[2].l[0]", nil, func(i attrs) {
		i["nested"] = list(list(str("d")), obj(attrs{"l": list(str("g"))}))
	}, same("")},
	{"SET n = (n + :v), x = (n) - (:v), y = if_not_exists((y), (:v)), z = (list_append((l), l))", attrs{":v": num("1")}, func(i attrs) {
		i["n"], i["x"], i["y"], i["z"] = num("11"), num("9"), num("1"), list(str("0"), str("1"), str("2"), str("0"), str("1"), str("2"))
	}, same("")},

	{"", nil, nil, same(invalidUpdate + "The expression can not be empty;")},
	{"SET n = ((n + :v))", attrs{":v": num("1")}, nil, same(invalidUpdate + "The expression has redundant parentheses;")},
	{"SET n = (n + :v) + :v", attrs{":v": num("1")}, nil, difference[string]{
		invalidUpdate + `Syntax error; token: "+", near: "n + :v"`, invalidUpdate + `Syntax error; token: "+", near: ") + :v"`,
		withLocal, "there is one plus too many; Local's parser is the service's",
	}},
	{"SET n = n + (n + :v)", attrs{":v": num("1")}, nil, same(invalidUpdate + `Syntax error; token: "+", near: "n + :v"`)},
	{"SET l = if_not_exists(x, list_append(l, l))", nil, nil, same(invalidUpdate + "The function is not allowed to be used this way in an expression; function: list_append")},
	{"SET l = list_append(l, list_append(l, l))", nil, nil, same(invalidUpdate + "The function is not allowed to be used this way in an expression; function: list_append")},
	{"SET pk = :v", attrs{":v": str("b")}, nil, same("ValidationException: One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key")},
	{"SET s = absent", nil, nil, same("ValidationException: The provided expression refers to an attribute that does not exist in the item")},
	{"SET absent.k = :v", attrs{":v": str("b")}, nil, same("ValidationException: The document path provided in the update expression is invalid for update")},
	{"SET s.k = :v", attrs{":v": str("b")}, nil, same("ValidationException: The document path provided in the update expression is invalid for update")},
	{"SET m[0] = :v", attrs{":v": str("b")}, nil, same("ValidationException: The document path provided in the update expression is invalid for update")},
	{"REMOVE absent.k", nil, nil, same("ValidationException: The document path provided in the update expression is invalid for update")},
	{"SET s = s + :v", attrs{":v": num("1")}, nil, same("ValidationException: An operand in the update expression has an incorrect data type")},
	{"SET n = n + :v", attrs{":v": str("1")}, nil, same(invalidUpdate + "Incorrect operand type for operator or function; operator or function: +, operand type: S")},
	{"SET l = list_append(l, :v)", attrs{":v": str("1")}, nil, same(invalidUpdate + "Incorrect operand type for operator or function; operator or function: list_append, operand type: S")},
	{"ADD s :v", attrs{":v": num("1")}, nil, same("ValidationException: An operand in the update expression has an incorrect data type")},
	{"ADD n :v", attrs{":v": str("1")}, nil, same(invalidUpdate + "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND")},
	{"DELETE ss :v", attrs{":v": num("1")}, nil, same(invalidUpdate + "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND")},
	{"DELETE ss :v", attrs{":v": nums("1")}, nil, same("ValidationException: An operand in the update expression has an incorrect data type")},
	{"SET s = :v, s = :v", attrs{":v": str("1")}, nil, same(invalidUpdate + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [s], path two: [s]")},
	{"SET m.k = :v REMOVE m", attrs{":v": str("1")}, nil, same(invalidUpdate + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m]")},
	{"SET m.k = :v, m[0] = :v", attrs{":v": str("1")}, nil, same(invalidUpdate + "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m, [0]]")},
	{"SET s = :v SET n = :v", attrs{":v": str("1")}, nil, same(invalidUpdate + `The "SET" section can only be used once in an update expression;`)},
	{"SET s :v", attrs{":v": str("1")}, nil, same(invalidUpdate + `Syntax error; token: ":v", near: "s :v"`)},
	{"SET n = n + :v", attrs{":v": num("0.1234567890123456789012345678901234567")}, nil, difference[string]{
		"ValidationException: Number overflow. Attempting to store a number with magnitude larger than supported range",
		"ValidationException: DynamoDB only supports precision up to 38 digits", withEmbedded, "the text is that of real answers",
	}},
}

func TestUpdates(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for _, c := range updateCases {
			before := updateItem()
			db.put(t, table, before)
			in := &sdk.UpdateItemInput{
				TableName: &table, Key: attrs{"pk": str("a")}, UpdateExpression: &c.text,
				ExpressionAttributeValues: c.values, ReturnValues: types.ReturnValueAllNew,
			}
			if c.text == "SET m.k = :v, m.#new = :v" {
				in.ExpressionAttributeNames = map[string]string{"#new": "a.b"}
			}
			out, err := db.UpdateItem(t.Context(), in)
			if want := c.want.of(t, db); want != failure(err) {
				t.Errorf("%s\nwant %q\ngot  %q", c.text, want, failure(err))
				continue
			}
			after := updateItem()
			if err == nil {
				c.change(after)
				require.Equal(t, sorted(after), sorted(out.Attributes), c.text)
			}
			require.Equal(t, sorted(after), sorted(db.get(t, table, attrs{"pk": str("a")})), c.text)
		}
	})
}

func TestUpdateReturnValues(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for _, c := range []struct {
			returns types.ReturnValue
			want    difference[attrs]
		}{
			{types.ReturnValueNone, same(attrs(nil))},
			{types.ReturnValueAllOld, same(updateItem())},
			{types.ReturnValueUpdatedOld, difference[attrs]{
				attrs{"n": num("10"), "m": obj(attrs{"k": str("v")}), "s": str("x")},
				attrs{"n": num("10"), "m": updateItem()["m"], "s": str("x")},
				withEmbedded, "only what the paths name is returned, Local returns the whole map",
			}},
			{types.ReturnValueUpdatedNew, difference[attrs]{
				attrs{"n": num("11"), "m": obj(attrs{"k": num("1")})},
				attrs{"n": num("11"), "m": obj(attrs{"k": num("1"), "l": list(num("1"))})},
				withEmbedded, "only what the paths name is returned, Local returns the whole map",
			}},
		} {
			db.put(t, table, updateItem())
			out, err := db.UpdateItem(t.Context(), &sdk.UpdateItemInput{
				TableName: &table, Key: attrs{"pk": str("a")}, UpdateExpression: new("SET n = n + :v, m.k = :v REMOVE s"),
				ExpressionAttributeValues: attrs{":v": num("1")}, ReturnValues: c.returns,
			})
			require.NoError(t, err)
			require.Equal(t, sorted(c.want.of(t, db)), sorted(out.Attributes), c.returns)
		}
	})
}

func TestUpdateCreates(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		key := attrs{"pk": str("a"), "sk": num("1")}
		_, err := db.UpdateItem(t.Context(), &sdk.UpdateItemInput{TableName: &table, Key: key})
		require.NoError(t, err)
		require.Equal(t, key, db.get(t, table, key))
		key["sk"] = num("2")
		_, err = db.UpdateItem(t.Context(), &sdk.UpdateItemInput{
			TableName: &table, Key: key, UpdateExpression: new("SET pair = sk"),
		})
		require.NoError(t, err)
		key["pair"] = num("2")
		require.Equal(t, key, db.get(t, table, attrs{"pk": str("a"), "sk": num("2")}))
	})
}

func TestUpdateThatOnlyTakesAwayCreatesNothing(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for i, c := range []struct {
			update string
			values attrs
		}{
			{"REMOVE a", nil},
			{"DELETE a :v", attrs{":v": strs("x")}},
			{"REMOVE b DELETE a :v", attrs{":v": strs("x")}},
		} {
			key := attrs{"pk": str(strconv.Itoa(i))}
			out, err := db.UpdateItem(t.Context(), &sdk.UpdateItemInput{
				TableName: &table, Key: key, UpdateExpression: &c.update, ExpressionAttributeValues: c.values, ReturnValues: types.ReturnValueAllNew,
			})
			require.NoError(t, err)
			want := difference[attrs]{nil, key, withEmbedded, "the service writes no item, Local writes one of the key"}
			require.Equal(t, want.of(t, db), out.Attributes, c.update)
			require.Equal(t, want.of(t, db), db.get(t, table, key), c.update)
		}
	})
}
