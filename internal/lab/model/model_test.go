package model

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/lab/search"
)

// deep asks for the larger scopes: minutes and some gigabytes.
var deep = os.Getenv("CROSSFADE_DEEP") == "1"

// searched is a scope of any kind.
type searched interface {
	Search(holding Guards) search.Result
}

// Everything within these scopes holds.
var (
	ordinary = map[string]searched{
		"plain":      Scope{Changes: 3, Live: 4, Snapshot: 1},
		"again":      Scope{Changes: 1, Live: 1, Snapshot: 2},
		"sweep":      Scope{Changes: 3, Live: 3, Snapshot: 1, Sweep: true},
		"split":      Scope{Changes: 3, Live: 3, Snapshot: 1, Split: 2, Sweep: true},
		"replay":     Scope{Changes: 3, Live: 3, Snapshot: 1, Sweep: true, Replay: true},
		"rerun":      Scope{Changes: 3, Live: 3, Snapshot: 1, Replay: true, Rerun: true},
		"gap":        Scope{Changes: 3, Live: 1, Snapshot: 1, Gap: true},
		"gap copied": Scope{Changes: 1, Live: 1, Snapshot: 2, Gap: true},
		"gap sweep":  Scope{Changes: 3, Live: 1, Snapshot: 1, Gap: true, Sweep: true},
		"gap buried": Scope{Changes: 1, Live: 1, Snapshot: 1, Gap: true, Dead: true},
		"gap split":  Scope{Changes: 3, Live: 1, Snapshot: 1, Gap: true, Split: 1},
		"gap replay": Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true, Sweep: true, Replay: true},
		"gap rerun":  Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true, Replay: true, Rerun: true},
		"force":      Scope{Changes: 2, Live: 1, Snapshot: 1, Force: true, Sweep: true},
		"third":      Scope{Changes: 1, Live: 1, Snapshot: 3, Gap: true, Third: true},
		"foreign":    Scope{Changes: 2, Live: 2, Snapshot: 1, Sweep: true, Foreign: true},
		"facts":      Facts{Changes: 2, Names: 2, Late: 1},
		"segments":   Segments{Pages: 4, InFlight: 3, Names: 1},
		"pages late": Segments{Pages: 2, InFlight: 2, Names: 2, Late: 1},
	}
	larger = map[string]searched{
		"plain twice": Scope{Changes: 3, Live: 3, Snapshot: 2},
		"plain four":  Scope{Changes: 4, Live: 4, Snapshot: 1},
		"sweep":       Scope{Changes: 3, Live: 4, Snapshot: 1, Sweep: true},
		"sweep twice": Scope{Changes: 2, Live: 4, Snapshot: 2, Sweep: true},
		"split":       Scope{Changes: 3, Live: 4, Snapshot: 1, Split: 2, Sweep: true},
		"replay":      Scope{Changes: 2, Live: 3, Snapshot: 2, Sweep: true, Replay: true},
		"rerun":       Scope{Changes: 2, Live: 3, Snapshot: 2, Replay: true, Rerun: true},
		"gap":         Scope{Changes: 3, Live: 2, Snapshot: 1, Gap: true},
		"gap copied":  Scope{Changes: 2, Live: 1, Snapshot: 2, Gap: true, Sweep: true},
		"gap split":   Scope{Changes: 2, Live: 2, Snapshot: 2, Gap: true, Split: 1},
		"gap replay":  Scope{Changes: 3, Live: 1, Snapshot: 1, Gap: true, Sweep: true, Replay: true},
		"force":       Scope{Changes: 2, Live: 1, Snapshot: 2, Force: true, Sweep: true},
		"force split": Scope{Changes: 3, Live: 1, Snapshot: 1, Force: true, Split: 2, Sweep: true},
		"third sweep": Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true, Third: true, Sweep: true},
		"third force": Scope{Changes: 2, Live: 1, Snapshot: 1, Force: true, Third: true},
		"foreign":     Scope{Changes: 2, Live: 3, Snapshot: 1, Sweep: true, Replay: true, Foreign: true},
		"facts":       Facts{Changes: 3, Names: 2, Late: 2},
		"names":       Facts{Changes: 1, Names: 3, Late: 1},
		"segments":    Segments{Pages: 3, InFlight: 3, Names: 2, Late: 1},
		"pages late":  Segments{Pages: 2, InFlight: 2, Names: 2, Late: 2},
		"page names":  Segments{Pages: 2, InFlight: 2, Names: 3, Late: 1},
	}
)

