package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// post asks a server as a client would, and requires that the answer has DynamoDB's form.
func post(t require.TestingT, s *Server, target string, body []byte) (status int, answer []byte) {
	request, err := http.NewRequest(http.MethodPost, "http://dynamodb.test", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Authorization", "test")
	response, err := s.Transport().RoundTrip(request)
	require.NoError(t, err)
	answer, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, fmt.Sprint(crc32.ChecksumIEEE(answer)), response.Header.Get("X-Amz-Crc32"))
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(answer, &object), "%s %s: %s", target, body, answer)
	if response.StatusCode != http.StatusOK {
		require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, response.StatusCode, "%s", answer)
		var refusal struct {
			Type    string `json:"__type"`
			Message *string
		}
		require.NoError(t, json.Unmarshal(answer, &refusal))
		require.Regexp(t, `^[a-zA-Z0-9.]+#[A-Za-z]+$`, refusal.Type)
		require.NotNil(t, refusal.Message, "%s", answer)
	}
	return response.StatusCode, answer
}

const createRequest = `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`

// fuzzed is a server with a table that has a stream, some rows and a TTL attribute.
func fuzzed(t require.TestingT) *Server {
	s := New(Options{})
	for _, r := range [][2]string{
		{"CreateTable", createRequest},
		{"PutItem", `{"TableName":"orders","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"l":{"L":[{"S":"x"},{"L":[{"N":"1"},{"N":"2"}]}]},"n":{"N":"5"},"ss":{"SS":["a","b"]},"ttl":{"N":"1"}}}`},
		{"PutItem", `{"TableName":"orders","Item":{"pk":{"S":"a"},"sk":{"N":"-2"},"m":{"M":{"x":{"M":{}}}}}}`},
		{"PutItem", `{"TableName":"orders","Item":{"pk":{"S":"é"},"sk":{"N":"1E125"}}}`},
	} {
		status, answer := post(t, s, "DynamoDB_20120810."+r[0], []byte(r[1]))
		require.Equal(t, http.StatusOK, status, "%s", answer)
	}
	return s
}

