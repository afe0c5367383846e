package migration

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/parser"
)

// structFields are the fields of a struct that a file can have, in their order.
func structFields(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for f := range t.Fields() {
		if f.Tag.Get("yaml") != "-" {
			fields = append(fields, f)
		}
	}
	return fields
}

func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	byName := map[string]reflect.StructField{}
	for _, f := range structFields(t) {
		byName[f.Tag.Get("yaml")] = f
	}
	return byName
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// setDefaults fills a struct from its default tags.
func setDefaults(v reflect.Value) {
	for _, f := range structFields(v.Type()) {
		field := v.FieldByIndex(f.Index)
		text := f.Tag.Get("default")
		switch {
		case field.Kind() == reflect.Struct:
			setDefaults(field)
		case text != "":
			tree, err := parser.ParseBytes([]byte(text), 0)
			if err != nil {
				panic(fmt.Sprintf("migration: default of %s: %v", f.Name, err))
			}
			if message := set(field, tree.Docs[0].Body, text); message != "" {
				panic(fmt.Sprintf("migration: default of %s: %s", f.Name, message))
			}
		}
	}
}

// suggest offers the known name that is nearest to an unknown one.
func suggest(name string, fields map[string]reflect.StructField) string {
	best, distance := "", 3
	names := make([]string, 0, len(fields))
	for known := range fields {
		names = append(names, known)
	}
	slices.Sort(names)
	for _, known := range names {
		if d := edits(name, known); d < distance {
			best, distance = known, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(names, ", ")
}

// edits is the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Field is one field of the file, for its documentation.
type Field struct {
	Path     string // dotted
	Type     string
	Default  string
	Required bool
	Doc      string
	Section  bool // it holds other fields
	Depth    int
}

// Fields are all fields in the order of the file.
func Fields() []Field { return fieldsBelow(reflect.TypeFor[Config](), "", 0) }

func fieldsBelow(t reflect.Type, path string, depth int) []Field {
	var all []Field
	for _, f := range structFields(t) {
		field := Field{
			Path: join(path, f.Tag.Get("yaml")), Type: typeName(f.Type), Default: f.Tag.Get("default"),
			Required: f.Tag.Get("required") == "true", Doc: f.Tag.Get("doc"), Section: f.Type.Kind() == reflect.Struct, Depth: depth,
		}
		all = append(all, field)
		if field.Section {
			all = append(all, fieldsBelow(f.Type, field.Path, depth+1)...)
		}
	}
	return all
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Struct:
		return "mapping"
	case t.Kind() == reflect.Slice:
		return "list of texts"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "number"
	}
	return "whole number"
}
