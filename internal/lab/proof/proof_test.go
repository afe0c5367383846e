package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outputs are lines as the parts write them, and what is counted in them.
var outputs = map[string]struct {
	text   string
	counts []int
}{
	"model": {`--- PASS: TestEveryInterleaving (0.00s)
    --- PASS: TestEveryInterleaving/plain (1.42s)
        model_test.go:79: 120 states, 450 steps, 12 deep, 3 of them quiet
    --- PASS: TestEveryInterleaving/sweep (1.42s)
        model_test.go:79: 1003 states, 4500 steps, 12 deep, 3 of them quiet
--- PASS: TestEveryGuardIsNeeded (0.00s)
    --- PASS: TestEveryGuardIsNeeded/Markers (0.10s)
        model_test.go:181: 77 states
            1  the application puts
ok  	github.com/crossfadedb/crossfade/internal/lab/model	12.3s
--- PASS: TestEveryInterleavingOfLanes (0.00s)
    --- PASS: TestEveryInterleavingOfLanes/lanes (1.42s)
        lanes_search_test.go:30: 1000 states, 4500 steps, 12 deep, 3 of them quiet
--- PASS: TestEveryGuardOfLanesIsNeeded (0.00s)
    --- PASS: TestEveryGuardOfLanesIsNeeded/CommitContiguous (0.10s)
`, []int{3, 2123, 2}},
	"simulation": {`--- PASS: TestSeeds (0.00s)
    --- PASS: TestSeeds/1 (1.42s)
    --- PASS: TestSeeds/2 (1.42s)
    --- FAIL: TestSeeds/3 (1.42s)
--- PASS: TestEveryStepInterrupted (0.00s)
    --- PASS: TestEveryStepInterrupted/copier/produce-snapshot/1/persisted (1.42s)
--- PASS: TestAllStepsInterrupted (0.10s)
`, []int{2, 1, 1}},
	"torture for 10m0s": {`=== NAME  TestTorture
    torture_test.go:57: what was survived:
                                           live.from  stream   app  none
                                  Kafka: answers cut off       3     3     3
                        SIGKILL of a snapshot worker       2     2     2
                               SIGKILL of a streamer      13     3     4
                                SIGSTOP, short       3     3     4
                               DynamoDB: slow       3     3     4
                         a streamer joins and leaves       3     4     3
                               restart of the broker       3     3     3
        workers that gave up, and were started again       9    10    10
                          changes of the application    9388  9024  9008
--- PASS: TestTorture (600.21s)
`, []int{26, 48, 27420}},
	"end to end": {`    harness_test.go:290: compared: {Compared:135000 Missing:0 Different:0 Extra:0 Back:0 Markers:12 Examples:[]}
--- PASS: TestStream (60.00s)
    --- PASS: TestStream/Replay (60.00s)
    harness_test.go:290: compared: {Compared:30000 Missing:0 Different:0 Extra:0 Back:0 Markers:0 Examples:[]}
--- PASS: TestNone (60.00s)
--- SKIP: TestApp (0.00s)
`, []int{2, 165000}},
	"mutants": {`frontier.highest: 28 an offset is committed
mutant                     caught by seed  in words
frontier.highest           28              an offset is committed
capture.hangs              ?               panic: test timed out
close.early                -               survived 400 seeds; shown by the model: CloseAfterDone
facts.same-name            -               shown by TestWriteThatArrivesLate of internal/checkpoint
facts.other                -               SURVIVED TestWriteThatArrivesLate of internal/checkpoint
`, []int{2, 1, 1}},
}

func TestWhatIsCovered(t *testing.T) {
	parts := (&command{Torture: 10 * time.Minute}).parts()
	for name, c := range outputs {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		require.GreaterOrEqual(t, i, 0, name)
		require.Equal(t, c.counts, parts[i].count(c.text), name)
	}
}

// A part that passes and has covered nothing of a kind fails: its tests have other names, or have skipped themselves.
func TestNothingCoveredIsAFailure(t *testing.T) {
	c := &command{Keep: t.TempDir()}
	quiet := part{"quiet", []string{"true"}, nil, []counter{counts("things", "thing")}}
	r, err := c.part(t.Context(), quiet)
	require.NoError(t, err)
	require.Error(t, r.err)
	loud := part{"loud", []string{"echo", "thing"}, nil, []counter{counts("things", "thing")}}
	r, err = c.part(t.Context(), loud)
	require.NoError(t, err)
	require.NoError(t, r.err)
	require.Equal(t, []int{1}, r.counts)
	failing := part{"failing", []string{"false"}, nil, nil}
	r, err = c.part(t.Context(), failing)
	require.NoError(t, err)
	require.Error(t, r.err)
}

func TestChosen(t *testing.T) {
	parts := (&command{}).parts()
	all, err := chosen(parts, nil)
	require.NoError(t, err)
	require.Len(t, all, len(parts))
	one, err := chosen(parts, []string{"mutants"})
	require.NoError(t, err)
	require.Len(t, one, 1)
	_, err = chosen(parts, []string{"mutant"})
	require.Error(t, err)
}

func TestTable(t *testing.T) {
	p := part{name: "simulation", covers: []counter{counts("migrations simulated", "x"), counts("steps interrupted", "y")}}
	var lines []string
	for line := range strings.Lines(table([]result{
		{p, nil, 90 * time.Second, []int{2000, 56}}, {p, errors.New("exit status 1"), time.Second, []int{3, 0}},
	})) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	require.Equal(t, []string{
		"part took outcome covered",
		"simulation 1m30s passed 2000 migrations simulated, 56 steps interrupted",
		"simulation 1s FAILED: exit status 1 3 migrations simulated, 0 steps interrupted",
		"in all 1m31s",
	}, lines)
}
