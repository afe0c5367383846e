package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the folder of the module, as the tests see it.
const root = "../../.."

// source is what the program declares.
type source struct {
	tests    map[string]bool // names of tests, examples, fuzz targets and benchmarks
	packages map[string]bool // names of packages
	names    map[string]bool // of each package: package.Name, package.Type.Member, package.Type
	flags    map[string]bool // of all commands, without dashes
}

// read parses every Go file of the module and of the tools.
func read(t *testing.T) source {
	t.Helper()
	s := source{tests: map[string]bool{}, packages: map[string]bool{}, names: map[string]bool{}, flags: map[string]bool{}}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s.declared(file, strings.HasSuffix(path, "_test.go"))
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, s.tests)
	return s
}

func (s source) declared(file *ast.File, test bool) {
	name := strings.TrimSuffix(file.Name.Name, "_test")
	s.packages[name] = true
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if test && d.Recv == nil {
				s.tests[d.Name.Name] = true
			}
			s.names[name+"."+receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				s.specified(name, spec)
			}
		}
	}
}

// receiver is the type that a method belongs to, with a dot; empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
		of = generic.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}

func (s source) specified(name string, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range spec.Names {
			s.names[name+"."+n.Name] = true
		}
	case *ast.TypeSpec:
		of := name + "." + spec.Name.Name
		s.names[of] = true
		switch kind := spec.Type.(type) {
		case *ast.StructType:
			s.members(of, kind.Fields)
		case *ast.InterfaceType:
			s.members(of, kind.Methods)
		}
	}
}

func (s source) members(of string, fields *ast.FieldList) {
	for _, f := range fields.List {
		for _, n := range f.Names {
			s.names[of+"."+n.Name] = true
			if f.Tag != nil && reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("help") != "" {
				s.flags[kebab(n.Name)] = true
			}
		}
	}
}

var word = regexp.MustCompile(`[A-Z]+[a-z0-9]*`)

// kebab is the flag of a field, as kong names it: DryRun is dry-run.
func kebab(name string) string {
	return strings.ToLower(strings.Join(word.FindAllString(name, -1), "-"))
}

// page is a document.
type page struct{ path, text string }

// pages are all documents of the module.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	for _, pattern := range []string{"*.md", "docs/*.md", "testdata/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			all = append(all, page{path, string(text)})
		}
	}
	require.Greater(t, len(all), 8)
	return all
}

// at is where in a page something stands, for messages.
func (p page) at(offset int) string {
	short, err := filepath.Rel(root, p.path)
	if err != nil {
		short = p.path
	}
	return short + ":" + itoa(1+strings.Count(p.text[:offset], "\n"))
}
