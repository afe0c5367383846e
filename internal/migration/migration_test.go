package migration

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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

// FuzzParse: a file is understood, or every problem has a place in it. What was understood, written down again, is
// understood to be the same.
func FuzzParse(f *testing.F) {
	head := "name: orders\nsource: {dynamodb: {table: orders}}\ntarget: {dynamodb: {table: orders-v2}}\n"
	brokers := head + "kafka: {brokers: [\"127.0.0.1:9092\"]}\n"
	for _, seed := range []string{
		Template(), "name: [\n", "- a\n- b: {", "", "---\n---\n", brokers, head + "kafka: {embedded: {dir: ./d}}\n",
		brokers + "live: {from: app, position: header}\ngrace: 1h30m\napply: {max_memory: 1048576, max_write_units: 1e3, rerun: 9999}\n",
		brokers + "attributes: {version: \"\\u0000\", deleted: 'it''s', shard: \"a \\\"b\\\" \\\\\", tombstone: \"\\U0001F600\"}\n",
		brokers + "attributes: {version: \xff, deleted: \"\\uD83D\"}\n", brokers + "snapshot:\n  segments: 0x10\n", brokers + "snapshot: {segments: 1_000}\n",
		brokers + "snapshot: {segments: 9223372036854775808, max_read_units: .inf}\n", brokers + "snapshot: {max_read_units: .nan}\n",
		brokers + "apply: &a {rerun: 1}\nsnapshot: *a\n", brokers + "apply:\n  <<: {rerun: 1}\n", brokers + "? a\n: b\n", brokers + "apply: !!map {rerun: !!int \"1\"}\n",
		"name: >\n  folded\n", "name: |\n  literal\n", "name: orders # comment\nname: again\n", "\ufeff" + brokers, "name:\torders\n", "%YAML 1.2\n---\n" + brokers,
		strings.Repeat("[", 1000), strings.Repeat("a: ", 500), strings.Repeat("{a: ", 300), "a: *b\n", "{}", "null", "~", "42", "\"", "'", "name: \"\\x\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("m.yaml", data)
		if err == nil {
			written := print(reflect.ValueOf(*c), c.Live.From)
			again, err := Parse("m.yaml", []byte(written))
			require.NoError(t, err, "%s", written)
			require.Equal(t, c, again, "%s", written)
			require.Equal(t, c.Fingerprint(), again.Fingerprint())
			for field, value := range c.Fingerprint() {
				require.True(t, utf8.ValidString(value), "%s: %q", field, value)
			}
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		require.True(t, ok)
		require.NotEmpty(t, problems.List)
		for _, p := range problems.List {
			require.Positive(t, p.Line)
			require.Positive(t, p.Column)
			require.NotEmpty(t, p.Message)
		}
	})
}

// print is a file that says what the struct holds.
func print(v reflect.Value, from string) string {
	var members []string
	for _, f := range structFields(v.Type()) {
		name, field := f.Tag.Get("yaml"), v.FieldByIndex(f.Index)
		if name == "position" && from != "app" {
			continue // it goes only with that form
		}
		var text string
		switch value := field.Interface().(type) {
		case time.Duration:
			text = value.String()
		case string:
			text = quoteYAML(value)
		case []string:
			var all []string
			for _, s := range value {
				all = append(all, quoteYAML(s))
			}
			text = "[" + strings.Join(all, ", ") + "]"
		default:
			if text = fmt.Sprint(value); field.Kind() == reflect.Struct {
				text = print(field, from)
			}
		}
		if text != `""` && text != "[]" {
			members = append(members, name+": "+text)
		}
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// quoteYAML is s in double quotes, with what is not plain escaped.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r < 0x20 || r > 0x7e:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}
