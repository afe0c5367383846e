package migration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sections are the fields that hold others, by path, with the names that they know.
func sections() map[string][]string {
	all := map[string][]string{"": namesOf(reflect.TypeFor[Config]())}
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for _, f := range structFields(t) {
			if f.Type.Kind() == reflect.Struct {
				name := join(path, f.Tag.Get("yaml"))
				all[name] = namesOf(f.Type)
				walk(f.Type, name)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

func namesOf(t reflect.Type) []string {
	var names []string
	for _, f := range structFields(t) {
		names = append(names, f.Tag.Get("yaml"))
	}
	slices.Sort(names)
	return names
}

// A name that a section does not know is a problem where it stands, with the names that it knows; and when one of those is
// near, with that one.
func TestUnknownNamesInEverySection(t *testing.T) {
	for section, names := range sections() {
		text, line, column := file(join(section, "nothing_like_it"), "1")
		column -= len("nothing_like_it: ")
		require.Contains(t, problemsOf(t, text), fmt.Sprintf("m.yaml:%d:%d: %s: unknown name; known are %s",
			line, column, join(section, "nothing_like_it"), strings.Join(names, ", ")), text)
		for _, name := range names {
			wrong := name + "x"
			text, line, column := file(join(section, wrong), "1")
			column -= len(wrong + ": ")
			require.Contains(t, problemsOf(t, text), fmt.Sprintf("m.yaml:%d:%d: %s: unknown name; did you mean %q?", line, column, join(section, wrong), name))
		}
	}
}

// A name that stands twice is a problem at its second place, whatever else is wrong: one of the two would be left out in
// silence.
func TestNamesThatStandTwice(t *testing.T) {
	for path := range scalars() {
		text, line, _ := file(path, "null")
		lines := strings.Split(text, "\n")
		twice := strings.Join(slices.Insert(lines, line, lines[line-1]), "\n")
		column := 1 + len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
		require.Contains(t, problemsOf(t, twice), fmt.Sprintf("m.yaml:%d:%d: %s: stands here a second time", line+1, column, path), twice)
	}
	require.Equal(t, []string{
		"m.yaml:4:1: kafka: stands here a second time", "m.yaml:5:1: source: stands here a second time",
		"m.yaml:6:25: snapshot.segments: stands here a second time", "m.yaml:7:8: grace: must be a duration such as 10m or 30s, not 1",
	}, problemsOf(t, strings.Join([]string{
		"name: orders", "source: {dynamodb: {table: orders}}", `kafka: {brokers: ["a:1"]}`, `kafka: {brokers: ["b:1"]}`, "source: {dynamodb: {table: others}}",
		"snapshot: {segments: 1, segments: 2}", "grace: 1", "target: {dynamodb: {table: orders-v2}}",
	}, "\n")))
}

// Each required field alone is missing.
func TestRequiredFields(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"source: {dynamodb: {table: orders}}\ntarget: {dynamodb: {table: orders-v2}}\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:1:7: name: is required and missing"},
		{"name: orders\ntarget: {dynamodb: {table: orders-v2}}\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:1:5: source: is required and missing"},
		{"name: orders\nsource: {}\ntarget: {dynamodb: {table: orders-v2}}\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:2:9: source.dynamodb: is required and missing"},
		{"name: orders\nsource: {dynamodb: {region: r}}\ntarget: {dynamodb: {table: orders-v2}}\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:2:20: source.dynamodb.table: is required and missing"},
		{"name: orders\nsource: {dynamodb: {table: orders}}\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:1:5: target: is required and missing"},
		{"name: orders\nsource: {dynamodb: {table: orders}}\ntarget:\nkafka: {brokers: [\"a:1\"]}\n", "m.yaml:3:8: target: is required and empty"},
		{"name: orders\nsource: {dynamodb: {table: orders}}\ntarget: {dynamodb: {table: orders-v2}}\n", "m.yaml:1:5: kafka: is required and missing"},
	} {
		require.Equal(t, []string{c.want}, problemsOf(t, c.text), c.text)
	}
}

// Each combination that no tag can forbid, alone in a file that is well otherwise.
func TestCombinations(t *testing.T) {
	for _, c := range []struct{ field, value, want string }{
		{"name", "a/b", `name: must be 1 to 200 letters, digits, '.', '_' or '-', not "a/b"`},
		{"name", strings.Repeat("x", 201), `name: must be 1 to 200 letters, digits, '.', '_' or '-', not "` + strings.Repeat("x", 201) + `"`},
		{"name", strings.Repeat("x", 200), ""},
		{"grace", "999ms", "grace: must be at least 1s, not 999ms"},
		{"grace", "-1h", "grace: must be at least 1s, not -1h0m0s"},
		{"grace", "1s", ""},
		{"source.dynamodb", "{table: ab}", `source.dynamodb.table: must be a table's name of 3 to 255 characters, not "ab"`},
		{"source.dynamodb", "{table: " + strings.Repeat("x", 256) + "}", `source.dynamodb.table: must be a table's name of 3 to 255 characters, not "` + strings.Repeat("x", 256) + `"`},
		{"source.dynamodb", "{table: abc}", ""},
		{"source.dynamodb", `{table: "arn:aws:dynamodb:eu-west-1:1:table/` + strings.Repeat("x", 255) + `"}`, ""},
		{"target.dynamodb", "{table: orders}", "target.dynamodb: is the same table as source.dynamodb"},
		{"target.dynamodb", "{table: orders, region: elsewhere}", ""},
		{"target.dynamodb", `{table: orders-v2, endpoint: "127.0.0.1:8000"}`, `target.dynamodb.endpoint: must be a URL such as http://127.0.0.1:8000, not "127.0.0.1:8000"`},
		{"target.dynamodb", `{table: orders-v2, endpoint: "ftp://h"}`, `target.dynamodb.endpoint: must be a URL such as http://127.0.0.1:8000, not "ftp://h"`},
		{"target.dynamodb", `{table: orders-v2, endpoint: "http://"}`, `target.dynamodb.endpoint: must be a URL such as http://127.0.0.1:8000, not "http://"`},
		{"kafka", "{partitions: 1}", "kafka: needs brokers, or embedded with dir"},
		{"kafka", "{embedded: {}}", "kafka: needs brokers, or embedded with dir"},
		{"kafka", "{brokers: []}", "kafka: needs brokers, or embedded with dir"},
		{"kafka", `{brokers: ["h:1"], embedded: {dir: d}}`, "kafka.embedded: does not go with kafka.brokers: choose one"},
		{"kafka", `{brokers: ["h:1", "h"]}`, `kafka.brokers: must each be host:port, not "h"`},
		{"kafka", `{brokers: ["h:1", ""]}`, `kafka.brokers[1]: must be a text, not ""`},
		{"kafka", `{brokers: ["h:1", 7]}`, `kafka.brokers[1]: must be a text, not 7`},
		{"kafka", "{embedded: {dir: d}, tls: {enabled: true}}", "kafka.tls: does not go with kafka.embedded"},
		{"kafka", `{brokers: ["h:1"], tls: {enabled: true, key_file: k}}`, "kafka.tls: cert_file and key_file go together"},
		{"kafka", `{brokers: ["h:1"], tls: {ca_file: c}}`, "kafka.tls: has settings and enabled is false"},
		{"kafka", `{brokers: ["h:1"], tls: {enabled: true, cert_file: c, key_file: k}}`, ""},
		{"kafka", "{embedded: {dir: d}, sasl: {mechanism: plain, username: u, password_env: P}}", "kafka.sasl: does not go with kafka.embedded"},
		{"kafka", `{brokers: ["h:1"], sasl: {username: u, password_env: P}}`, "kafka.sasl: needs mechanism and username"},
		{"kafka", `{brokers: ["h:1"], sasl: {mechanism: plain, password_env: P}}`, "kafka.sasl: needs mechanism and username"},
		{"kafka", `{brokers: ["h:1"], sasl: {mechanism: plain, username: u}}`, "kafka.sasl: needs one of password_env and password_file"},
		{"kafka", `{brokers: ["h:1"], sasl: {mechanism: plain, username: u, password_env: P, password_file: f}}`, "kafka.sasl: needs one of password_env and password_file"},
		{"kafka", `{brokers: ["h:1"], sasl: {mechanism: plain, username: u, password_file: f}}`, ""},
		{"live", "{position: offset}", "live.position: goes only with live.from: app, not stream"},
		{"live", "{from: none, position: header}", "live.position: goes only with live.from: app, not none"},
		{"live", "{from: app, position: header}", ""},
		{"attributes", `{version: ""}`, "attributes.version: must have 1 to 255 bytes"},
		{"attributes", "{shard: " + strings.Repeat("x", 256) + "}", "attributes.shard: must have 1 to 255 bytes"},
		{"attributes", "{tombstone: crossfade_deleted}", "attributes.tombstone: has the same name as attributes.deleted"},
	} {
		text, _, _ := file(c.field, c.value)
		problems := problemsOf(t, text)
		if c.want == "" {
			require.Empty(t, problems, text)
			continue
		}
		require.Len(t, problems, 1, text)
		require.Regexp(t, `^m\.yaml:\d+:\d+: `, problems[0])
		_, problem, _ := strings.Cut(problems[0], ": ")
		require.Equal(t, c.want, problem)
	}
}

// What is no mapping, no YAML, more than one document, or nothing.
func TestFilesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "m.yaml:1:1: the file is empty; 'crossfade init' prints one to start from",
		"# only a comment\n":          "m.yaml:1:1: the file is empty; 'crossfade init' prints one to start from",
		"- name: orders\n":            "m.yaml:1:1: must be a mapping of names to values, not a list",
		"orders\n":                    `m.yaml:1:1: must be a mapping of names to values, not "orders"`,
		"name: a\n---\nname: b\n":     "m.yaml:3:5: the file holds more than one document",
		"name: \"not closed\nmore: 1": "m.yaml:1:7: could not find end character of double-quoted text",
	} {
		require.Equal(t, []string{want}, problemsOf(t, text), "%q", text)
	}
}

