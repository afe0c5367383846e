package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// call asks the database as no SDK would: nothing decodes or encodes what goes in and out.
func (w *world) call(operation, body string) []byte {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.endpoint, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Close = true // no connection stays behind for the leak detector
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	request.Header.Set("Authorization", "test")
	response, err := (&http.Client{Transport: w.transport()}).Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, http.StatusOK, response.StatusCode, "%s %.300s: %s", operation, body, answer)
	return answer
}

func (w *world) putRaw(table, item string) {
	w.t.Helper()
	w.call("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":%s}`, table, item))
}

// attributes are the bytes of an item's values, by name.
type attributes map[string]string

// held is what a table holds, by key: the bytes of each attribute. Markers are left out, and so are the versions.
func (w *world) held(table string, schema events.KeySchema) map[events.Key]attributes {
	w.t.Helper()
	all := map[events.Key]attributes{}
	d := events.NewDecoder(schema)
	for after := ""; ; {
		var page struct {
			Items            []json.RawMessage
			LastEvaluatedKey json.RawMessage
		}
		require.NoError(w.t, json.Unmarshal(w.call("Scan", fmt.Sprintf(`{"TableName":%q,"ConsistentRead":true%s}`, table, after)), &page))
		for _, raw := range page.Items {
			item, err := d.Item(raw)
			require.NoError(w.t, err)
			key, err := schema.Key(item)
			require.NoError(w.t, err)
			values := attributes{}
			for _, a := range item.Attributes {
				values[a.Name] = string(a.Value)
			}
			if table == "new" {
				require.Contains(w.t, values, "crossfade_version")
				delete(values, "crossfade_version")
			}
			if _, marker := values["crossfade_deleted"]; !marker {
				all[key] = values
			}
		}
		if page.LastEvaluatedKey == nil {
			return all
		}
		after = `,"ExclusiveStartKey":` + string(page.LastEvaluatedKey)
	}
}

// begin creates the migration and starts a streamer; what it returns ends that one.
func (w *world) begin(c *migration.Config) (end func()) {
	w.t.Helper()
	report, err := Create(w.t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
	require.NoError(w.t, err, "%+v", report)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- assembly.Streamer(ctx, c, assembly.WorkerOptions{Capture: true, Apply: true, Logger: w.logger(), Network: w.network})
	}()
	return func() {
		cancel()
		require.NoError(w.t, <-ended)
	}
}

// becomesEqual waits until both tables hold the same bytes.
func (w *world) becomesEqual(schema events.KeySchema) {
	w.t.Helper()
	want := w.held("old", schema)
	var got map[events.Key]attributes
	for began := time.Now(); time.Since(began) < hung; {
		got = w.held("new", schema)
		if maps.EqualFunc(want, got, maps.Equal[attributes, attributes]) {
			break
		}
		time.Sleep(between)
	}
	for key, values := range want {
		require.Equal(w.t, values, got[key], "%s", key)
	}
	require.Len(w.t, got, len(want), "rows that the old table does not have")
}

func keyMembers(t *rapid.T, schema events.KeySchema, n int) string {
	var members []string
	for _, k := range schema {
		var value string
		switch k.Type {
		case "S":
			value = eventstest.Quote(fmt.Sprint(eventstest.Text(t), n), rapid.Bool().Draw(t, "escape"))
		case "B":
			value = fmt.Sprintf(`"AAA%c/w=="`, 'A'+n%26)
		default:
			value = rapid.SampledFrom([]string{`"%d"`, `"%d.50"`, `"-%de-3"`, `"1234567890123456789012345678901.%d"`, `"%dE100"`}).Draw(t, "form")
			value = fmt.Sprintf(value, n)
		}
		members = append(members, eventstest.Quote(k.Name, rapid.Bool().Draw(t, "escape"))+`:{"`+k.Type+`":`+value+`}`)
	}
	return strings.Join(members, ",")
}

// Invariant 7, over the whole way: rows of all types, with awkward names and values, read by the snapshot or captured
// from the stream, are in the new table byte for byte as the old table has them; keys that are numbers too.
func TestAnyItemArrivesByteForByte(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]events.KeySchema{
		"text":            {{Name: "pk", Type: "S"}},
		"number":          {{Name: "id", Type: "N"}},
		"binary, number":  {{Name: "b", Type: "B"}, {Name: "n", Type: "N"}},
		"awkward names":   {{Name: `it's "#1" ?`, Type: "S"}, {Name: "🔑.a[0]", Type: "S"}},
		"a reserved word": {{Name: "name", Type: "N"}, {Name: "S", Type: "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.drop(w.old)
				w.drop(w.new)
				w.old, w.new = w.table("old", schema), w.table("new", schema)
				except := []string{}
				for _, k := range schema {
					except = append(except, k.Name)
				}
				rows := rapid.Custom(func(t *rapid.T) [2]string {
					key := keyMembers(t, schema, rapid.IntRange(1, 60).Draw(t, "n"))
					return [2]string{key, eventstest.Item(t, key, 12, except...)}
				})
				for i := range 150 {
					w.putRaw("old", rows.Example(i)[1])
				}
				for i, value := range []string{
					`{"S":"` + strings.Repeat("é", 190<<10) + `"}`, `{"B":"` + strings.Repeat("AAEC", 125<<10) + `"}`, eventstest.Deep(),
					`{"L":[` + strings.TrimSuffix(strings.Repeat(`{"N":"1.50"},`, 60_000), ",") + `]}`,
					// The texts that grow most on the wire: 400 KB for the database, some MB of JSON.
					`{"S":"` + strings.Repeat(`\u0001`, 395<<10) + `"}`, `{"L":[` + strings.TrimSuffix(strings.Repeat(`{"NULL":true},`, 195<<10), ",") + `]}`,
				} {
					w.putRaw("old", `{`+rows.Example(i + 1000)[0]+`,"large":`+value+`}`)
				}
				config := w.config("")
				config.Grace = 10 * time.Minute
				defer w.begin(config)()
				for i := range 60 { // while the snapshot is still to come
					w.putRaw("old", rows.Example(i + 2000)[1])
					w.call("DeleteItem", fmt.Sprintf(`{"TableName":"old","Key":{%s}}`, rows.Example(i + 3000)[0]))
				}
				require.NoError(t, assembly.Snapshot(t.Context(), config, assembly.WorkerOptions{Logger: w.logger(), Network: w.network}))
				for i := range 60 {
					w.putRaw("old", rows.Example(i + 4000)[1])
					w.call("DeleteItem", fmt.Sprintf(`{"TableName":"old","Key":{%s}}`, rows.Example(i + 5000)[0]))
				}
				require.Greater(t, len(w.held("old", schema)), 20)
				w.becomesEqual(schema)
				require.Zero(t, w.status(config).DeadLetters.Records)
			})
		})
	}
}

