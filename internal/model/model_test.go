package model

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// deep asks for the larger scopes: minutes and some gigabytes.
var deep = os.Getenv("CROSSFADE_DEEP") == "1"

// The scopes, each about one thing.
var (
	plain  = Scope{Changes: 2, Live: 3, Snapshot: 1}
	again  = Scope{Changes: 1, Live: 1, Snapshot: 2}
	swept  = Scope{Changes: 2, Live: 3, Snapshot: 1, Sweep: true}
	split  = Scope{Changes: 2, Live: 3, Snapshot: 1, Split: 1, Sweep: true}
	replay = Scope{Changes: 2, Live: 2, Snapshot: 1, Sweep: true, Replay: true}
	rerun  = Scope{Changes: 2, Live: 2, Snapshot: 1, Replay: true, Rerun: true}
)

// Everything within these scopes holds.
func TestEveryInterleaving(t *testing.T) {
	scopes := map[string]Scope{"plain": plain, "again": again, "sweep": swept, "split": split, "replay": replay, "rerun": rerun}
	if deep {
		scopes = map[string]Scope{
			"plain":  {Changes: 3, Live: 4, Snapshot: 1},
			"sweep":  {Changes: 2, Live: 4, Snapshot: 2, Sweep: true},
			"sweep3": {Changes: 3, Live: 3, Snapshot: 1, Sweep: true},
			"split":  {Changes: 3, Live: 3, Snapshot: 1, Split: 2, Sweep: true},
			"replay": {Changes: 2, Live: 3, Snapshot: 1, Sweep: true, Replay: true},
			"rerun":  {Changes: 3, Live: 3, Snapshot: 2, Replay: true, Rerun: true},
		}
	}
	for name, c := range scopes {
		t.Run(name, func(t *testing.T) {
			c.Guards = allGuards
			r := c.Search()
			t.Logf("%d states, %d steps, %d deep, %d of them quiet", r.States, r.Steps, r.Depth, r.Quiet)
			if r.Found != nil {
				t.Fatal(r.Found)
			}
			require.True(t, r.Whole)
			require.Positive(t, r.Quiet)
		})
	}
}

// Each guard that is taken away is missed, and the shortest way to that is shown.
func TestEveryGuardIsNeeded(t *testing.T) {
	for _, c := range []struct {
		guard Guards
		scope Scope
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
	} {
		t.Run(fmt.Sprint(c.guard), func(t *testing.T) {
			c.scope.Guards = allGuards &^ c.guard
			r := c.scope.Search()
			require.NotNil(t, r.Found, "%d states, and nothing is wrong without it", r.States)
			t.Logf("%d states\n%s", r.States, r.Found)
		})
	}
}
