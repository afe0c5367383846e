package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// run is what one run of one part came to.
type run struct {
	part     string
	took     time.Duration
	cpu      time.Duration            // of all its processes: what it takes of a machine that is busy
	packages map[string]time.Duration // how long the tests of each package took
	failed   []string                 // tests, sorted: the innermost of those that failed within each other
}

// event is a line of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

const module = "github.com/crossfadedb/crossfade/"

// maxLine is more than a line of output with its frame has.
const maxLine = 16 << 20

// read takes the events of a part, and writes to text what the tests have written.
func read(part string, events io.Reader, text io.Writer) (run, error) {
	b := &book{running: map[string]map[string]bool{}, run: run{part: part, packages: map[string]time.Duration{}}}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			e = event{Output: lines.Text() + "\n"} // not of go test
		}
		if _, err := io.WriteString(text, e.Output); err != nil {
			return run{}, err
		}
		b.note(e)
	}
	slices.Sort(b.run.failed)
	return b.run, lines.Err()
}

// book follows the events of a run.
type book struct {
	running map[string]map[string]bool // tests that have begun and not ended, by package
	run     run
}

func (b *book) note(e event) {
	name := strings.TrimPrefix(e.Package, module)
	switch e.Action {
	case "run":
		if b.running[name] == nil {
			b.running[name] = map[string]bool{}
		}
		b.running[name][e.Test] = true
	case "pass", "skip", "fail":
		if e.Test == "" {
			b.end(name, e)
			return
		}
		delete(b.running[name], e.Test)
		if e.Action == "fail" {
			b.fail(name + " " + e.Test)
		}
	}
}

// end is the end of a package. Tests that have not ended before are those in which the process died.
func (b *book) end(name string, e event) {
	b.run.packages[name] = time.Duration(e.Elapsed * float64(time.Second))
	if e.Action != "fail" {
		return
	}
	before := len(b.run.failed)
	for _, test := range slices.Sorted(maps.Keys(b.running[name])) {
		b.fail(fmt.Sprintf("%s %s", name, test))
	}
	ofThis := func(test string) bool { return strings.HasPrefix(test, name+" ") }
	switch {
	case e.FailedBuild != "":
		b.fail(name + " (does not build)")
	case len(b.run.failed) == before && !slices.ContainsFunc(b.run.failed, ofThis):
		b.fail(name + " (no test: a leak, or the end of the process)")
	}
}

// fail notes a failure. A test whose subtest has failed is not counted beside it: subtests end first, and those that do not
// end are noted in the order of their names.
func (b *book) fail(test string) {
	within := func(inner string) bool { return strings.HasPrefix(inner, test+"/") }
	if slices.ContainsFunc(b.run.failed, within) {
		return
	}
	b.run.failed = slices.DeleteFunc(b.run.failed, func(outer string) bool { return strings.HasPrefix(test, outer+"/") })
	b.run.failed = append(b.run.failed, test)
}
