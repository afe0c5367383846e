package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/migration"
)

func itoa(n int) string { return strconv.Itoa(n) }

// each calls visit with every match of a pattern's first group in every page, and where it stands.
func each(t *testing.T, pattern string, visit func(p page, found, at string)) {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	for _, p := range pages(t) {
		for _, m := range expression.FindAllStringSubmatchIndex(p.text, -1) {
			visit(p, p.text[m[2]:m[3]], p.at(m[2]))
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	each(t, `\]\(([^)\s]+)\)`, func(p page, link, at string) {
		if strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://") {
			return
		}
		file, anchor, _ := strings.Cut(link, "#")
		path := p.path
		if file != "" {
			path = filepath.Join(filepath.Dir(p.path), file)
		}
		text, err := os.ReadFile(path)
		if info, e := os.Stat(path); e == nil && info.IsDir() {
			err = nil
		}
		if !requireThat(t, err == nil, "%s: %s is not there", at, link) || anchor == "" {
			return
		}
		requireThat(t, slices.Contains(anchors(string(text)), anchor), "%s: %s has no heading for #%s", at, path, anchor)
	})
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unsaid  = regexp.MustCompile("[^a-z0-9 _-]")
)

// anchors are those of a page's headings.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

func TestFilesAreThere(t *testing.T) {
	each(t, "`(?:\\./)?((?:internal|cmd|docs|scripts|tools|testdata)/[A-Za-z0-9_./*{},-]+)`", func(_ page, path, at string) {
		found, err := filepath.Glob(filepath.Join(root, path))
		requireThat(t, err == nil && len(found) > 0, "%s: %s is not there", at, path)
	})
}

func TestTargetsOfMakeAreThere(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	each(t, "`make ([a-z][a-z -]*)", func(_ page, targets, at string) {
		for target := range strings.FieldsSeq(targets) {
			known := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(makefile)
			requireThat(t, known, "%s: make knows no %s", at, target)
		}
	})
}

func TestTestsAreThere(t *testing.T) {
	s := read(t)
	each(t, `\b((?:Test|Fuzz|Example)[A-Z][A-Za-z0-9_]+)\b`, func(_ page, name, at string) {
		requireThat(t, s.tests[name], "%s: there is no test %s", at, name)
	})
}

// A flag of another program stands in a page with that program.
var othersFlags = []string{"build-arg", "init", "scale", "profile", "rm", "strip-components"}

func TestFlagsAreThere(t *testing.T) {
	s := read(t)
	each(t, `[\s"`+"`"+`=(]--([a-z][a-z-]+)`, func(_ page, flag, at string) {
		requireThat(t, s.flags[flag] || slices.Contains(othersFlags, flag) || flag == "help" || flag == "version" || flag == "trial",
			"%s: no command has a flag --%s", at, flag)
	})
}

// A page names what the program declares as package.Name, package.Type.Member or package.(*Type).Method.
func TestNamesOfTheProgramAreThere(t *testing.T) {
	s := read(t)
	fields := map[string]bool{}
	for _, f := range migration.Fields() {
		fields[f.Path] = true
	}
	check := func(name, at string) {
		plain := strings.NewReplacer("(*", "", ")", "").Replace(name)
		if of, _, _ := strings.Cut(plain, "."); s.packages[of] && of != "main" && !fileName.MatchString(plain) {
			requireThat(t, s.names[plain], "%s: %s does not declare it: %s", at, of, name)
		}
	}
	each(t, "`([a-z]+\\.(?:\\(\\*[A-Za-z]+\\)|[A-Za-z]+)(?:\\.[A-Za-z]+)?)`", func(p page, name, at string) {
		if !fields[name] && filepath.Base(p.path) != "STATUS.md" { // whose names are those of the JSON
			check(name, at)
		}
	})

	script, err := os.ReadFile(filepath.Join(root, "scripts/follow.dlv"))
	require.NoError(t, err)
	stations := regexp.MustCompile(`(?m)^break (\w+) (\S+)$`).FindAllStringSubmatch(string(script), -1)
	require.NotEmpty(t, stations)
	guide, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	require.NoError(t, err)
	for _, station := range stations {
		check(station[2], "scripts/follow.dlv")
		requireThat(t, strings.Contains(string(guide), "`"+station[1]+"`") && strings.Contains(string(guide), "`"+station[2]+"`"),
			"CONTRIBUTING.md does not name the station %s", station[1])
	}
}

var fileName = regexp.MustCompile(`\.(go|md|py|yaml|yml|sh|svg|csv|dlv|facts|json|snapshot|live|dlq|work|control)$`)

// The flag of a field is what kong makes of its name.
func TestFlagsOfFields(t *testing.T) {
	for name, want := range map[string]string{"DryRun": "dry-run", "JSON": "json", "File": "file", "NewTableUnused": "new-table-unused"} {
		require.Equal(t, want, kebab(name))
	}
}

// requireThat fails the test and goes on, so that one run names everything.
func requireThat(t *testing.T, ok bool, format string, args ...any) bool {
	t.Helper()
	if !ok {
		t.Errorf(format, args...)
	}
	return ok
}

// Every folder with a package of its own has a line among the rooms.
func TestEveryRoomIsListed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/ARCHITECTURE.md"))
	require.NoError(t, err)
	rooms := 0
	for _, pattern := range []string{"cmd/*/*.go", "internal/*/*.go", "internal/lab/*/*.go", "internal/embedded/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, file := range files {
			folder, err := filepath.Rel(root, filepath.Dir(file))
			require.NoError(t, err)
			if !seen[folder] {
				seen[folder] = true
				rooms++
				requireThat(t, strings.Contains(string(text), "`"+filepath.ToSlash(folder)+"`"), "docs/ARCHITECTURE.md: %s has no line among the rooms", folder)
			}
		}
	}
	require.Greater(t, rooms, 20)
}
