package conformance

import (
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// sorted is item with its sets in order, since sets have none.
func sorted(item attrs) attrs {
	out := attrs{}
	for name, v := range item {
		switch v := v.(type) {
		case *types.AttributeValueMemberSS:
			out[name] = strs(slices.Sorted(slices.Values(v.Value))...)
		case *types.AttributeValueMemberNS:
			out[name] = nums(slices.Sorted(slices.Values(v.Value))...)
		case *types.AttributeValueMemberBS:
			var set []string
			for _, b := range v.Value {
				set = append(set, string(b))
			}
			out[name] = bins(slices.Sorted(slices.Values(set))...)
		case *types.AttributeValueMemberM:
			out[name] = obj(sorted(v.Value))
		default:
			out[name] = v
		}
	}
	if item == nil {
		return nil
	}
	return out
}

func TestValuesComeBack(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		item := attrs{
			"pk": str("a"), "S": str("text \"quoted\" \\ \u2028 \x00 <&> 🙂"), "empty": str(""),
			"N": num("99999999999999999999999999999999999999"), "neg": num("-0.00000000000000000000000000000000000001234"),
			"B": bin("\x00\xff"), "no bytes": bin(""), "BOOL": boolean(false), "NULL": null(),
			"M": obj(attrs{"y": str("name"), "x": obj(attrs{})}), "L": list(list(), str(""), num("1.50")),
			"SS": strs("", "a"), "NS": nums("-1", "1"), "BS": bins("\x00", "\x01"),
			"it's": num("1"), "a.b[0]": num("2"), "#hash": num("3"), ":colon": num("4"), "🙂": num("5"), "select": num("6"), `"`: num("7"),
		}
		db.put(t, table, item)
		require.Equal(t, sorted(item), sorted(db.get(t, table, attrs{"pk": str("a")})))
		out, err := db.Scan(t.Context(), &sdk.ScanInput{TableName: &table})
		require.NoError(t, err)
		require.Equal(t, sorted(item), sorted(out.Items[0]))
	})
}

func TestNumbers(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for _, c := range []struct{ in, want string }{
			{"1.5000", "1.5"},
			{"+7", "7"},
			{"007", "7"},
			{"-0", "0"},
			{"0.000", "0"},
			{"1e3", "1000"},
			{"1E-3", "0.001"},
			{".5", "0.5"},
			{"5.", "5"},
			{"1e125", "1" + strings.Repeat("0", 125)},
			{"1e-130", "0." + strings.Repeat("0", 129) + "1"},
			{"12345678901234567890123456789012345678", "12345678901234567890123456789012345678"},
			{"1234567890123456789012345678901234567800", "1234567890123456789012345678901234567800"},
		} {
			db.put(t, table, attrs{"pk": str("a"), "n": num(c.in), "ns": nums(c.in)})
			require.Equal(t, attrs{"pk": str("a"), "n": num(c.want), "ns": nums(c.want)}, db.get(t, table, attrs{"pk": str("a")}), c.in)
		}
		db.put(t, table, attrs{"pk": str("a"), "l": list(num("1.5000"))})
		require.Equal(t, list(num("1.5000")), db.get(t, table, attrs{"pk": str("a")})["l"])
	})
}

func deep(levels int) types.AttributeValue {
	v := str("leaf")
	for range levels {
		v = obj(attrs{"x": v})
	}
	return v
}

const wrong = "ValidationException: One or more parameter values were invalid: "