// A file that cannot be read is one problem, which names it once.
func TestFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "orders.yaml")
	_, err := Load(missing)
	require.EqualError(t, err, missing+": no such file or directory; 'crossfade init' prints a file to start from")
	_, ok := errors.AsType[*Problems](err)
	require.True(t, ok)

	_, err = Load(folder)
	require.EqualError(t, err, folder+": is a directory")

	require.NoError(t, os.WriteFile(missing, []byte(strings.Join(minimal, "\n")), 0o600))
	c, err := Load(missing)
	require.NoError(t, err)
	require.Equal(t, missing, c.File)
}

// The fields that must not change after create are these, and no others: a change of any other is none.
func TestFingerprint(t *testing.T) {
	fixed := map[string]string{
		"name": "others", "source.dynamodb.table": "others", "source.dynamodb.region": "elsewhere", "target.dynamodb.table": "others-v2",
		"target.dynamodb.region": "elsewhere", "kafka.partitions": "13", "kafka.work_partitions": "65", "live.from": "none", "snapshot.segments": "65",
		"attributes.version": "v", "attributes.deleted": "d", "attributes.shard": "s", "attributes.tombstone": "t", "grace": "11m",
	}
	free := map[string]string{
		"source.dynamodb.endpoint": `"http://h:1"`, "source.dynamodb.profile": "p", "source.dynamodb.role_arn": "a",
		"target.dynamodb.endpoint": `"http://h:1"`, "target.dynamodb.profile": "p", "target.dynamodb.role_arn": "a",
		"kafka.replication": "3", "snapshot.max_read_units": "10", "snapshot.pages_in_flight": "1", "snapshot.at_once": "1",
		"apply.max_write_units": "10", "apply.in_flight": "1", "apply.max_memory": "2000000", "apply.rerun": "1",
	}
	// How the brokers are reached takes several fields at once.
	secured := map[string]string{
		"kafka.brokers": `["other:1"]`, "kafka.embedded.dir": "", "kafka.tls.enabled": "", "kafka.tls.ca_file": "", "kafka.tls.cert_file": "", "kafka.tls.key_file": "",
		"kafka.tls.server_name": "", "kafka.sasl.mechanism": "", "kafka.sasl.username": "", "kafka.sasl.password_env": "", "kafka.sasl.password_file": "",
	}
	before, err := Parse("m.yaml", []byte(strings.Join(minimal, "\n")))
	require.NoError(t, err)
	for path := range scalars() {
		value, isFixed := fixed[path]
		if !isFixed {
			var isFree bool
			if value, isFree = free[path]; !isFree {
				_, known := secured[path]
				require.True(t, known || path == "live.position", "%s: say here whether it may change after create", path)
				continue
			}
		}
		text, _, _ := file(path, value)
		if section, name, _ := strings.Cut(path, "."); section == "kafka" {
			text, _, _ = file("kafka", fmt.Sprintf(`{brokers: ["127.0.0.1:9092"], %s: %s}`, name, value))
		}
		after, err := Parse("m.yaml", []byte(text))
		require.NoError(t, err, text)
		differences := Differences(before.Fingerprint(), after.Fingerprint())
		if !isFixed {
			require.Empty(t, differences, path)
			continue
		}
		require.Len(t, differences, 1, path)
		require.Equal(t, path, differences[0].Field)
		require.NotEqual(t, differences[0].Recorded, differences[0].Now)
	}
	// The position counts with from: app only; there a change of it is one.
	app := func(position string) map[string]string {
		c, err := Parse("m.yaml", []byte(strings.Join(minimal, "\n")+"\nlive: {from: app, position: "+position+"}\n"))
		require.NoError(t, err)
		return c.Fingerprint()
	}
	require.Equal(t, []Difference{{"live.position", "offset", "header"}}, Differences(app("offset"), app("header")))
	require.NotContains(t, before.Fingerprint(), "live.position")
	// How the brokers are reached may change.
	text, _, _ := file("kafka", `{brokers: ["other:1"], tls: {enabled: true, ca_file: c, cert_file: c, key_file: k, server_name: s}, sasl: {mechanism: plain, username: u, password_env: P}}`)
	after, err := Parse("m.yaml", []byte(text))
	require.NoError(t, err)
	require.Empty(t, Differences(before.Fingerprint(), after.Fingerprint()))
}

