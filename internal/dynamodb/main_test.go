package dynamodb

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/lab/services"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(suite{m})
}

// suite ends DynamoDB Local before leaks are looked for.
type suite struct{ *testing.M }

func (s suite) Run() int { return services.Main(s.M) }

var (
	schema = events.KeySchema{{Name: "pk", Type: "S"}, {Name: "sk", Type: "N"}}
	names  = newtable.Attributes{Version: "cf:v", Deleted: "cf:d", Shard: "cf:s", Tombstone: "cf:t"}
)

// roundTrip is a function that is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// open returns a handle on a table that is reached by this transport. It asks nothing.
func open(t *testing.T, name string, transport http.RoundTripper) *Table {
	t.Helper()
	table, err := Open(t.Context(), Options{Table: name, Region: "us-east-1", Endpoint: "http://dynamodb.test", Transport: transport})
	require.NoError(t, err)
	return table
}

// faults is what a test lets go wrong; nothing at first.
type faults struct {
	mu   sync.Mutex
	hook func(embedded.Call) embedded.Fault
}

func (f *faults) ask(c embedded.Call) embedded.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hook == nil {
		return embedded.Fault{}
	}
	return f.hook(c)
}

func (f *faults) set(hook func(embedded.Call) embedded.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faults) always(fault embedded.Fault) {
	f.set(func(embedded.Call) embedded.Fault { return fault })
}

// createTable makes the table "orders" with the keys of schema.
const createTable = `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST",
	"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`

// newTable returns the empty table "orders" of an embedded DynamoDB, with a stream of new images.
func newTable(t *testing.T, o embedded.Options) (*Table, *embedded.Server, *faults) {
	t.Helper()
	f := &faults{}
	o.Fault = f.ask
	server := embedded.New(o)
	table := open(t, "orders", server.Transport())
	must(t, table, "CreateTable", strings.TrimSuffix(createTable, "}")+`,"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`)
	return table, server, f
}

// must makes a call of DynamoDB as any other client would.
func must(t *testing.T, table *Table, operation, body string) string {
	t.Helper()
	answer, err := table.wire.call(t.Context(), "DynamoDB_20120810."+operation, []byte(body))
	require.NoError(t, err, "%s %.200s", operation, body)
	return string(answer)
}

func put(t *testing.T, table *Table, item string) {
	t.Helper()
	must(t, table, "PutItem", fmt.Sprintf(`{"TableName":%q,"Item":%s}`, table.name, item))
}

// get returns the item with a key, or "".
func get(t *testing.T, table *Table, key events.Key) string {
	t.Helper()
	var answer struct{ Item json.RawMessage }
	body := must(t, table, "GetItem", fmt.Sprintf(`{"TableName":%q,"ConsistentRead":true,"Key":%s}`, table.name, key))
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	return string(answer.Item)
}

func keyAt(pk string, sk int) events.Key {
	return events.Key(fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"%d"}}`, pk, sk))
}

// decoded is an item as the pipeline has it.
func decoded(t *testing.T, raw string) (events.Key, events.Item) {
	t.Helper()
	item, err := events.NewDecoder(schema).Item([]byte(raw))
	require.NoError(t, err)
	key, err := schema.Key(item)
	require.NoError(t, err)
	return key, item
}
