package migration

import (
	"fmt"
	"strings"
)

// examples are the values of the fields that have no default and stand in the template.
var examples = map[string]string{
	"name":                     "orders",
	"source.dynamodb.table":    "orders",
	"source.dynamodb.region":   "eu-west-1",
	"source.dynamodb.endpoint": "http://127.0.0.1:8000",
	"target.dynamodb.table":    "orders-v2",
	"target.dynamodb.region":   "eu-west-1",
	"target.dynamodb.endpoint": "http://127.0.0.1:8000",
	"kafka.brokers":            `["127.0.0.1:9092"]`,
}

// Template is a complete file with every field, its documentation and its default: what `crossfade init` prints.
func Template() string {
	var b strings.Builder
	b.WriteString("# A migration, for crossfade. Only name, source, target and kafka are required;\n# what is commented out stands at its default.\n")
	for _, f := range Fields() {
		indent := strings.Repeat("  ", f.Depth)
		name := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
		if f.Depth == 0 {
			b.WriteByte('\n')
		}
		for _, line := range wrap(f.Doc, 100-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		example, given := examples[f.Path]
		switch {
		case f.Section && sectionGiven(f.Path):
			fmt.Fprintf(&b, "%s%s:\n", indent, name)
		case f.Section:
			fmt.Fprintf(&b, "#%s%s:\n", indent, name)
		case given:
			fmt.Fprintf(&b, "%s%s: %s\n", indent, name, example)
		case f.Default != "":
			fmt.Fprintf(&b, "#%s%s: %s\n", indent, name, f.Default)
		default:
			fmt.Fprintf(&b, "#%s%s: \"\"\n", indent, name)
		}
	}
	return b.String()
}

// sectionGiven reports whether an example stands below this section.
func sectionGiven(path string) bool {
	for field := range examples {
		if strings.HasPrefix(field, path+".") {
			return true
		}
	}
	return false
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// Markdown is docs/CONFIGURATION.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\nMade from the structs of `internal/migration` by `go generate ./internal/migration`; edit those.\n\n" +
		"Unknown names, wrong types and impossible combinations are errors with line and column, all of them at once.\n" +
		"Durations are written like `10m` or `30s`.\n\n| field | type | default | meaning |\n|---|---|---|---|\n")
	for _, f := range Fields() {
		standard := "`" + f.Default + "`"
		switch {
		case f.Required:
			standard = "required"
		case f.Default == "":
			standard = ""
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Path, f.Type, standard, strings.ReplaceAll(f.Doc, "|", `\|`))
	}
	return b.String()
}