// The template names every field once, and with what is commented out taken in, it says the defaults.
func TestTemplateIsComplete(t *testing.T) {
	given, err := Parse("migration.yaml", []byte(Template()))
	require.NoError(t, err)
	var whole strings.Builder
	fields := map[string]int{}
	for line := range strings.Lines(Template()) {
		plain := strings.TrimPrefix(line, "#")
		if name, _, ok := strings.Cut(strings.TrimSpace(plain), ":"); ok && !strings.Contains(name, " ") {
			fields[name]++
		} else if plain != line || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue // documentation
		}
		// What has no default stands there with an empty text, and each of these would be a problem of its own.
		if !strings.HasSuffix(strings.TrimSpace(plain), `: ""`) && !strings.Contains(plain, "position:") {
			whole.WriteString(plain)
		}
	}
	want := map[string]int{}
	for _, f := range Fields() {
		want[f.Path[strings.LastIndexByte(f.Path, '.')+1:]]++
	}
	require.Equal(t, want, fields)
	all, err := Parse("migration.yaml", []byte(whole.String()))
	require.NoError(t, err, whole.String())
	require.Equal(t, given, all, "a commented default is not the default")
}

// docs/CONFIGURATION.md is what docgen writes from the same fields.
func TestDocumentationNamesEveryField(t *testing.T) {
	page := Markdown()
	for _, f := range Fields() {
		require.Equal(t, 1, strings.Count(page, "| `"+f.Path+"` |"), f.Path)
		require.NotEmpty(t, f.Doc, f.Path)
		require.True(t, strings.HasSuffix(f.Doc, ".") || strings.HasSuffix(f.Doc, ")."), "%s: a sentence ends with a full stop", f.Path)
	}
}
