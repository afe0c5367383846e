package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const apply = `"Package":"github.com/crossfadedb/crossfade/internal/apply"`

// A run is read from the lines of go test.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		failed []string
	}{
		"all is well": {`{"Action":"start",` + apply + `}
{"Action":"run",` + apply + `,"Test":"TestA"}
{"Action":"pass",` + apply + `,"Test":"TestA"}
{"Action":"pass",` + apply + `,"Elapsed":1.5}
`, nil},
		"only the innermost test counts": {`{"Action":"start",` + apply + `}
{"Action":"run",` + apply + `,"Test":"TestA"}
{"Action":"run",` + apply + `,"Test":"TestA/b"}
{"Action":"run",` + apply + `,"Test":"TestA/c"}
{"Action":"fail",` + apply + `,"Test":"TestA/b"}
{"Action":"pass",` + apply + `,"Test":"TestA/c"}
{"Action":"fail",` + apply + `,"Test":"TestA"}
{"Action":"fail",` + apply + `,"Elapsed":1.5}
`, []string{"internal/apply TestA/b"}},
		"a test that ends the process has no end of its own": {`{"Action":"start",` + apply + `}
{"Action":"run",` + apply + `,"Test":"TestA"}
{"Action":"pass",` + apply + `,"Test":"TestA"}
{"Action":"run",` + apply + `,"Test":"TestB"}
{"Action":"run",` + apply + `,"Test":"TestB/c"}
{"Action":"output",` + apply + `,"Test":"TestB/c","Output":"panic: out\n"}
{"Action":"fail",` + apply + `,"Elapsed":1.5}
`, []string{"internal/apply TestB/c"}},
		"a package fails without a test": {`{"Action":"start",` + apply + `}
{"Action":"run",` + apply + `,"Test":"TestA"}
{"Action":"pass",` + apply + `,"Test":"TestA"}
{"Action":"fail",` + apply + `,"Elapsed":1.5}
`, []string{"internal/apply (no test: a leak, or the end of the process)"}},
		"a package does not build": {`{"Action":"build-output","ImportPath":"internal/apply","Output":"undefined: x\n"}
{"Action":"build-fail","ImportPath":"internal/apply"}
{"Action":"start",` + apply + `}
{"Action":"fail",` + apply + `,"FailedBuild":"internal/apply"}
`, []string{"internal/apply (does not build)"}},
		"a failure in one package, and a leak in another": {`{"Action":"start",` + apply + `}
{"Action":"start","Package":"github.com/crossfadedb/crossfade/internal/sweep"}
{"Action":"run",` + apply + `,"Test":"TestA"}
{"Action":"fail",` + apply + `,"Test":"TestA"}
{"Action":"fail",` + apply + `,"Elapsed":1.5}
{"Action":"fail","Package":"github.com/crossfadedb/crossfade/internal/sweep","Elapsed":1}
`, []string{"internal/apply TestA", "internal/sweep (no test: a leak, or the end of the process)"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := read("packages", strings.NewReader(c.events), &strings.Builder{})
			require.NoError(t, err)
			require.Equal(t, c.failed, r.failed)
			require.Contains(t, r.packages, "internal/apply")
		})
	}
}

// What the tests write is kept as text, and so is what is not of go test.
func TestReadKeepsOutput(t *testing.T) {
	text := &strings.Builder{}
	_, err := read("packages", strings.NewReader(`make: something
{"Action":"start",`+apply+`}
{"Action":"output",`+apply+`,"Output":"ok  \tinternal/apply\n"}
{}
`), text)
	require.NoError(t, err)
	require.Equal(t, "make: something\nok  \tinternal/apply\n{}\n", text.String())
}

func TestTable(t *testing.T) {
	all := newTally()
	for n, took := range []time.Duration{30 * time.Second, 10 * time.Second, 20 * time.Second} {
		r := run{part: "packages", took: took, cpu: 2 * took, packages: map[string]time.Duration{
			"internal/apply": took / 2, "internal/pace": time.Second,
		}}
		if n == 1 {
			r.failed = []string{"internal/apply TestA/b"}
		}
		all.add(r)
		all.add(run{part: "model", took: 25 * time.Second, cpu: 49 * time.Second, packages: map[string]time.Duration{"internal/lab/model": 24 * time.Second}})
	}
	require.Equal(t, 1, all.failures())
	var lines []string
	for line := range strings.Lines(all.table()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	require.Equal(t, []string{
		"part green min median max processor time",
		"packages 2 of 3 10s 20s 30s 40s",
		"internal/apply 5s 10s 15s",
		"model 3 of 3 25s 25s 25s 49s",
		"",
		"test failed",
		"internal/apply TestA/b 1 of 3",
	}, lines)
}

func TestBurnEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	wait := burn(ctx, 2)
	cancel()
	wait()
}
