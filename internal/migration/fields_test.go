package migration

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// minimal are the required fields alone, one a line.
var minimal = []string{
	"name: orders",
	"source: {dynamodb: {table: orders}}",
	"target: {dynamodb: {table: orders-v2}}",
	`kafka: {brokers: ["127.0.0.1:9092"]}`,
}

// file is minimal with one more field, which takes the place of its section if that is there: the line and the column of
// the field's value come with it.
func file(path, value string) (text string, line, column int) {
	parts := strings.Split(path, ".")
	lines := slices.DeleteFunc(slices.Clone(minimal), func(l string) bool { return strings.HasPrefix(l, parts[0]+":") })
	for i, part := range parts {
		indent := strings.Repeat("  ", i)
		if i == len(parts)-1 {
			lines = append(lines, indent+part+": "+value)
			column = len(indent) + len(part) + 3
		} else {
			lines = append(lines, indent+part+":")
		}
	}
	line = len(lines)
	// What the section requires beside the field.
	for _, other := range []struct{ section, needs, text string }{
		{"source.dynamodb", "table", "    table: orders"}, {"target.dynamodb", "table", "    table: orders-v2"},
	} {
		if strings.HasPrefix(path, other.section+".") && parts[2] != other.needs {
			lines = append(lines, other.text)
		}
	}
	return strings.Join(lines, "\n") + "\n", line, column
}

