package dynamodb

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/crossfadedb/crossfade/internal/events"
)

// benchTarget is a target whose every request is answered so, at once.
func benchTarget(b *testing.B, answer string) *Target {
	b.Helper()
	table, err := Open(b.Context(), Options{
		Table: "orders", Region: "us-east-1", Endpoint: "http://dynamodb.test",
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, Request: r, ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader([]byte(answer))),
				Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"1"}},
			}, nil
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	return NewTarget(table, schema, names, Versioned)
}

// benchRow is a write of the usual size.
func benchRow(b *testing.B) events.Event {
	b.Helper()
	raw := []byte(`{"pk":{"S":"customer-1"},"sk":{"N":"17"},"name":{"S":"Ada Lovelace"},"address":{"M":{"city":{"S":"London"},"zip":{"S":"W1"}}},"total":{"N":"12.5"},"tags":{"SS":["a","b"]}}`)
	item, err := events.NewDecoder(schema).Item(raw)
	if err != nil {
		b.Fatal(err)
	}
	key, err := schema.Key(item)
	if err != nil {
		b.Fatal(err)
	}
	return events.Event{Key: key, Op: events.Write, Item: item, Version: version(1)}
}

func BenchmarkPut(b *testing.B) {
	target, row := benchTarget(b, `{"ConsumedCapacity":{"CapacityUnits":1.0,"TableName":"orders"}}`), benchRow(b)
	b.ReportAllocs()
	for b.Loop() {
		if result := target.Put(b.Context(), row); result.Err != nil {
			b.Fatal(result.Err)
		}
	}
}

func BenchmarkPutOfAMarker(b *testing.B) {
	target, row := benchTarget(b, `{"ConsumedCapacity":{"CapacityUnits":1.0,"TableName":"orders"}}`), benchRow(b)
	row.Op, row.Item, row.Source = events.Delete, events.Item{}, "shardId-00000001700000000000-deadbeef"
	b.ReportAllocs()
	for b.Loop() {
		if result := target.Put(b.Context(), row); result.Err != nil {
			b.Fatal(result.Err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	answer, row := []byte(`{"Responses":[`), benchRow(b)
	rows := make([]events.Event, 25)
	for i := range rows {
		if rows[i] = row; i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, `{"TableName":"orders"}`...)
	}
	target := benchTarget(b, string(answer)+"]}")
	b.ReportAllocs()
	for b.Loop() {
		for _, result := range target.Insert(b.Context(), rows) {
			if result.Err != nil {
				b.Fatal(result.Err)
			}
		}
	}
}

// benchPage is the answer to a scan, with this around each item.
func benchPage(b *testing.B, begin, between, end string) []byte {
	b.Helper()
	page, row := []byte(begin), benchRow(b).Item.Raw
	for i := range 1000 {
		if i > 0 {
			page = append(page, between...)
		}
		page = append(page, row...)
	}
	return append(page, end...)
}

func BenchmarkPageOfAScan(b *testing.B) {
	answer := benchPage(b, `{"Count":1000,"Items":[`, ",", `],"ScannedCount":1000}`)
	decoder := newDecoder(schema)
	b.ReportAllocs()
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		if _, ok := quickScan(decoder, answer); !ok {
			b.Fatal("not the quick way")
		}
	}
}

func BenchmarkPageOfAStream(b *testing.B) {
	const before, after = `{"eventName":"MODIFY","dynamodb":{"ApproximateCreationDateTime":1.7E9,"Keys":{"pk":{"S":"customer-1"},"sk":{"N":"17"}},"NewImage":`,
		`,"SequenceNumber":"100000000000000000001"}}`
	answer := benchPage(b, `{"Records":[`+before, after+","+before, after+"]}")
	decoder := newDecoder(schema)
	b.ReportAllocs()
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		if _, ok := quickRecords(decoder, answer); !ok {
			b.Fatal("not the quick way")
		}
	}
}
