package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/apply"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/lab/services"
)

// within requires that part is a run of whole's own bytes.
func within(t require.TestingT, whole, part []byte) {
	require.True(t, bytes.Contains(whole, part), "%q is not a part of %q", part, whole)
	require.Equal(t, len(part), cap(part), "appending to a part must not reach the next")
}

var pkOnly = events.KeySchema{{Name: "pk", Type: "S"}}

// FuzzScanAnswer: what is cut out of an answer are its own bytes, and what encoding/json sees at the same places.
func FuzzScanAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"Count":1,"Items":[{"pk":{"S":"a"},"m":{"M":{}}}],"ScannedCount":1,"LastEvaluatedKey":{"pk":{"S":"a"}},"ConsumedCapacity":{"CapacityUnits":0.5,"TableName":"x"}}`,
		`{"Items":[]}`, `{}`, `{"Items":null}`, `[]`, `{"Items":[1,[2],"]"]}`, ` { "Items" : [ {} , {} ] , "Items" : [] } `, `{"It\u0065ms":[{}]}`, `{"LastEvaluatedKey":null}`,
		`{"ConsumedCapacity":7}`, `{"Items":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}]}`, `{"X":{"Items":[{"pk":{"S":"a"}}]},"Items":[]}`, `{"a\"Items":[{"pk":{"S":"a"}}],"Items":[{"pk":{"S":"b"}}]}`,
		`{"Items":[{"pk":{"S":"a"}}],"Items":[]}`, `{"Items":[{"pk":{"S":"a"}}]`, `{"Items":[{"pk":{"S":"a"}},{"pk":{"N":"1"}}]}`, `{"Items":[{"a":{"S":"\ud83d"}}]}`, `{"Items":[{}`, "{\"Items\":[{\"a\":{\"S\":\"\xff\"}}]}", ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		before := bytes.Clone(answer)
		decoder := newDecoder(pkOnly)
		if quick, ok := quickScan(decoder, answer); ok {
			page, err := (&Source{schema: pkOnly}).cut(decoder, answer)
			require.NoError(t, err, "%s", answer)
			require.Equal(t, page, quick, "%s", answer)
		}
		page, err := cutScan(answer)
		require.Equal(t, before, answer)
		if err != nil {
			require.Error(t, classify(err, "scan"))
			return // refused
		}
		want := map[string]json.RawMessage{} // names as they are: encoding/json would take "items" for "Items"
		require.NoError(t, json.NewDecoder(bytes.NewReader(answer)).Decode(&want), "%s", answer)
		var items []json.RawMessage
		if raw := want["Items"]; raw != nil {
			require.NoError(t, json.Unmarshal(raw, &items))
		}
		require.Len(t, page.items, len(items))
		for i, item := range page.items {
			within(t, answer, item)
			require.Equal(t, string(items[i]), string(item))
		}
		require.Equal(t, string(want["LastEvaluatedKey"]), string(page.last))
	})
}

// FuzzStreamRecord: a record of the stream is understood as encoding/json understands it, or it is an error: never a
// panic, and never left out.
func FuzzStreamRecord(f *testing.F) {
	record := func(event, more string) string {
		return fmt.Sprintf(`{"eventID":"1","eventName":%q,"eventSource":"aws:dynamodb","dynamodb":{"ApproximateCreationDateTime":1.7E9,"Keys":{"pk":{"S":"a"},"sk":{"N":"1"}}%s,"SizeBytes":3}}`, event, more)
	}
	for _, seed := range []string{
		record("INSERT", `,"SequenceNumber":"100000000000000000001","NewImage":{"pk":{"S":"a"},"sk":{"N":"1"},"m":{}}`),
		record("MODIFY", `,"SequenceNumber":"100000000000000000002","NewImage":{"pk":{"S":"a"},"sk":{"N":"1.0"}},"OldImage":{}`),
		record("REMOVE", `,"SequenceNumber":"3"`), record("REMOVE", `,"SequenceNumber":"x"`), record("REMOVE", ``), record("DELETE", `,"SequenceNumber":"1"`),
		record("INSERT", `,"SequenceNumber":"1"`), record("INSERT", `,"SequenceNumber":1,"NewImage":{}`), record("REMOVE", `,"SequenceNumber":null`),
		`{"eventName":"REMOVE","dynamodb":{"Keys":{},"SequenceNumber":"1","ApproximateCreationDateTime":1e300}}`, `{"dynamodb":null}`, `{}`, `null`, ``,
		`{"eventName":"REMOVE","dynamodb":{"Keys":{"sk":{"N":"1e400"},"pk":{"S":"a"}},"SequenceNumber":"1"}}`,
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":null}}`, `{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":7,"Keys":7}}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, local bool) {
		s := &Stream{table: &Table{name: "orders", local: local}, schema: schema}
		decoder := newDecoder(schema)
		for _, answer := range []string{`{"Records":[%s]}`, `{"NextShardIterator":"next","Records":[%[1]s,%[1]s],"More":[1e3,null,{}]}`} {
			answer := fmt.Appendf(nil, answer, raw)
			if quick, ok := quickRecords(decoder, answer); ok {
				page, err := (&Stream{table: &Table{name: "orders"}}).cut(decoder, answer)
				require.NoError(t, err, "%s", answer)
				require.Equal(t, page, quick, "%s", answer)
			}
		}
		change, err := s.change(newCutter(raw), newDecoder(schema))
		if err != nil {
			require.NotEqual(t, fault.Record, fault.Of(classify(err, "read")), "a record of the stream that is not understood must not be taken for a bad row")
			return // refused
		}
		require.NotEmpty(t, change.Position)
		require.Contains(t, []events.Op{events.Write, events.Delete}, change.Op)
		require.Equal(t, change.Op == events.Write, change.Item != nil)
		require.Equal(t, change.Bad == nil, change.Key != "", "a key, or why there is none")
		var record struct {
			DynamoDB map[string]json.RawMessage `json:"dynamodb"`
		}
		require.NoError(t, json.NewDecoder(bytes.NewReader(raw)).Decode(&record))
		if !local && change.Item != nil {
			require.Equal(t, string(record.DynamoDB["NewImage"]), string(change.Item))
		}
	})
}

// FuzzParseError: whatever stands in an answer that is no success, it is an error of one of the three classes.
func FuzzParseError(f *testing.F) {
	for _, seed := range []string{
		`{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Message":"m","Item":{"pk":{"S":"a"}}}`,
		`{"__type":"com.amazon.coral.availability#ThrottlingException","message":"m","throttlingReasons":[{"reason":"TableWriteKeyRangeThroughputExceeded","resource":"arn"}]}`,
		`{"__type":"ResourceNotFoundException"}`, `{"__type":"#"}`, `{"__type":7}`, `{}`, ``, `<html>`, `null`, `[]`, "\xff\x00", `{"ThrottlingReasons":[null,{},{"reason":null}]}`,
		`{"__type":"ConditionalCheckFailedException","Item":null}`, `{"message":"a","Message":"b"}`,
	} {
		f.Add([]byte(seed), 400)
		f.Add([]byte(seed), 503)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		err := parseError(body, status)
		answer, ok := answerOf(err)
		require.True(t, ok)
		require.Equal(t, status, answer.status)
		require.LessOrEqual(t, len(answer.code), len(body)+len("HTTP-9223372036854775808"))
		classified := classify(err, "put")
		require.Contains(t, []fault.Class{fault.Retry, fault.Record, fault.Fatal}, fault.Of(classified))
		require.NotEmpty(t, classified.Error())
		target := NewTarget(&Table{name: "orders"}, schema, names, Versioned)
		if item, failed := conditionFailed(err); failed {
			require.NotEqual(t, apply.Applied, target.refused(item, version(1)))
		}
	})
}

// FuzzInsertAnswer: as many answers as there were statements, or an error.
func FuzzInsertAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"Responses":[{"TableName":"orders"},{"TableName":"orders"}]}`, `{"Responses":[{"TableName":"orders"}]}`, `{"Responses":[{"TableName":"orders"}{"TableName":"orders"}]}`,
		`{"Responses":[{"TableName":"orders"},{"TableName":"orders"},]}`, `{"Responses":[{"TableName":"orders"},{"TableName":"orders"},{"TableName":"orders"}]}`,
		`{"Responses":[{"TableName":"orders"},{"Error":{"Code":"DuplicateItem","Message":"m","Item":{"pk":{"S":"a"},"cf:v":{"S":"x"}}}}]}`,
		`{"Responses":[{"Error":null},{"Error":{}}]}`, `{"Responses":[{}]}`, `{"Responses":null}`, `{}`, ``, `[]`, `{"Responses":[{"Error":{"Code":7}},{}]}`, `{"Responses":[null,null]}`,
		`{"Responses":[{"Error":{"Code":"DuplicateItem","Item":7}},{"Error":{"Code":"DuplicateItem","Item":{"cf:v":[]}}}]}`,
	} {
		f.Add([]byte(seed))
	}
	target := NewTarget(&Table{name: "orders"}, schema, names, Versioned)
	f.Fuzz(func(t *testing.T, body []byte) {
		answers, err := target.parseInsert(body, 2)
		full, fullErr := parseStatements(body, 2)
		require.Equal(t, full, answers)
		require.Equal(t, fullErr, err)
		if err != nil {
			return // refused
		}
		require.Len(t, answers, 2)
		for _, a := range answers {
			result := target.inserted(a, events.Event{Key: keyAt("a", 1), Version: version(1)})
			require.Equal(t, a.Error == nil, result.Outcome == apply.Applied)
			require.Equal(t, result.Err == nil, result.Outcome != 0, "an outcome or an error")
		}
	})
}

// The units of a put are found wherever they stand, and nothing else is taken for them.
func TestConsumedByPut(t *testing.T) {
	for answer, want := range map[string]float64{
		`{"ConsumedCapacity":{"CapacityUnits":1.0,"TableName":"CapacityUnits"}}`:               1,
		`{"ConsumedCapacity":{"TableName":"CapacityUnits","CapacityUnits":400}}`:               400,
		`{"ConsumedCapacity": {"CapacityUnits": 2.5}}`:                                         2.5,
		`{"ConsumedCapacity":{"TableName":"orders","WriteCapacityUnits":3,"CapacityUnits":3}}`: 3,
		`{"ConsumedCapacity":{"CapacityUnits":"1"}}`:                                           0, `{}`: 0, ``: 0, `{"CapacityUnits":`: 0, `{"CapacityUnits":1.2.3}`: 0,
	} {
		require.InDelta(t, want, consumedByPut([]byte(answer)), 0, answer)
	}
	require.Zero(t, consumedByPut(nil))
}

// ways are a table, and how a row gets into it.
type ways struct {
	table  *Table
	target *Target
}

func (w ways) plainly(t require.TestingT, raw []byte) (refused bool) {
	body := fmt.Sprintf(`{"TableName":%q,"Item":%s}`, w.table.name, raw)
	_, err := w.table.wire.call(context.Background(), "DynamoDB_20120810.PutItem", []byte(body))
	if _, answered := answerOf(err); err != nil && !answered {
		require.NoError(t, err)
	}
	return err != nil
}

// held is what the table holds under a key: the bytes of each attribute but the version, by name.
func (w ways) held(t require.TestingT, key events.Key) map[string]string {
	body := fmt.Sprintf(`{"TableName":%q,"ConsistentRead":true,"Key":%s}`, w.table.name, key)
	raw, err := w.table.wire.call(context.Background(), "DynamoDB_20120810.GetItem", []byte(body))
	require.NoError(t, err)
	var answer struct{ Item map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(raw, &answer))
	attributes := map[string]string{}
	for name, value := range answer.Item {
		if name != names.Version {
			attributes[name] = string(value)
		}
	}
	return attributes
}

func (w ways) remove(t require.TestingT, key events.Key) {
	_, err := w.table.wire.call(context.Background(), "DynamoDB_20120810.DeleteItem", fmt.Appendf(nil, `{"TableName":%q,"Key":%s}`, w.table.name, key))
	require.NoError(t, err)
}

// check writes a row by a plain put, by Put and by Insert, and requires that the three leave the same attributes, or
// refuse the row.
func (w ways) check(t require.TestingT, raw []byte, key events.Key, item events.Item) {
	event := events.Event{Key: key, Op: events.Write, Item: item, Version: events.Version{Generation: 1}}
	refused := w.plainly(t, raw)
	want := map[string]string{}
	if !refused {
		want = w.held(t, key)
		require.Len(t, want, len(item.Attributes))
		w.remove(t, key)
	}
	for way, write := range map[string]func() apply.Result{
		"put":    func() apply.Result { return w.target.Put(context.Background(), event) },
		"insert": func() apply.Result { return w.target.Insert(context.Background(), []events.Event{event})[0] },
	} {
		result := write()
		if refused {
			require.Equal(t, fault.Record, fault.Of(result.Err), "%s of %s: %v", way, raw, result.Err)
			require.Error(t, result.Err, "%s of %s", way, raw)
			continue // the next way
		}
		require.NoError(t, result.Err, "%s of %s", way, raw)
		require.Equal(t, apply.Applied, result.Outcome)
		require.Equal(t, want, w.held(t, key), "%s of %s", way, raw)
		w.remove(t, key)
	}
}

// Invariant 7: any item, with any names, is in the table as if the application had put it there itself.
func TestTargetStoresAnyItem(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		table, _, _ := newTable(t, embedded.Options{})
		storesAnyItem(t, table)
	})
	t.Run("local", func(t *testing.T) {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		table, err := Open(t.Context(), Options{
			Table: fmt.Sprintf("orders-%d", os.Getpid()), Region: "us-east-1", Endpoint: services.SharedDynamoDB(t), Transport: transport,
		})
		require.NoError(t, err)
		must(t, table, "CreateTable", strings.Replace(createTable, "orders", table.name, 1))
		storesAnyItem(t, table)
	})
}

func storesAnyItem(t *testing.T, table *Table) {
	w := ways{table, NewTarget(table, schema, names, Versioned)}
	d := events.NewDecoder(schema)
	rapid.Check(t, func(t *rapid.T) {
		key := fmt.Sprintf(`"pk":{"S":%s},"sk":{"N":%q}`, eventstest.Quote("k"+eventstest.Text(t), false), eventstest.Number(t))
		raw := []byte(eventstest.Item(t, key, 12, "pk", "sk"))
		item, err := d.Item(raw)
		require.NoError(t, err)
		k, err := schema.Key(item)
		require.NoError(t, err)
		w.check(t, raw, k, item)
	})
}

// (a, b) and (b, a) are two keys, although their values are the same set; so are (a, a) and (a, aa).
func TestSwappedKeyValuesAreTwoRows(t *testing.T) {
	server := embedded.New(embedded.Options{})
	table := open(t, "pairs", server.Transport())
	must(t, table, "CreateTable", `{"TableName":"pairs","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"x","AttributeType":"S"},{"AttributeName":"y","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"x","KeyType":"HASH"},{"AttributeName":"y","KeyType":"RANGE"}]}`)
	pair := events.KeySchema{{Name: "x", Type: "S"}, {Name: "y", Type: "S"}}
	target, d := NewTarget(table, pair, names, Versioned), events.NewDecoder(pair)
	var rows []events.Event
	seen := map[events.Key]bool{}
	for i, xy := range [][2]string{{"a", "b"}, {"b", "a"}, {"a", "a"}, {"a", "aa"}, {"aa", "a"}, {`a","y":{"S":"b`, "b"}, {"a", `b"},"x":{"S":"a`}, {"a/b", "c"}, {"a", "b/c"}} {
		raw := fmt.Sprintf(`{"x":{"S":%q},"y":{"S":%q},"n":{"N":"%d"}}`, xy[0], xy[1], i)
		item, err := d.Item([]byte(raw))
		require.NoError(t, err)
		key, err := pair.Key(item)
		require.NoError(t, err)
		require.False(t, seen[key])
		seen[key] = true
		rows = append(rows, events.Event{Key: key, Op: events.Write, Item: item, Version: events.Version{Generation: 1}})
	}
	for _, r := range target.Insert(t.Context(), rows) {
		require.NoError(t, r.Err)
		require.Equal(t, apply.Applied, r.Outcome)
	}
	for i, row := range rows {
		require.Contains(t, get(t, table, row.Key), fmt.Sprintf(`"n":{"N":"%d"}`, i))
	}
}

// FuzzTarget: whatever the decoder takes for an item, the ways of writing it agree about it.
func FuzzTarget(f *testing.F) {
	for name, attributes := range oddItems() {
		if name != "large" && attributes != "" {
			f.Add(attributes)
		}
	}
	for _, name := range eventstest.Names {
		f.Add(eventstest.Quote(name, false) + `:{"S":"x"}`)
		f.Add(eventstest.Quote(name, true) + ` : {"L":[{"N":"1.50"}]} `)
	}
	for _, seed := range []string{
		``, `"":{"S":"x"}`, `"n":{"N":"x"}`, `"n":{"N":1}`, `"b":{"B":"QQ"}`, `"b":{"B":"QQ==\n"}`, `"b":{"B":"QR=="}`, `"s":{"SS":[]}`, `"s":{"SS":["a","a"]}`, `"z":{"NULL":false}`,
		`"d":` + eventstest.Deep(), `"d":{"L":[` + eventstest.Deep() + `]}`, `"m":{"M":{"a":{"S":"1"},"a":{"S":"2"}}}`, `"m":{"M":{"a":{}}}`, `"s":{"S":null}`, `"bool":{"BOOL":"true"}`,
		`"n":{"N":"123456789012345678901234567890123456789"}`, `"n":{"N":"1E126"}`,
	} {
		f.Add(seed)
	}
	table := fuzzTable(f)
	w := ways{table, NewTarget(table, schema, names, Versioned)}
	f.Fuzz(func(t *testing.T, attributes string) {
		raw := []byte(`{"pk":{"S":"a"},"sk":{"N":"1"},` + attributes + `}`)
		if strings.TrimSpace(attributes) == "" {
			raw = []byte(`{"pk":{"S":"a"},"sk":{"N":"1"}}`)
		}
		d := events.NewDecoder(schema)
		item, err := d.Item(raw)
		if err != nil || item.Attribute(names.Version) != nil {
			return // in the dlq before it comes here
		}
		key, err := schema.Key(item)
		require.NoError(t, err)
		w.check(t, raw, key, item)
	})
}

// fuzzTable is the table "orders" for a fuzz target.
func fuzzTable(f *testing.F) *Table {
	f.Helper()
	server := embedded.New(embedded.Options{})
	table, err := Open(f.Context(), Options{Table: "orders", Region: "us-east-1", Endpoint: "http://dynamodb.test", Transport: server.Transport()})
	require.NoError(f, err)
	_, err = table.wire.call(f.Context(), "DynamoDB_20120810.CreateTable", []byte(createTable))
	require.NoError(f, err)
	return table
}
