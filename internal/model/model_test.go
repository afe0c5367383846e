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
	gap    = Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true}
	copied = Scope{Changes: 1, Live: 1, Snapshot: 2, Gap: true}
	gapped = Scope{Changes: 2, Live: 1, Snapshot: 1, Gap: true, Sweep: true}
	buried = Scope{Changes: 1, Live: 1, Snapshot: 1, Gap: true, Dead: true}
)

// Everything within these scopes holds.
func TestEveryInterleaving(t *testing.T) {
	scopes := map[string]Scope{"plain": plain, "again": again, "sweep": swept, "split": split, "replay": replay, "rerun": rerun, "gap": gap, "copied": copied, "gapped": gapped, "buried": buried}
	if deep {
		scopes = map[string]Scope{
			"plain":  {Changes: 3, Live: 4, Snapshot: 1},
			"sweep":  {Changes: 2, Live: 4, Snapshot: 2, Sweep: true},
			"sweep3": {Changes: 3, Live: 3, Snapshot: 1, Sweep: true},
			"split":  {Changes: 3, Live: 3, Snapshot: 1, Split: 2, Sweep: true},
			"replay": {Changes: 2, Live: 3, Snapshot: 1, Sweep: true, Replay: true},
			"rerun":  {Changes: 3, Live: 3, Snapshot: 2, Replay: true, Rerun: true},
			"gap":    {Changes: 3, Live: 2, Snapshot: 1, Gap: true},
			"gapped": {Changes: 3, Live: 1, Snapshot: 1, Gap: true, Sweep: true},
			"copied": {Changes: 2, Live: 1, Snapshot: 2, Gap: true},
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

// What is at the source has a version of the new generation when the search begins, or else a consistent read finds it.
func TestSearchHoldsWithoutWaitingForTheSnapshot(t *testing.T) {
	c := copied
	c.Guards = allGuards &^ MarkAfterApplied
	r := c.Search()
	require.Nil(t, r.Found)
	require.True(t, r.Whole)
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
	} {
		t.Run(fmt.Sprint(c.guard), func(t *testing.T) {
			c.scope.Guards = allGuards &^ c.guard
			r := c.scope.Search()
			require.NotNil(t, r.Found, "%d states, and nothing is wrong without it", r.States)
			t.Logf("%d states\n%s", r.States, r.Found)
		})
	}
}
