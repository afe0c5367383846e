package dynamodb

// operations are what the server covers, by the version and the name in X-Amz-Target.
var operations = map[string]map[string]operation{
	"DynamoDB_20120810": {
		"CreateTable":           handle((*call).createTable),
		"DeleteTable":           handle((*call).deleteTable),
		"DescribeTable":         handle((*call).describeTable),
		"ListTables":            handle((*call).listTables),
		"UpdateTable":           handle((*call).updateTable),
		"DescribeTimeToLive":    handle((*call).describeTimeToLive),
		"UpdateTimeToLive":      handle((*call).updateTimeToLive),
		"TagResource":           handle((*call).tagResource),
		"UntagResource":         handle((*call).untagResource),
		"ListTagsOfResource":    handle((*call).listTagsOfResource),
		"DescribeEndpoints":     handle((*call).describeEndpoints),
		"PutItem":               handle((*call).putItem),
		"GetItem":               handle((*call).getItem),
		"UpdateItem":            handle((*call).updateItem),
		"DeleteItem":            handle((*call).deleteItem),
		"Scan":                  handle((*call).scan),
		"Query":                 handle((*call).query),
		"BatchGetItem":          handle((*call).batchGetItem),
		"BatchWriteItem":        handle((*call).batchWriteItem),
		"TransactGetItems":      handle((*call).transactGetItems),
		"TransactWriteItems":    handle((*call).transactWriteItems),
		"ExecuteStatement":      handle((*call).executeStatement),
		"BatchExecuteStatement": handle((*call).batchExecuteStatement),
		"ExecuteTransaction":    handle((*call).executeTransaction),
	},
	"DynamoDBStreams_20120810": {
		"ListStreams":      handle((*call).listStreams),
		"DescribeStream":   handle((*call).describeStream),
		"GetShardIterator": handle((*call).getShardIterator),
		"GetRecords":       handle((*call).getRecords),
	},
}