// FuzzRequest: any body to any operation is answered in DynamoDB's form, and leaves a table that can be read.
func FuzzRequest(f *testing.F) {
	var targets []string
	for version, of := range operations {
		for name := range of {
			targets = append(targets, version+"."+name)
		}
	}
	slices.Sort(targets)
	const key = `"Key":{"pk":{"S":"a"},"sk":{"N":"1.0"}}`
	for operation, bodies := range map[string][]string{
		"CreateTable": {createRequest, strings.Replace(createRequest, "orders", "other", 1), `{"TableName":"x","KeySchema":[],"AttributeDefinitions":[]}`, `{"TableName":"abc","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"pk","KeyType":"RANGE"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}`},
		"DeleteTable": {`{"TableName":"orders"}`}, "DescribeTable": {`{"TableName":"orders"}`, `{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/orders"}`, `{"TableName":"arn:"}`},
		"ListTables": {`{}`, `{"Limit":0}`, `{"Limit":1,"ExclusiveStartTableName":"a"}`}, "UpdateTable": {`{"TableName":"orders","StreamSpecification":{"StreamEnabled":false}}`, `{"TableName":"orders","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}}`},
		"DescribeTimeToLive": {`{"TableName":"orders"}`}, "UpdateTimeToLive": {`{"TableName":"orders","TimeToLiveSpecification":{"AttributeName":"ttl","Enabled":true}}`, `{"TableName":"orders"}`},
		"PutItem": {
			`{"TableName":"orders","Item":{"pk":{"S":"a"},"sk":{"N":"1"}},"ConditionExpression":"attribute_not_exists(#k) OR #v < :v","ExpressionAttributeNames":{"#k":"pk","#v":"v"},"ExpressionAttributeValues":{":v":{"S":"x"}},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`,
			`{"TableName":"orders","Item":{"pk":{"S":"\ud83d"},"sk":{"N":"1e400"}}}`, `{"TableName":"orders","Item":null}`, `{"TableName":"orders","Item":{}}`, `{"TableName":"orders","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"":{"S":"x"}}}`,
		},
		"GetItem":          {`{"TableName":"orders",` + key + `,"ProjectionExpression":"l[1][0], m.x"}`, `{"TableName":"orders"}`, `{"TableName":"nothing",` + key + `}`},
		"UpdateItem":       {`{"TableName":"orders",` + key + `,"UpdateExpression":"REMOVE l[0], l[1][0] SET n = n + n ADD f :f","ExpressionAttributeValues":{":f":{"N":"1"}},"ReturnValues":"UPDATED_NEW"}`, `{"TableName":"orders",` + key + `}`, `{"TableName":"orders",` + key + `,"UpdateExpression":"SET pk = n"}`},
		"DeleteItem":       {`{"TableName":"orders",` + key + `,"ConditionExpression":"size(l) = :n AND l[0] IN (:s)","ExpressionAttributeValues":{":n":{"N":"2"},":s":{"S":"x"}},"ReturnValues":"ALL_OLD"}`},
		"Scan":             {`{"TableName":"orders","Segment":1,"TotalSegments":3,"Limit":1,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL"}`, `{"TableName":"orders","ExclusiveStartKey":{"pk":{"S":"zz"},"sk":{"N":"0"}},"FilterExpression":"attribute_exists(l)","Select":"COUNT"}`, `{"TableName":"orders","Segment":-1,"TotalSegments":1000001}`},
		"Query":            {`{"TableName":"orders","KeyConditionExpression":"pk = :p AND sk BETWEEN :a AND :b","ExpressionAttributeValues":{":p":{"S":"a"},":a":{"N":"-5"},":b":{"N":"5"}},"ScanIndexForward":false,"Limit":1}`, `{"TableName":"orders","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":""}}}`},
		"BatchGetItem":     {`{"RequestItems":{"orders":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}],"ConsistentRead":true}}}`, `{"RequestItems":{"orders":{"Keys":[{}]}}}`, `{"RequestItems":null}`},
		"BatchWriteItem":   {`{"RequestItems":{"orders":[{"PutRequest":{"Item":{"pk":{"S":"n"},"sk":{"N":"1"}}}},{"DeleteRequest":{` + key + `}}]}}`, `{"RequestItems":{"orders":[{}]}}`, `{"RequestItems":{"orders":[null]}}`},
		"TransactGetItems": {`{"TransactItems":[{"Get":{"TableName":"orders",` + key + `}}]}`, `{"TransactItems":[{}]}`},
		"TransactWriteItems": {
			`{"ClientRequestToken":"t","TransactItems":[{"Update":{"TableName":"orders",` + key + `,"UpdateExpression":"SET n = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}},{"ConditionCheck":{"TableName":"orders","Key":{"pk":{"S":"x"},"sk":{"N":"1"}},"ConditionExpression":"attribute_exists(pk)"}}]}`,
			`{"TransactItems":[{"Put":{"TableName":"orders","Item":{"pk":{"S":"a"},"sk":{"N":"3"}}},"Delete":{"TableName":"orders",` + key + `}}]}`, `{"TransactItems":[{}]}`,
		},
		"ExecuteStatement":      {`{"Statement":"INSERT INTO \"orders\" VALUE {'pk':?,'sk':?}","Parameters":[{"S":"b"},{"N":"1"}]}`, `{"Statement":"INSERT INTO \"nothing\" VALUE {'pk':?}","Parameters":[{"S":"b"}]}`},
		"BatchExecuteStatement": {`{"Statements":[{"Statement":"INSERT INTO \"orders\" VALUE {'pk':?,'sk':?}","Parameters":[{"S":"a"},{"N":"1"}],"ReturnValuesOnConditionCheckFailure":"ALL_OLD"},{"Statement":"x"}]}`, `{"Statements":[{}]}`, `{"Statements":[null]}`},
		"ListStreams":           {`{"TableName":"orders"}`, `{"Limit":-1}`, `{"ExclusiveStartStreamArn":"x"}`}, "DescribeStream": {`{"StreamArn":"ARN"}`, `{"StreamArn":"ARN","Limit":1,"ExclusiveStartShardId":"x"}`, `{"StreamArn":""}`},
		"GetShardIterator": {`{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"TRIM_HORIZON"}`, `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"1"}`, `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"-1"}`},
		"GetRecords":       {`{"ShardIterator":"x"}`, `{"ShardIterator":"","Limit":1001}`, `{"ShardIterator":"arn|1|x|y"}`},
	} {
		at := slices.IndexFunc(targets, func(target string) bool { return strings.HasSuffix(target, "."+operation) })
		for _, body := range append(bodies, ``, `null`, `[]`, `{"surprise":1}`, "\xff", `{"TableName":7}`) {
			f.Add(uint8(at), []byte(body)) //nolint:gosec // there are two dozen
		}
	}
	f.Fuzz(func(t *testing.T, at uint8, body []byte) {
		s := fuzzed(t)
		arn, shard := streamOf(t, s)
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("ARN"), []byte(arn)), []byte("SHARD"), []byte(shard))
		target := targets[int(at)%len(targets)]
		status, answer := post(t, s, target, body)
		if status == http.StatusOK && strings.HasSuffix(target, "GetShardIterator") {
			_, _ = post(t, s, "DynamoDBStreams_20120810.GetRecords", answer)
		}
		if status != http.StatusOK {
			require.Equal(t, "3", counted(t, s), "%s: what was refused has changed something", target)
		}
		if status, _ := post(t, s, "DynamoDB_20120810.DescribeTable", []byte(`{"TableName":"orders"}`)); status == http.StatusOK {
			counted(t, s)
		}
		_, _ = post(t, s, "DynamoDBStreams_20120810.DescribeStream", fmt.Appendf(nil, `{"StreamArn":%q}`, arn))
	})
}

// streamOf is the ARN of the table's stream, and the id of its first shard.
func streamOf(t require.TestingT, s *Server) (arn, shard string) {
	_, answer := post(t, s, "DynamoDBStreams_20120810.ListStreams", []byte(`{"TableName":"orders"}`))
	var list struct{ Streams []struct{ StreamArn string } }
	require.NoError(t, json.Unmarshal(answer, &list))
	_, answer = post(t, s, "DynamoDBStreams_20120810.DescribeStream", fmt.Appendf(nil, `{"StreamArn":%q}`, list.Streams[0].StreamArn))
	var described struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	require.NoError(t, json.Unmarshal(answer, &described))
	return list.Streams[0].StreamArn, described.StreamDescription.Shards[0].ShardId
}

// counted is the number of rows of a scan, each of which is an item.
func counted(t require.TestingT, s *Server) string {
	status, answer := post(t, s, "DynamoDB_20120810.Scan", []byte(`{"TableName":"orders"}`))
	require.Equal(t, http.StatusOK, status, "%s", answer)
	var page struct {
		Count json.Number
		Items []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(answer, &page))
	for _, item := range page.Items {
		_, err := expression.ParseItem(item)
		require.NoError(t, err, "%s", item)
	}
	return page.Count.String()
}