// The snapshot may take longer than the stream keeps its records: capture began before it, and what it has published
// stays in Kafka.
func TestSnapshotMayOutlastTheStreamsRetention(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for i := range 40 {
			w.put(w.old, fmt.Sprint("row ", i))
		}
		config := w.config("")
		config.Grace = 10 * time.Minute
		defer w.begin(config)()
		for day := range 6 {
			w.putRaw("old", fmt.Sprintf(`{"pk":{"S":"row %d"},"changed":{"N":"%d"}}`, day, day))
			w.call("DeleteItem", fmt.Sprintf(`{"TableName":"old","Key":{"pk":{"S":"row %d"}}}`, 20+day))
			w.arrives(fmt.Sprintf(`{"pk":{"S":"row %d"}}`, day), fmt.Sprintf(`"changed":{"N":"%d"}`, day))
			w.arrives(fmt.Sprintf(`{"pk":{"S":"row %d"}}`, 20+day), `"crossfade_deleted"`)
			w.pass(5 * time.Hour)
			require.NoError(t, w.server.SplitAll("old"), "shards close every few hours")
		}
		require.NoError(t, assembly.Snapshot(t.Context(), config, assembly.WorkerOptions{Logger: w.logger(), Network: w.network}))
		w.becomesEqual(schema)
		require.Len(t, w.held("new", schema), 34)
	})
}

// arrives waits until the new table's item under a key has this in it.
func (w *world) arrives(key, part string) {
	w.t.Helper()
	var answer []byte
	for began := time.Now(); time.Since(began) < hung; time.Sleep(between) {
		answer = w.call("GetItem", `{"TableName":"new","ConsistentRead":true,"Key":`+key+`}`)
		if bytes.Contains(answer, []byte(part)) {
			return
		}
	}
	require.FailNow(w.t, "it does not arrive", "%s of %s: %s", part, key, answer)
}
