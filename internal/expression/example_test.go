package expression_test

import (
	"fmt"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// The condition of every write to the new table: the key is absent, or its stored version is lower.
func ExampleScope_Condition() {
	scope := expression.NewScope(map[string]string{"#k": "id", "#v": "crossfade_version"}, map[string]expression.Value{
		":v": {Kind: expression.String, Text: "000001.1"},
	})
	condition, err := scope.Condition("ConditionExpression", "attribute_not_exists(#k) OR #v < :v")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range []string{
		`{}`, `{"id":{"N":"7"},"crossfade_version":{"S":"000001.0"}}`, `{"id":{"N":"7"},"crossfade_version":{"S":"000001.1"}}`, `{"id":{"N":"7"}}`,
	} {
		fmt.Println(condition.Holds(expression.MustParseItem([]byte(item))), item)
	}
	// Output:
	// true {}
	// true {"id":{"N":"7"},"crossfade_version":{"S":"000001.0"}}
	// false {"id":{"N":"7"},"crossfade_version":{"S":"000001.1"}}
	// false {"id":{"N":"7"}}
}

// Errors are worded as DynamoDB's are.
func ExampleError() {
	_, err := expression.NewScope(nil, nil).Condition("ConditionExpression", "status = :s")
	fmt.Println(err)
	// Output: Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status
}
