package migration

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplateParses(t *testing.T) {
	c, err := Parse("migration.yaml", []byte(Template()))
	require.NoError(t, err)
	require.Equal(t, "orders-v2", c.Target.DynamoDB.Table)
	require.Equal(t, 64, c.Snapshot.Segments)
}

func TestMinimal(t *testing.T) {
	c, err := Parse("m.yaml", []byte(`name: orders
source: {dynamodb: {table: orders, region: eu-west-1, endpoint: "http://127.0.0.1:8000"}}
target: {dynamodb: {table: orders-v2, region: eu-west-1, endpoint: "http://127.0.0.1:8000"}}
kafka: {embedded: {dir: ./orders-data}}
`))
	require.NoError(t, err)
	require.Equal(t, "./orders-data", c.Kafka.Embedded.Dir)
	require.Equal(t, "stream", c.Live.From)
	require.Equal(t, "10m0s", c.Grace.String())
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("m.yaml", []byte(`name: 7
source: {dynamodb: {tabel: orders}}
kafka: {brokers: "127.0.0.1:9092", partitions: many}
live: {from: nowhere}
snapshot:
  segments: 0
grace: soon
surprise: 1
`))
	require.EqualError(t, err, `m.yaml:1:5: target: is required and missing
m.yaml:1:7: name: must be a text, not 7; put it in quotes
m.yaml:2:20: source.dynamodb.table: is required and missing
m.yaml:2:21: source.dynamodb.tabel: unknown name; did you mean "table"?
m.yaml:3:18: kafka.brokers: must be a list, not "127.0.0.1:9092"
m.yaml:3:48: kafka.partitions: must be a whole number, not "many"
m.yaml:4:14: live.from: must be one of stream, app, none, not "nowhere"
m.yaml:6:13: snapshot.segments: must be at least 1
m.yaml:7:8: grace: must be a duration such as 10m or 30s, not "soon"
m.yaml:8:1: surprise: unknown name; known are apply, attributes, grace, kafka, live, name, snapshot, source, target`)
}

func TestBareWords(t *testing.T) {
	_, err := Parse("m.yaml", []byte("name: orders\nsource: orders\ntarget: {dynamodb: {table: orders-v2}}\nkafka: embedded\nlive: app\n"))
	require.EqualError(t, err, `m.yaml:2:9: source: must be a mapping of names to values such as {dynamodb: {table: orders, region: eu-west-1}}, not "orders"
m.yaml:4:8: kafka: must be a mapping of names to values such as {brokers: ["127.0.0.1:9092"]} or {embedded: {dir: ./orders-data}}, not "embedded"
m.yaml:5:7: live: must be a mapping of names to values such as {from: stream}, not "app"`)
}

func TestImpossibleCombinations(t *testing.T) {
	_, err := Parse("m.yaml", []byte(`name: "a b"
source: {dynamodb: {table: orders}}
target: {dynamodb: {table: orders}}
kafka: {brokers: ["here"], embedded: {dir: d}, tls: {cert_file: x}, sasl: {mechanism: plain}}
live: {position: header}
attributes: {version: x, deleted: x}
grace: 1ms
`))
	require.EqualError(t, err, `m.yaml:1:1: name: must be 1 to 200 letters, digits, '.', '_' or '-', not "a b"
m.yaml:3:10: target.dynamodb: is the same table as source.dynamodb
m.yaml:4:9: kafka.brokers: must each be host:port, not "here"
m.yaml:4:28: kafka.embedded: does not go with kafka.brokers: choose one
m.yaml:4:48: kafka.tls: cert_file and key_file go together
m.yaml:4:48: kafka.tls: has settings and enabled is false
m.yaml:4:69: kafka.sasl: does not go with kafka.embedded
m.yaml:4:69: kafka.sasl: needs mechanism and username
m.yaml:4:69: kafka.sasl: needs one of password_env and password_file
m.yaml:5:8: live.position: goes only with live.from: app, not stream
m.yaml:6:26: attributes.deleted: has the same name as attributes.version
m.yaml:7:1: grace: must be at least 1s, not 1ms`)
}

func TestDocumentationIsInStep(t *testing.T) {
	page, err := os.ReadFile("../../docs/CONFIGURATION.md")
	require.NoError(t, err)
	require.Equal(t, Markdown(), string(page), "run: go generate ./internal/migration")
}

func TestDifferences(t *testing.T) {
	require.Equal(t, []Difference{{"a", "1", "2"}, {"b", "1", ""}, {"c", "", "1"}},
		Differences(map[string]string{"a": "1", "b": "1", "same": "x"}, map[string]string{"a": "2", "c": "1", "same": "x"}))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Template()))
	f.Add([]byte("name: [\n"))
	f.Add([]byte("- a\n- b: {"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("m.yaml", data)
		if err == nil {
			require.NotNil(t, c)
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		require.True(t, ok)
		for _, p := range problems.List {
			require.Positive(t, p.Line)
			require.Positive(t, p.Column)
			require.NotEmpty(t, p.Message)
		}
	})
}
