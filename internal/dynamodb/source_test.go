package dynamodb

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// deep is a value nested as deeply as DynamoDB allows.
func deep(levels int) string {
	return strings.Repeat(`{"M":{"m":{"L":[`, levels/2) + `{"S":"bottom"}` + strings.Repeat(`]}}}`, levels/2)
}

// oddItems are the attributes, other than the key, of items that are easy to damage.
func oddItems() map[string]string {
	return map[string]string{
		"only the key": ``,
		"ten types": `"s":{"S":"text"},"n":{"N":"-1.5"},"b":{"B":"AAEC/w=="},"m":{"M":{"in":{"S":"x"},"e":{"M":{}}}},"l":{"L":[{"N":"1"},{"L":[]}]},` +
			`"t":{"BOOL":true},"f":{"BOOL":false},"z":{"NULL":true},"ss":{"SS":["a","b"]},"ns":{"NS":["1","2.5"]},"bs":{"BS":["AA==","AQ=="]}`,
		"empty values":    `"s":{"S":""},"b":{"B":""},"m":{"M":{}},"l":{"L":[]}`,
		"numbers":         `"wide":{"N":"12345678901234567890123456789012345678"},"small":{"N":"0.00000000000000000001"},"negative":{"N":"-99999999999999999999"}`,
		"reserved words":  `"name":{"S":"a"},"status":{"S":"b"},"S":{"S":"c"},"M":{"M":{"M":{"S":"d"}}},"Items":{"L":[]},"LastEvaluatedKey":{"S":"e"}`,
		"names":           `"a.b":{"S":"dot"},"a[0]":{"S":"index"},"#n":{"S":"hash"},":v":{"S":"colon"},"it's":{"S":"quote"},"a \"b\" \\":{"S":"escapes"},"sp ace":{"S":""}`,
		"unicode":         `"ключ":{"S":"значение"},"键":{"S":"值"},"🔑":{"S":"🚪 e\u0301 \u2028"},"\u0000":{"S":"\u0000\u0001\u001f"}`,
		"escaped slashes": `"s":{"S":"\\ \" / \b\f\n\r\t"}`,
		"deep":            `"d":` + deep(30),
		"large":           `"s":{"S":"` + strings.Repeat("x", 400<<10-40) + `"}`,
	}
}

// recorder keeps the answers to scans.
type recorder struct {
	next    http.RoundTripper
	mu      sync.Mutex
	answers []string
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil || !strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".Scan") {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, string(body))
	response.Body = io.NopCloser(strings.NewReader(string(body)))
	return response, err
}

// scanAll reads all pages of a segment, each from the Last of the one before.
func scanAll(t *testing.T, s *Source, segment, total int) (pages []snapshot.Page) {
	t.Helper()
	for after := []byte(nil); ; {
		page, err := s.Scan(t.Context(), segment, total, after)
		require.NoError(t, err)
		pages = append(pages, page)
		if after = slices.Clone(page.Last); after == nil { // as it is after a restart, without the page
			return pages
		}
	}
}

func TestScanOddItems(t *testing.T) {
	t.Parallel()
	table, server, _ := newTable(t, embedded.Options{})
	want := map[events.Key]string{}
	for name, attributes := range oddItems() {
		item := fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"}`, name)
		if attributes != "" {
			item += "," + attributes
		}
		put(t, table, item+"}")
		want[keyAt(name, 1)] = item + "}"
	}
	r := &recorder{next: server.Transport()}
	source := NewSource(open(t, "orders", r), schema)
	for segment := range 2 {
		for _, page := range scanAll(t, source, segment, 2) {
			require.Empty(t, page.Bad)
			for _, row := range page.Rows {
				require.Contains(t, want, row.Key)
				require.JSONEq(t, want[row.Key], string(row.Item), "%s", row.Key)
				require.True(t, slices.ContainsFunc(r.answers, func(a string) bool { return strings.Contains(a, string(row.Item)) }), "%s: not one run of the answer's bytes", row.Key)
				delete(want, row.Key)
			}
		}
	}
	require.Empty(t, want, "lost")
}

func TestScanSegmentsAndPages(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	const rows = 130
	for i := range rows {
		put(t, table, fmt.Sprintf(`{"pk":{"S":"customer %d"},"sk":{"N":"%d"},"s":{"S":"%s"}}`, i%40, i, strings.Repeat("y", 50<<10)))
	}
	source := NewSource(table, schema)
	for _, total := range []int{1, 3, 8} {
		seen, pages := map[events.Key]int{}, 0
		for segment := range total {
			read := scanAll(t, source, segment, total)
			pages += len(read)
			for i, page := range read {
				if len(page.Rows) > 0 {
					require.Positive(t, page.Units)
				}
				require.Equal(t, i == len(read)-1, page.Last == nil)
				for _, row := range page.Rows {
					seen[row.Key]++
				}
			}
		}
		require.Greater(t, pages, total, "some segment has several pages")
		require.Len(t, seen, rows, "%d segments", total)
		for key, n := range seen {
			require.Equal(t, 1, n, "%s of %d segments", key, total)
		}
	}

	var mu sync.Mutex
	n := 0
	require.NoError(t, table.Items(t.Context(), 4, func([]byte) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		return nil
	}))
	require.Equal(t, rows, n)
}

// answering answers every call with 200 and this body.
func answering(body string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return answered(http.StatusOK, itsJSON, body), nil }
}

// itsJSON is the type of DynamoDB's answers.
const itsJSON = "application/x-amz-json-1.0"

