package legacy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTranslates(t *testing.T) {
	for name, test := range map[string]struct{ operation, request, want string }{
		"nothing older": {"PutItem", `{"Item":{"Expected":{"S":"a"}}}`, `{"Item":{"Expected":{"S":"a"}}}`},
		"another operation's": {
			"GetItem", `{"Key":{},"Expected":{"a":{"Exists":false}}}`, `{"Key":{},"Expected":{"a":{"Exists":false}}}`,
		},
		"null is none": {"PutItem", `{"Expected":null}`, `{"Expected":null}`},
		"expected not to exist": {
			"PutItem", `{"Item":{},"Expected":{"a.b":{"Exists":false}}}`,
			`{"Item":{},"ConditionExpression":"attribute_not_exists(#n0)","ExpressionAttributeNames":{"#n0":"a.b"}}`,
		},
		"expected to be a value": {
			"DeleteItem", `{"Key":{},"Expected":{"a":{"Value":{"N":"1.0"}}}}`,
			`{"Key":{},"ConditionExpression":"#n0 = :v0","ExpressionAttributeNames":{"#n0":"a"},"ExpressionAttributeValues":{":v0":{"N":"1.0"}}}`,
		},
		"one or the other": {
			"PutItem", `{"Expected":{"b":{"ComparisonOperator":"NULL"},"a":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"1"},{"N":"2"}]}},"ConditionalOperator":"OR"}`,
			`{"ConditionExpression":"#n0 BETWEEN :v0 AND :v1 OR attribute_not_exists(#n1)","ExpressionAttributeNames":{"#n0":"a","#n1":"b"},` +
				`"ExpressionAttributeValues":{":v0":{"N":"1"},":v1":{"N":"2"}}}`,
		},
		"updates of every kind": {
			"UpdateItem", `{"Key":{},"AttributeUpdates":{"a":{"Value":{"S":"x"}},"b":{"Action":"ADD","Value":{"N":"1"}},"c":{"Action":"DELETE"},"d":{"Action":"DELETE","Value":{"SS":["x"]}}}}`,
			`{"Key":{},"UpdateExpression":"ADD #n1 :v1 DELETE #n3 :v2 REMOVE #n2 SET #n0 = :v0","ExpressionAttributeNames":{"#n0":"a","#n1":"b","#n2":"c","#n3":"d"},` +
				`"ExpressionAttributeValues":{":v0":{"S":"x"},":v1":{"N":"1"},":v2":{"SS":["x"]}}}`,
		},
		"no update": {"UpdateItem", `{"Key":{},"AttributeUpdates":{}}`, `{"Key":{}}`},
		"update on a condition about the same attribute": {
			"UpdateItem", `{"AttributeUpdates":{"a":{"Value":{"S":"y"}}},"Expected":{"a":{"Value":{"S":"x"}}}}`,
			`{"UpdateExpression":"SET #n0 = :v0","ConditionExpression":"#n0 = :v1","ExpressionAttributeNames":{"#n0":"a"},` +
				`"ExpressionAttributeValues":{":v0":{"S":"y"},":v1":{"S":"x"}}}`,
		},
		"key conditions, a filter and a projection": {
			"Query", `{"KeyConditions":{"p":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"k"}]},"s":{"ComparisonOperator":"BEGINS_WITH","AttributeValueList":[{"S":"x"}]}},` +
				`"QueryFilter":{"f":{"ComparisonOperator":"IN","AttributeValueList":[{"S":"1"},{"S":"2"}]}},"AttributesToGet":["p","size"]}`,
			`{"KeyConditionExpression":"#n0 = :v0 AND begins_with(#n1, :v1)","FilterExpression":"#n2 IN (:v2, :v3)","ProjectionExpression":"#n0, #n3",` +
				`"ExpressionAttributeNames":{"#n0":"p","#n1":"s","#n2":"f","#n3":"size"},` +
				`"ExpressionAttributeValues":{":v0":{"S":"k"},":v1":{"S":"x"},":v2":{"S":"1"},":v3":{"S":"2"}}}`,
		},
		"a scan's filter": {
			"Scan", `{"ScanFilter":{"f":{"ComparisonOperator":"NOT_CONTAINS","AttributeValueList":[{"S":"1"}]}}}`,
			`{"FilterExpression":"(attribute_exists(#n0) AND NOT contains(#n0, :v0))","ExpressionAttributeNames":{"#n0":"f"},"ExpressionAttributeValues":{":v0":{"S":"1"}}}`,
		},
		"a batch, table by table": {
			"BatchGetItem", `{"RequestItems":{"a":{"Keys":[{"k":{"S":"1"}}],"AttributesToGet":["x"]},"b":{"Keys":[]}}}`,
			`{"RequestItems":{"a":{"Keys":[{"k":{"S":"1"}}],"ProjectionExpression":"#n0","ExpressionAttributeNames":{"#n0":"x"}},"b":{"Keys":[]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Request(test.operation, []byte(test.request))
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(got))
		})
	}
}

func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct{ operation, request, want string }{
		"both kinds": {
			"PutItem", `{"Expected":{"a":{"Exists":false}},"ConditionExpression":"attribute_exists(a)"}`,
			"Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
		},
		"an operator of nothing": {"PutItem", `{"ConditionalOperator":"OR"}`, "ConditionalOperator cannot be used without Filter or Expected"},
		"an operator of one": {
			"PutItem", `{"ConditionalOperator":"OR","Expected":{"a":{"Exists":false}}}`,
			"ConditionalOperator can only be used when Filter or Expected has two or more elements",
		},
		"an unknown operator": {
			"Scan", `{"ScanFilter":{"a":{"ComparisonOperator":"LIKE","AttributeValueList":[{"S":"x"}]}}}`,
			"1 validation error detected: Value 'LIKE' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
		},
		"too many values": {
			"Scan", `{"ScanFilter":{"a":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"x"},{"S":"y"}]}}}`,
			"One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
		},
		"existing without a value": {
			"PutItem", `{"Expected":{"a":{"Exists":true}}}`,
			"One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: a",
		},
		"a value of what must not exist": {
			"PutItem", `{"Expected":{"a":{"Exists":false,"Value":{"S":"x"}}}}`,
			"One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: a",
		},
		"an update without a value": {
			"UpdateItem", `{"AttributeUpdates":{"a":{"Action":"PUT"}}}`,
			"One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified",
		},
		"an attribute twice": {
			"GetItem", `{"AttributesToGet":["a","a"]}`, "One or more parameter values were invalid: Duplicate value in attribute name: a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Request(test.operation, []byte(test.request))
			require.EqualError(t, err, test.want)
		})
	}
}
