package dynamodb

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// constrained requests have constraints of the service's model: of a member's length, of its pattern, of the values it may
// have. They come before everything else; all that are violated are told at once, unless the table has no name.
type constrained interface {
	constrain(v *violations)
}

// violations are what a request violates.
type violations struct {
	body []byte
	list []string
}

func (v *violations) err() error {
	switch len(v.list) {
	case 0:
		return nil
	case 1:
		return validation("1 validation error detected: %s", v.list[0])
	}
	return validation("%d validation errors detected: %s", len(v.list), strings.Join(v.list, "; "))
}

func (v *violations) add(format string, args ...any) {
	v.list = append(v.list, fmt.Sprintf(format, args...))
}

// given reports whether the request has a member that is not null. Only a request that is wrong is asked.
func (v *violations) given(member string) bool {
	var members map[string]jsontext.Value
	if json.Unmarshal(v.body, &members, jsontext.AllowInvalidUTF8(true)) != nil {
		return true // whoever decodes the request says what is wrong with it
	}
	value, ok := members[member]
	return ok && string(value) != "null"
}

// maxName is how long the name of a table may be; an ARN may be longer.
const maxName = 255

// name checks TableName, and reports whether there is more to check.
func (v *violations) name(name string, least int) bool {
	const of = "'%s' at 'tableName' failed to satisfy constraint: Member must "
	switch {
	case name == "" && !v.given("TableName"):
		v.add("Value null at 'tableName' failed to satisfy constraint: Member must not be null")
	case strings.HasPrefix(name, "arn:"):
	case len(name) < least:
		v.add("Value "+of+"have length greater than or equal to %d", name, least)
	case len(name) > maxName:
		v.add("Value "+of+"have length less than or equal to %d", name, maxName)
	case strings.Trim(name, nameCharacters) != "":
		v.add("Value "+of+"satisfy regular expression pattern: [a-zA-Z0-9_.-]+", name)
	}
	return v.list == nil
}

// enum checks a member that has one of a few values, or none.
func (v *violations) enum(member, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", value, member, strings.Join(allowed, ", "))
	}
}

func (v *violations) capacity(value string) {
	v.enum("returnConsumedCapacity", value, "INDEXES", "TOTAL", "NONE")
}

// length checks how many elements a list has; text is how the service writes it.
func (v *violations) length(member string, n, most int, text func() string) {
	switch {
	case n == 0 && v.given(strings.ToUpper(member[:1])+member[1:]):
		v.add("Value '[]' at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1", member)
	case n == 0:
		v.add("Value null at '%s' failed to satisfy constraint: Member must not be null", member)
	case n > most:
		v.add("Value '[%s]' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", text(), member, most)
	}
}

