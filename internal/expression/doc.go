// Package expression is DynamoDB's expression language: attribute values, and the condition, filter, key
// condition, projection and update expressions over them.
//
// # Values
//
// A Value is one of the ten types. Numbers are kept as their decimal text and are compared and added exactly,
// with up to 38 significant digits; no number ever passes through a binary float. ParseItem reads the JSON
// form of the wire and refuses what DynamoDB refuses: empty sets, duplicates in sets, numbers out of range,
// more than 32 levels of nesting, a value with no type or with two.
//
// # Expressions
//
// An expression is parsed once with the names and values that it may refer to, and can then be evaluated
// against any number of items, from several goroutines:
//
//	scope := expression.NewScope(names, values)
//	condition, err := scope.Condition("ConditionExpression", "attribute_not_exists(#k) OR #v < :v")
//	…
//	if err := scope.Unused(); err != nil { … } // a name or value that no expression used
//	ok := condition.Holds(item)
//
// Condition expressions know attribute_exists, attribute_not_exists, attribute_type, begins_with, contains,
// size, the six comparisons, BETWEEN, IN, AND, OR, NOT and parentheses. Update expressions know SET with +, -,
// if_not_exists and list_append, REMOVE, ADD and DELETE. Paths are a.b[0].c, each name plain or a placeholder.
//
// # Semantics worth knowing
//
//   - A comparison of values of different types is false, and so is one with a missing attribute; only <> is true then.
//   - Strings are ordered by their UTF-8 bytes, binaries by unsigned bytes.
//   - 1, 1.0 and 1e0 are equal, in sets too. Sets are equal whatever their order.
//   - All parts of an update see the item as it was before the update.
//   - A name that is not a placeholder must not be one of DynamoDB's reserved words.
//
// Every error is of type *Error, and its text is the message of DynamoDB's ValidationException.
package expression