func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("m.yaml", []byte(text))
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// scalars are the fields that hold no others, by path.
func scalars() map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, f := range structFields(t) {
			name := join(path, f.Tag.Get("yaml"))
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, name)
			} else {
				all[name] = f
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

// Every field refuses every value that is not of its type, names itself, what it wants and what it got, and points at the
// value.
func TestEveryFieldRefusesOtherTypes(t *testing.T) {
	wants := map[string]string{
		"string": "a text", "int": "a whole number", "int64": "a whole number", "float64": "a number", "bool": "true or false",
		"Duration": "a duration such as 10m or 30s",
	}
	// By kind of value: how it is written, how the message calls it, and which fields take it.
	values := []struct{ text, called, takenBy string }{
		{"word", `"word"`, "string"},
		{`"12"`, `"12"`, "string"},
		{"12", "12", "int int64 float64"},
		{"1.5", "1.5", "float64"},
		{"true", "true", "bool"},
		{"[a, b]", "a list", "slice"},
		{"{a: b}", "a mapping", ""},
		{".nan", ".nan", ""},
		{".inf", ".inf", ""},
		{"1.0e+300", "1.0e+300", ""},
		{"1e300", `"1e300"`, "string"},
		{"0x1p4", `"0x1p4"`, "string"},
		{"infinity", `"infinity"`, "string"},
		{"9223372036854775808", "9223372036854775808", "float64"},
	}
	for path, field := range scalars() {
		t.Run(path, func(t *testing.T) {
			kind := field.Type.Kind().String()
			if field.Type == reflect.TypeFor[time.Duration]() {
				kind = "Duration"
			}
			for _, v := range values {
				if slices.Contains(strings.Fields(v.takenBy), kind) {
					continue // its bounds are another test's
				}
				text, line, column := file(path, v.text)
				want := fmt.Sprintf("m.yaml:%d:%d: %s: must be %s, not %s", line, column, path, wants[kind], v.called)
				quotable := slices.Contains([]string{"12", "1.5", "true", "1.0e+300", "9223372036854775808"}, v.called)
				switch {
				case kind == "slice":
					want = fmt.Sprintf("m.yaml:%d:%d: %s: must be a list, not %s", line, column, path, v.called)
				case kind == "string" && quotable:
					want += "; put it in quotes"
				}
				require.Contains(t, problemsOf(t, text), want, text)
			}
		})
	}
}

// The bounds in the tags are enforced exactly: the least and the most are taken, and one less or more is not.
func TestEveryBoundIsKept(t *testing.T) {
	bounded := 0
	for path, field := range scalars() {
		for _, b := range []struct {
			tag  string
			step int64
		}{{"min", -1}, {"max", 1}} {
			limit := field.Tag.Get(b.tag)
			if limit == "" {
				continue
			}
			bounded++
			n, err := strconv.ParseInt(limit, 10, 64)
			require.NoError(t, err, path)
			text, line, column := file(path, strconv.FormatInt(n+b.step, 10))
			word := map[string]string{"min": "least", "max": "most"}[b.tag]
			require.Contains(t, problemsOf(t, text), fmt.Sprintf("m.yaml:%d:%d: %s: must be at %s %s", line, column, path, word, limit))
			text, _, _ = file(path, limit)
			for _, problem := range problemsOf(t, text) {
				require.NotContains(t, problem, path+": ", "%s is within the bounds", limit)
			}
		}
	}
	require.Equal(t, 19, bounded, "a bound was added or taken away: change the number")
}

// Of the words that a field may be, each is taken, and no other.
func TestEveryWordIsOneOfThose(t *testing.T) {
	chosen := 0
	for path, field := range scalars() {
		words := strings.Fields(field.Tag.Get("oneof"))
		if len(words) == 0 {
			continue
		}
		chosen++
		text, line, column := file(path, "sideways")
		require.Contains(t, problemsOf(t, text),
			fmt.Sprintf(`m.yaml:%d:%d: %s: must be one of %s, not "sideways"`, line, column, path, strings.Join(words, ", ")))
		for _, word := range words {
			text, _, _ := file(path, word)
			for _, problem := range problemsOf(t, text) {
				require.NotContains(t, problem, "must be one of")
			}
		}
	}
	require.Equal(t, 3, chosen)
}

// Without a value a field has its default; a required one is refused.
func TestEmptyFields(t *testing.T) {
	for path, field := range scalars() {
		text, line, column := file(path, "null")
		problems := problemsOf(t, text)
		if field.Tag.Get("required") == "true" {
			require.Contains(t, problems, fmt.Sprintf("m.yaml:%d:%d: %s: is required and empty", line, column, path))
			continue
		}
		for _, problem := range problems {
			require.NotContains(t, problem, path+": must be", "an empty value is the default")
		}
	}
}

// Each default tag is what a file has that does not name the field, and each section of the struct is read from its own
// place: no field is taken for another.
func TestDefaults(t *testing.T) {
	c, err := Parse("m.yaml", []byte(strings.Join(minimal, "\n")))
	require.NoError(t, err)
	require.Equal(t, Config{
		File: "m.yaml", Name: "orders",
		Source: Side{DynamoDB{Table: "orders"}}, Target: Side{DynamoDB{Table: "orders-v2"}},
		Kafka:      Kafka{Brokers: []string{"127.0.0.1:9092"}, Partitions: 12, WorkPartitions: 64},
		Live:       Live{From: "stream", Position: "offset"},
		Snapshot:   Snapshot{Segments: 64, PagesInFlight: 4, AtOnce: 8},
		Apply:      Apply{InFlight: 64, MaxMemory: 64 << 20},
		Attributes: Attributes{Version: "crossfade_version", Deleted: "crossfade_deleted", Shard: "crossfade_shard", Tombstone: "crossfade_tombstone"},
		Grace:      10 * time.Minute,
	}, *c)
}

// Each field of a file arrives in the field of the struct that has its name.
func TestEveryFieldIsRead(t *testing.T) {
	c, err := Parse("full.yaml", []byte(`name: a-name
source: {dynamodb: {table: old, region: r1, endpoint: "http://e1:1", profile: p1, role_arn: a1}}
target: {dynamodb: {table: new, region: r2, endpoint: "https://e2", profile: p2, role_arn: a2}}
kafka:
  brokers: ["one:1", "two:2"]
  tls: {enabled: true, ca_file: ca, cert_file: cert, key_file: key, server_name: server}
  sasl: {mechanism: scram-sha-512, username: user, password_env: VAR}
  partitions: 3
  work_partitions: 4
  replication: 5
live: {from: app, position: header}
snapshot: {segments: 6, max_read_units: 7.5, pages_in_flight: 8, at_once: 9}
apply: {max_write_units: 1e3, in_flight: 11, max_memory: 1048577, rerun: 13}
attributes: {version: v, deleted: d, shard: s, tombstone: t}
grace: 1m30s
`))
	require.NoError(t, err)
	require.Equal(t, Config{
		File: "full.yaml", Name: "a-name",
		Source: Side{DynamoDB{"old", "r1", "http://e1:1", "p1", "a1"}}, Target: Side{DynamoDB{"new", "r2", "https://e2", "p2", "a2"}},
		Kafka: Kafka{
			Brokers: []string{"one:1", "two:2"}, TLS: TLS{true, "ca", "cert", "key", "server"},
			SASL: SASL{Mechanism: "scram-sha-512", Username: "user", PasswordEnv: "VAR"}, Partitions: 3, WorkPartitions: 4, Replication: 5,
		},
		Live: Live{"app", "header"}, Snapshot: Snapshot{6, 7.5, 8, 9}, Apply: Apply{1000, 11, 1048577, 13},
		Attributes: Attributes{"v", "d", "s", "t"}, Grace: 90 * time.Second,
	}, *c)
}