var valueCases = []struct {
	name  string
	value types.AttributeValue
	want  difference[string]
}{
	{"39 digits", num("123456789012345678901234567890123456789"), difference[string]{
		"ValidationException: Attempting to store more than 38 significant digits in a Number",
		"ValidationException: DynamoDB only supports precision up to 38 digits", withEmbedded, "the text is that of real answers",
	}},
	{"39 digits in a list", list(num("123456789012345678901234567890123456789")), difference[string]{
		"ValidationException: Attempting to store more than 38 significant digits in a Number",
		"ValidationException: DynamoDB only supports precision up to 38 digits", withEmbedded, "the text is that of real answers",
	}},
	{"overflow", num("1e126"), same("ValidationException: Number overflow. Attempting to store a number with magnitude larger than supported range")},
	{"underflow", num("1e-131"), same("ValidationException: Number underflow. Attempting to store a number with magnitude smaller than supported range")},
	{"no number", num("abc"), difference[string]{
		"ValidationException: The parameter cannot be converted to a numeric value: abc",
		"ValidationException: A value provided cannot be converted into a number", withEmbedded, "the text is that of real answers",
	}},
	{"empty number", num(""), difference[string]{
		"ValidationException: The parameter cannot be converted to a numeric value",
		"ValidationException: A value provided cannot be converted into a number", withEmbedded, "the text is that of real answers",
	}},
	{"spaces", num(" 1"), difference[string]{
		"ValidationException: The parameter cannot be converted to a numeric value:  1",
		"ValidationException: A value provided cannot be converted into a number", withEmbedded, "the text is that of real answers",
	}},
	{"NaN", num("NaN"), difference[string]{
		"ValidationException: The parameter cannot be converted to a numeric value: NaN",
		"ValidationException: A value provided cannot be converted into a number", withEmbedded, "the text is that of real answers",
	}},
	{"empty string set", strs(), same(wrong + "An string set  may not be empty")},
	{"empty number set", nums(), same(wrong + "An number set  may not be empty")},
	{"empty binary set", bins(), same(wrong + "Binary sets should not be empty")},
	{"duplicate strings", strs("a", "b", "a"), difference[string]{
		wrong + "Input collection [a, b, a] contains duplicates.",
		wrong + "Input collection [a, b, a] contains duplicates", withEmbedded, "the text is that of real answers",
	}},
	{"duplicate numbers", nums("1", "1.0"), same("ValidationException: Input collection contains duplicates")},
	{"null false", &types.AttributeValueMemberNULL{}, same(wrong + "Null attribute value types must have the value of true")},
	{"empty name", obj(attrs{"": null()}), same("ValidationException: Empty attribute name")},
	{"31 levels", deep(31), same("")},
	{"32 levels", deep(32), same("ValidationException: Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")},
}

func TestValuesRefused(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for _, c := range valueCases {
			_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: attrs{"pk": str("a"), "v": c.value}})
			if want := c.want.of(t, db); want != failure(err) {
				t.Errorf("%s\nwant %q\ngot  %q", c.name, want, failure(err))
			}
		}
	})
}

func TestItemSize(t *testing.T) {
	on(t, func(t *testing.T, db target) {
		table := db.table(t, "", "")
		for _, c := range []struct {
			name string
			item func(pad string) attrs
			used int // bytes of the item without the padding
		}{
			{"string", func(p string) attrs { return attrs{"pk": str("a"), "v": str(p)} }, 4},
			{"binary", func(p string) attrs { return attrs{"pk": str("a"), "v": bin(p)} }, 4},
			{"long name", func(p string) attrs { return attrs{"pk": str("a"), strings.Repeat("n", 1000): null(), "v": str(p)} }, 1005},
			{"number", func(p string) attrs { return attrs{"pk": str("a"), "n": num("12345"), "v": str(p)} }, 4 + 1 + 4},
			{"negative number", func(p string) attrs { return attrs{"pk": str("a"), "n": num("-12345"), "v": str(p)} }, 4 + 1 + 5},
			{"list", func(p string) attrs { return attrs{"pk": str("a"), "l": list(null(), null()), "v": str(p)} }, 4 + 1 + 3 + 2 + 2},
			{"map", func(p string) attrs { return attrs{"pk": str("a"), "m": obj(attrs{"k": null()}), "v": str(p)} }, 4 + 1 + 3 + 1 + 1 + 1},
			{"set", func(p string) attrs { return attrs{"pk": str("a"), "s": strs("ab", "c"), "v": str(p)} }, 4 + 1 + 3},
		} {
			pad := strings.Repeat("x", 400*1024-c.used)
			_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: c.item(pad)})
			require.Empty(t, failure(err), c.name)
			_, err = db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: c.item(pad + "x")})
			require.Equal(t, "ValidationException: Item size has exceeded the maximum allowed size", failure(err), c.name)
		}
		_, err := db.UpdateItem(t.Context(), &sdk.UpdateItemInput{
			TableName: &table, Key: attrs{"pk": str("a")}, UpdateExpression: new("SET w = :w"), ExpressionAttributeValues: attrs{":w": str("x")},
		})
		require.Equal(t, "ValidationException: Item size to update has exceeded the maximum allowed size", failure(err))
	})
}