func (r *returns) constrain(v *violations) {
	v.capacity(r.ReturnConsumedCapacity)
	v.enum("returnItemCollectionMetrics", r.ReturnItemCollectionMetrics, "SIZE", "NONE")
	v.enum("returnValues", r.ReturnValues, "ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
}

func (r *conditional) constrain(v *violations) {
	v.enum("returnValuesOnConditionCheckFailure", r.ReturnValuesOnConditionCheckFailure, "ALL_OLD", "NONE")
}

func (r *putItem) constrain(v *violations)    { v.named(r.TableName, &r.returns, &r.conditional) }
func (r *deleteItem) constrain(v *violations) { v.named(r.TableName, &r.returns, &r.conditional) }
func (r *updateItem) constrain(v *violations) { v.named(r.TableName, &r.returns, &r.conditional) }

// named checks the name, and then the rest.
func (v *violations) named(name string, rest ...constrained) {
	if v.name(name, 1) {
		for _, r := range rest {
			r.constrain(v)
		}
	}
}

func (r *getItem) constrain(v *violations) {
	if v.name(r.TableName, 1) {
		v.capacity(r.ReturnConsumedCapacity)
	}
}

func (r *paged) constrain(v *violations) {
	if !v.name(r.TableName, 1) {
		return
	}
	v.enum("select", r.Select, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
	v.capacity(r.ReturnConsumedCapacity)
}

// The service tells of the same limit in two ways.

func (r *query) constrain(v *violations) {
	r.paged.constrain(v)
	if r.Limit != nil && *r.Limit < 1 {
		v.add("Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
}

func (r *scan) constrain(v *violations) {
	r.paged.constrain(v)
	if r.Limit != nil && *r.Limit < 1 {
		v.add("Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *r.Limit)
	}
}

func (r *updateTTL) constrain(v *violations) {
	if v.name(r.TableName, 1) && r.TimeToLiveSpecification.AttributeName == "" {
		v.add("Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
}

func (r *tableRequest) constrain(v *violations) { v.name(r.TableName, 1) }

func (r *updateTable) constrain(v *violations) {
	if !v.name(r.TableName, 1) {
		return
	}
	r.ProvisionedThroughput.constrain(v, "provisionedThroughput")
	v.keyNames(r.AttributeDefinitions, "", nil)
	for i, u := range r.GlobalSecondaryIndexUpdates {
		if u.Create != nil {
			u.Create.constrain(v, fmt.Sprintf("globalSecondaryIndexUpdates.%d.member.create", i+1))
		}
	}
}

// maxKeyName is how long the name of a key attribute may be, and of one that an index is told to include.
const maxKeyName = 255

// attributeName checks the name of an attribute where it must be short.
func (v *violations) attributeName(member, name string) {
	switch {
	case name == "":
		v.add("Value null at '%s' failed to satisfy constraint: Member must not be null", member)
	case len(name) > maxKeyName:
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", name, member, maxKeyName)
	}
}

// keyNames checks the names in the definitions of attributes and in a key.
func (v *violations) keyNames(definitions []attributeDefinition, member string, key []keyElement) {
	for i, d := range definitions {
		v.attributeName(fmt.Sprintf("attributeDefinitions.%d.member.attributeName", i+1), d.AttributeName)
		if d.AttributeType == "" {
			v.add("Value null at 'attributeDefinitions.%d.member.attributeType' failed to satisfy constraint: Member must not be null", i+1)
		}
	}
	for i, e := range key {
		v.attributeName(fmt.Sprintf("%s.%d.member.attributeName", member, i+1), e.AttributeName)
	}
}

// constrain checks an index of CreateTable or UpdateTable.
func (r *indexRequest) constrain(v *violations, at string) {
	const of = "Value '%s' at '%s.indexName' failed to satisfy constraint: Member must "
	switch {
	case len(r.IndexName) < 3:
		v.add(of+"have length greater than or equal to 3", r.IndexName, at)
	case len(r.IndexName) > maxName:
		v.add(of+"have length less than or equal to %d", r.IndexName, at, maxName)
	case strings.Trim(r.IndexName, nameCharacters) != "":
		v.add(of+"satisfy regular expression pattern: [a-zA-Z0-9_.-]+", r.IndexName, at)
	}
	v.keyNames(nil, at+".keySchema", r.KeySchema)
	r.ProvisionedThroughput.constrain(v, at+".provisionedThroughput")
	if r.Projection == nil {
		return
	}
	for i, name := range r.Projection.NonKeyAttributes {
		v.attributeName(fmt.Sprintf("%s.projection.nonKeyAttributes.%d.member", at, i+1), name)
	}
}

func (r *createTable) constrain(v *violations) {
	if r.TableName == "" && !v.given("TableName") || !v.name(r.TableName, 3) {
		return // the first has an error of its own
	}
	for i, e := range r.KeySchema {
		v.enum(fmt.Sprintf("keySchema.%d.member.keyType", i+1), e.KeyType, "HASH", "RANGE")
	}
	for i, d := range r.AttributeDefinitions {
		v.enum(fmt.Sprintf("attributeDefinitions.%d.member.attributeType", i+1), string(d.AttributeType), "B", "N", "S")
	}
	v.enum("billingMode", r.BillingMode, "PROVISIONED", "PAY_PER_REQUEST")
	r.ProvisionedThroughput.constrain(v, "provisionedThroughput")
	v.keyNames(r.AttributeDefinitions, "keySchema", r.KeySchema)
	v.constrainTags(r.Tags)
	for i, x := range r.LocalSecondaryIndexes {
		x.constrain(v, fmt.Sprintf("localSecondaryIndexes.%d.member", i+1))
	}
	for i, x := range r.GlobalSecondaryIndexes {
		x.constrain(v, fmt.Sprintf("globalSecondaryIndexes.%d.member", i+1))
	}
	if len(r.KeySchema) > 2 {
		var text []string
		for _, e := range r.KeySchema {
			text = append(text, fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", e.AttributeName, e.KeyType))
		}
		v.add("Value '[%s]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2", strings.Join(text, ", "))
	}
}

func (r *transactWriteItems) constrain(v *violations) {
	v.length("transactItems", len(r.TransactItems), maxTransaction, func() string { return opaque("TransactWriteItem", len(r.TransactItems)) })
	for i := range r.TransactItems {
		r.TransactItems[i].constrain(v, fmt.Sprintf("transactItems.%d.member.", i+1))
	}
	if len(r.ClientRequestToken) > maxToken {
		v.add("Value '%s' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to %d", r.ClientRequestToken, maxToken)
	}
	v.capacity(r.ReturnConsumedCapacity)
}

// constrain checks one part of a transaction.
func (r *transactWrite) constrain(v *violations, at string) {
	failure := func(kind, value string) {
		v.enum(at+kind+".returnValuesOnConditionCheckFailure", value, "ALL_OLD", "NONE")
	}
	if r.Put != nil {
		failure("put", r.Put.ReturnValuesOnConditionCheckFailure)
	}
	if r.Update != nil {
		failure("update", r.Update.ReturnValuesOnConditionCheckFailure)
	}
	if r.Delete != nil {
		failure("delete", r.Delete.ReturnValuesOnConditionCheckFailure)
	}
	if r.ConditionCheck != nil {
		if r.ConditionCheck.ConditionExpression == nil {
			v.add("Value null at '%sconditionCheck.conditionExpression' failed to satisfy constraint: Member must not be null", at)
		}
		failure("conditionCheck", r.ConditionCheck.ReturnValuesOnConditionCheckFailure)
	}
}

// maxToken is how long a client request token may be.
const maxToken = 36

func (r *transactGetItems) constrain(v *violations) {
	v.length("transactItems", len(r.TransactItems), maxTransaction, func() string { return opaque("TransactGetItem", len(r.TransactItems)) })
	v.capacity(r.ReturnConsumedCapacity)
}

// opaque is how the service writes a list of things that it does not write out.
func opaque(kind string, n int) string {
	return strings.TrimSuffix(strings.Repeat("com.amazonaws.dynamodb.v20120810."+kind+", ", n), ", ")
}

func (r *batchWriteItem) constrain(v *violations) {
	v.capacity(r.ReturnConsumedCapacity)
	v.enum("returnItemCollectionMetrics", r.ReturnItemCollectionMetrics, "SIZE", "NONE")
	for name, requests := range r.RequestItems {
		if len(requests) > maxBatchWrites || len(requests) == 0 {
			v.add("Value '{%s=[%s]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: "+
				"[Member must have length less than or equal to %d, Member must have length greater than or equal to 1]",
				name, opaque("WriteRequest", len(requests)), maxBatchWrites)
			return
		}
	}
}

func (r *batchGetItem) constrain(v *violations) {
	v.capacity(r.ReturnConsumedCapacity)
	for name, want := range r.RequestItems {
		switch n := len(want.Keys); {
		case n == 0:
			v.add("Value '[]' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		case n > maxBatchKeys:
			v.add("Value at 'RequestItems.%s.member.Keys' failed to satisfy constraint: Member must have length less than or equal to %d", name, maxBatchKeys)
		}
	}
}

// violated is what a request violates; nil if nothing.
func violated(in any, body []byte) error {
	r, ok := in.(constrained)
	if !ok {
		return nil
	}
	v := &violations{body: bytes.TrimSpace(body)}
	r.constrain(v)
	return v.err()
}