func answered(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// An answer in an unusual form keeps its bytes, and members that are unknown are passed over.
func TestScanKeepsTheBytesOfTheAnswer(t *testing.T) {
	t.Parallel()
	items := []string{
		"{ \"sk\" : {\"N\":\"1.0\"},\n\t\"pk\":{\"S\":\"\\u0061\"}, \"x\\/y\":{\"N\":\"1E2\"} }",
		`{"pk":{"S":"b"},"sk":{"N":"2"},"Items":{"L":[{"S":"]}"}]}}`,
		`{"pk":{"S":"c"},"sk":{"N":"3"},"😀":{"S":"\ud83d\ude00"}}`,
	}
	answer := ` { "Other" : [{"Items":[1]}], "Items" : [ ` + strings.Join(items, " , ") + ` ] ,"ConsumedCapacity":{"TableName":"orders","CapacityUnits":12.5},
		"LastEvaluatedKey": {"sk":{"N":"3"}, "pk":{"S":"c"}},"Count":3}`
	page, err := NewSource(open(t, "orders", answering(answer)), schema).Scan(t.Context(), 0, 1, nil)
	require.NoError(t, err)
	require.Empty(t, page.Bad)
	require.Len(t, page.Rows, len(items))
	for i, row := range page.Rows {
		require.Equal(t, items[i], string(row.Item))
		require.Equal(t, keyAt(string(rune('a'+i)), i+1), row.Key)
	}
	require.Equal(t, `{"sk":{"N":"3"}, "pk":{"S":"c"}}`, string(page.Last))
	require.InDelta(t, 12.5, page.Units, 0)
	require.Equal(t, cap(page.Rows[0].Item), len(page.Rows[0].Item), "an append must not write into the next item")
}

// A row that cannot be used is handed over as it came, next to the good ones.
func TestScanBadRows(t *testing.T) {
	t.Parallel()
	const good = `{"pk":{"S":"a"},"sk":{"N":"1"}}`
	for name, c := range map[string]struct {
		item   string
		reason events.Reason
	}{
		"no sort key":          {`{"pk":{"S":"a"}}`, events.KeyMismatch},
		"key of another type":  {`{"pk":{"N":"1"},"sk":{"N":"1"}}`, events.KeyMismatch},
		"empty key":            {`{"pk":{"S":""},"sk":{"N":"1"}}`, events.KeyMismatch},
		"key that is no digit": {`{"pk":{"S":"a"},"sk":{"N":"one"}}`, events.KeyMismatch},
		"unknown type":         {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"X":"?"}}`, events.Undecodable},
		"two types":            {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"?","N":"1"}}`, events.Undecodable},
		"no type":              {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":{}}`, events.Undecodable},
		"no value":             {`{"pk":{"S":"a"},"sk":{"N":"1"},"x":null}`, events.Undecodable},
		"not an item":          {`"item"`, events.Undecodable},
	} {
		table := open(t, "orders", answering(`{"Items":[`+good+`,`+c.item+`,`+good+`],"Count":3}`))
		page, err := NewSource(table, schema).Scan(t.Context(), 0, 1, nil)
		require.NoError(t, err, name)
		require.Len(t, page.Rows, 2, name)
		require.Len(t, page.Bad, 1, name)
		require.Equal(t, c.item, string(page.Bad[0].Item), name)
		require.Equal(t, c.reason, page.Bad[0].Err.Reason, "%s: %v", name, page.Bad[0].Err)
	}
}

// What cannot be cut into rows is an error of the page: no row of it is passed over.
func TestScanAnswerThatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"empty":              ``,
		"cut":                `{"Items":[{"pk":{"S":"a"},"sk":{"N":"1"}}`,
		"cut between":        `{"Items":[{"pk":{"S":"a"},"sk":{"N":"1"}}]`,
		"another form":       `{"Items":{"pk":{"S":"a"},"sk":{"N":"1"}}}`,
		"a list":             `[]`,
		"no JSON":            `{"Items":[{"pk":{"S":"a"},"sk":{"N":1.}}]}`,
		"lone surrogate":     `{"Items":[{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"\ud800"}}]}`,
		"invalid UTF-8":      "{\"Items\":[{\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"},\"x\":{\"S\":\"\xff\"}}]}",
		"two of a name":      `{"Items":[{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"1"},"x":{"S":"2"}}]}`,
		"capacity is a text": `{"Items":[],"ConsumedCapacity":{"CapacityUnits":"1"}}`,
	} {
		page, err := NewSource(open(t, "orders", answering(answer)), schema).Scan(t.Context(), 0, 1, nil)
		require.Error(t, err, name)
		require.NotEqual(t, fault.Record, fault.Of(err), name)
		require.Empty(t, page, name)
	}
}

func TestDescribeAndChecks(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	d, err := table.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, schema, d.KeySchema)
	require.True(t, d.NewImages)
	require.NotEmpty(t, d.Stream)
	must(t, table, "UpdateTable", `{"TableName":"orders","StreamSpecification":{"StreamEnabled":false}}`)
	d, err = table.Describe(t.Context())
	require.NoError(t, err)
	require.Empty(t, d.Stream)
	require.False(t, d.NewImages)
	arn, err := table.EnableStream(t.Context())
	require.NoError(t, err)
	d, err = table.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, arn, d.Stream)

	require.NoError(t, table.CheckRead(t.Context()))
	require.NoError(t, table.CheckWrite(t.Context(), schema))
	answer := must(t, table, "Scan", `{"TableName":"orders"}`)
	var count struct{ Count int }
	require.NoError(t, json.Unmarshal([]byte(answer), &count))
	require.Zero(t, count.Count, "a check writes nothing")
	f.always(embedded.Fault{Refuse: &embedded.Error{Code: "AccessDeniedException", Message: "no"}})
	require.Equal(t, fault.Fatal, fault.Of(table.CheckRead(t.Context())))
	require.Equal(t, fault.Fatal, fault.Of(table.CheckWrite(t.Context(), schema)))
}
