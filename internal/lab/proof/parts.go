package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// part is a search, and how what it covers is told from what it writes.
type part struct {
	name   string
	argv   []string
	env    []string
	covers []counter
}

// counter counts one thing that is covered: each match, or the sum of the numbers in the pattern's group if it has one.
type counter struct {
	what    string
	pattern *regexp.Regexp
}

func counts(what, pattern string) counter { return counter{what, regexp.MustCompile(`(?m)` + pattern)} }

// mutant is how a line of the table of mutants begins.
const mutant = `^[^\s:]+\.[^\s:]+ +`

// parts are all of them.
func (c *command) parts() []part {
	test := func(flags ...string) []string {
		return append([]string{"go", "test", "-count=1", "-timeout=4h", "-v"}, flags...)
	}
	services := "CROSSFADE_SERVICES=1"
	seeds := counts("migrations simulated", `^ +--- PASS: TestSeeds/`)
	together := counts("steps interrupted in one migration", `^--- PASS: TestAllStepsInterrupted`)
	searched := []counter{
		counts("scopes searched whole", `^ +--- PASS: TestEveryInterleaving\w*/`),
		counts("states searched", `(\d+) states, \d+ steps`),
	}
	return []part{
		{"replay", test("./internal/lab/sim/replay"), []string{"CROSSFADE_REPLAY=1"}, []counter{
			counts("migrations told again, byte for byte", `^--- PASS: TestSameStory`),
		}},
		{"model", test("-run=Interleaving|Guard|Search", "./internal/lab/model", "./internal/apply"), nil, append(searched,
			counts("guards taken away and missed", `^ +--- PASS: TestEveryGuard\w*IsNeeded/`))},
		{"larger model", test("-run=TestEveryInterleaving", "./internal/lab/model", "./internal/apply"), []string{"CROSSFADE_DEEP=1"}, searched},
		{"simulation", test("./internal/lab/sim", fmt.Sprint("-seeds=", c.Seeds)), nil, []counter{
			seeds, counts("steps interrupted", `^ +--- PASS: TestEveryStepInterrupted/`), together,
		}},
		{"simulation, race", test("-race", "-run=TestSeeds$|TestAllSteps", "./internal/lab/sim", fmt.Sprint("-seeds=", c.RaceSeeds)), nil, []counter{seeds, together}},
		{"end to end", test("-parallel=2", "-skip=TestTorture", "./internal/lab/e2e"), []string{services, "CROSSFADE_PROOF=1"}, []counter{
			counts("migrations of real tables", `^--- PASS: Test(?:Stream|App|None|Restart) `),
			counts("rows compared", `compared: \{Compared:(\d+)`),
		}},
		{fmt.Sprintf("torture for %s", c.Torture), test("-run=TestTorture", "./internal/lab/e2e"), []string{services, fmt.Sprint("CROSSFADE_TORTURE=", c.Torture)}, []counter{
			counts("kills", `^ +SIGKILL of [a-z ]+((?: +\d+)+) *$`),
			counts("other faults", `^ +(?:SIGSTOP|Kafka:|DynamoDB:|a streamer joins|restart of)[^\d\n]+((?: +\d+)+) *$`),
			counts("changes of the application", `^ +changes of the application((?: +\d+)+) *$`),
		}},
		{"mutants", []string{"go", "run", "./internal/lab/sim/mutants"}, nil, []counter{
			counts("noticed by a simulated migration", mutant+`[\d?]+ `),
			counts("shown by the model", mutant+`-.*shown by the model`),
			counts("noticed by a test of their own", mutant+`- +shown by Test`),
		}},
	}
}

// count is how much is covered of each kind.
func (p part) count(text string) []int {
	all := make([]int, len(p.covers))
	for i, c := range p.covers {
		for _, match := range c.pattern.FindAllStringSubmatch(text, -1) {
			if len(match) == 1 {
				all[i]++
				continue
			}
			for field := range strings.FieldsSeq(match[1]) {
				n, err := strconv.Atoi(field)
				if err != nil {
					panic(err) // the groups are of digits
				}
				all[i] += n
			}
		}
	}
	return all
}