func TestKeys(t *testing.T) {
	const noMatch = "ValidationException: The provided key element does not match the schema"
	on(t, func(t *testing.T, db target) {
		table := db.table(t, types.ScalarAttributeTypeN, "")
		for _, c := range []struct {
			name string
			item attrs
			want difference[string]
		}{
			{"missing", attrs{"pk": str("a")}, difference[string]{
				wrong + "Missing the key sk in the item",
				"ValidationException: One of the required keys was not given a value", withEmbedded, "the text is that of real answers",
			}},
			{"type", attrs{"pk": num("1"), "sk": num("1")}, difference[string]{
				wrong + "Type mismatch for key pk expected: S actual: N",
				wrong + "Type mismatch for key", withEmbedded, "the text is that of real answers",
			}},
			{"empty", attrs{"pk": str(""), "sk": num("1")}, same("ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")},
			{"2048", attrs{"pk": str(strings.Repeat("x", 2048)), "sk": num("1")}, same("")},
			{"2049", attrs{"pk": str(strings.Repeat("x", 2049)), "sk": num("1")}, difference[string]{
				wrong + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
				"ValidationException: Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes", withEmbedded, "the text is that of real answers",
			}},
		} {
			_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: c.item})
			require.Equal(t, c.want.of(t, db), failure(err), c.name)
		}
		for _, c := range []struct {
			name string
			key  attrs
			want difference[string]
		}{
			{"missing", attrs{"pk": str("a")}, difference[string]{
				noMatch, "ValidationException: The number of conditions on the keys is invalid", withEmbedded, "the text is that of real answers",
			}},
			{"type", attrs{"pk": str("a"), "sk": str("1")}, difference[string]{
				noMatch, wrong + "Type mismatch for key", withEmbedded, "the text is that of real answers",
			}},
			{"more", attrs{"pk": str("a"), "sk": num("1"), "x": num("1")}, difference[string]{
				noMatch, "ValidationException: The number of conditions on the keys is invalid", withEmbedded, "the text is that of real answers",
			}},
			{"empty", attrs{"pk": str(""), "sk": num("1")}, same("ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")},
		} {
			_, err := db.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, Key: c.key})
			require.Equal(t, c.want.of(t, db), failure(err), c.name)
			_, err = db.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: &table, Key: c.key})
			require.Equal(t, c.want.of(t, db), failure(err), c.name)
		}
		other := db.table(t, types.ScalarAttributeTypeS, "")
		_, err := db.PutItem(t.Context(), &sdk.PutItemInput{TableName: &other, Item: attrs{"pk": str("a"), "sk": str(strings.Repeat("x", 1025))}})
		require.Equal(t, difference[string]{
			wrong + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
			"ValidationException: Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes", withEmbedded, "the text is that of real answers",
		}.of(t, db), failure(err))
		_, err = db.GetItem(t.Context(), &sdk.GetItemInput{TableName: new("not-there"), Key: attrs{"pk": str("a")}})
		require.Contains(t, failure(err), "ResourceNotFoundException: ")
	})
}