func TestEveryInterleaving(t *testing.T) {
	scopes := ordinary
	if deep {
		scopes = larger
	}
	for name, c := range scopes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.Search(allGuards)
			t.Logf("%d states, %d steps, %d deep, %d of them quiet", r.States, r.Steps, r.Depth, r.Quiet)
			if r.Found != nil {
				t.Fatal(r.Found)
			}
			require.True(t, r.Whole)
			require.Positive(t, r.Quiet)
		})
	}
}

// What is at the source has a version of the new generation when the search begins, or else a consistent read finds it.
func TestSearchHoldsWithoutWaitingForTheSnapshot(t *testing.T) {
	t.Parallel()
	r := copied.Search(allGuards &^ MarkAfterApplied)
	require.Nil(t, r.Found)
	require.True(t, r.Whole)
}

// Scopes in which guards are taken away, each about one thing.
var (
	plain  = Scope{Changes: 2, Live: 3, Snapshot: 1}
	swept  = Scope{Changes: 2, Live: 3, Snapshot: 1, Sweep: true}
	split  = Scope{Changes: 2, Live: 3, Snapshot: 1, Split: 1, Sweep: true}
	replay = Scope{Changes: 2, Live: 2, Snapshot: 1, Sweep: true, Replay: true}
	rerun  = Scope{Changes: 2, Live: 2, Snapshot: 1, Replay: true, Rerun: true}
	gap    = Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true}
	copied = Scope{Changes: 1, Live: 1, Snapshot: 2, Gap: true}
	buried = Scope{Changes: 1, Live: 1, Snapshot: 1, Gap: true, Dead: true}
	moved  = Scope{Changes: 2, Live: 2, Snapshot: 1, Sweep: true, Foreign: true}
	forgot = Scope{Changes: 2, Live: 2, Snapshot: 1, Sweep: true, Forgets: true}
	facts  = Facts{Changes: 2, Names: 2, Late: 1}
	pages  = Segments{Pages: 2, InFlight: 2, Names: 2, Late: 1}
)

// Each guard that is taken away is missed, and the shortest way to that is shown.
func TestEveryGuardIsNeeded(t *testing.T) {
	for _, c := range []struct {
		guard Guards
		scope searched
	}{
		{Condition, plain},
		{Markers, plain},
		{CommitContiguous, plain},
		{FactAfterPublish, plain},
		{StartFirst, plain},
		{FromFacts, plain},
		{CloseAfterDone, plain},
		{DropPastClose, swept},
		{SweepSnapshotApplied, swept},
		{SweepFacts, swept},
		{SweepSettles, swept},
		{SweepEndsAfter, swept},
		{SweepLiveApplied, swept},
		{SweepGrace, swept},
		{SweepExact, swept},
		{TakeNotice, swept},
		{ParentFirst, split},
		{ReplayBoth, replay},
		{ReplayAfterSweep, replay},
		{RerunInVersion, rerun},
		{EpochOfReplay, rerun},
		{ResumeFromFact, moved},
		{ResumeFromFact, forgot},
		{SweepReadsFacts, moved},
		{StopAtGap, gap},
		{RestartFirst, gap},
		{DropOldGeneration, gap},
		{WaitForControl, gap},
		{MarkVanished, gap},
		{MarkAfterGrace, gap},
		{MarkIfGone, buried},
		{MarkAfterApplied | MarkIfGone, copied},
		{MarkLowest, gap},
		{AskAgain, swept},
		{WriterInKey, Facts{Changes: 1, Names: 1}},
		{OnlyForward, facts},
		{RenewOnError, facts},
		{RenewOnBegin, facts},
		{ClearCovered, facts},
		{ClearSilent, facts},
		{ClearAfterReading, facts},
		{FactAfterAck, pages},
		{ContiguousPages, pages},
		{DoneAfterLast, pages},
		{ResumeFromFacts, pages},
		{CloseAfterDone, pages},
		{CloseEndsAfterFacts, pages},
		{ClearWhenDone, pages},
		{WriterInKey, pages},
		{OnlyForward, pages},
		{RenewOnError, pages},
		{ClearCovered, pages},
		{ClearSilent, pages},
		{ClearAfterReading, pages},
	} {
		t.Run(fmt.Sprint(c.guard), func(t *testing.T) {
			t.Parallel()
			r := c.scope.Search(allGuards &^ c.guard)
			require.NotNil(t, r.Found, "%d states, and nothing is wrong without it", r.States)
			t.Logf("%d states\n%s", r.States, r.Found)
		})
	}
}
