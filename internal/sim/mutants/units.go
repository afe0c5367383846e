package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// unit is a mutant that no seed can be expected to meet, and that one test of its package is there to notice.
type unit struct {
	mutant
	folder, test string
}

// units are those, in the order of a row's way.
var units = []unit{
	{
		mutant{
			name: "watch.fresh-for-too-long", file: "internal/checkpoint/watch.go",
			from: "	if age > w.limit {", to: "	if age > 2*w.limit {",
		}, "internal/checkpoint", "TestWatchThatIsCutOffStops",
	},
	{
		mutant{
			name: "snapshot.stale-publishes", file: "internal/snapshot/worker.go",
			from: "	if err := w.Watch.Fresh(); err != nil {\n		return err\n	}\n	where :=", to: "	where :=",
		}, "internal/snapshot", "TestWorkerThatIsCutOffPublishesNothing",
	},
	{
		mutant{
			name: "capture.stale-publishes", file: "internal/capture/reader.go",
			from: "	if err := r.Watch.Fresh(); err != nil {\n		return err\n	}\n", to: "",
		}, "internal/capture", "TestCaptureThatIsCutOffPublishesNothing",
	},
	{
		mutant{
			name: "apply.stale-writes", file: "internal/apply/writer.go",
			from: "		if err := r.Watch.Fresh(); err != nil {\n			return err\n		}\n", to: "",
		}, "internal/apply", "TestStaleControlStops",
	},
	{
		mutant{
			name: "facts.segment-clears-early", file: "internal/checkpoint/fact.go",
			from: "func (f SegmentFact) supersedes() bool { return f.Done }", to: "func (f SegmentFact) supersedes() bool { return true }",
		}, "internal/checkpoint", "TestOnlyTheEndOfASegmentErases",
	},
	{
		mutant{
			name: "facts.same-name-after-error", file: "internal/checkpoint/facts.go",
			from: "		f.Renew()\n		return", to: "		return",
		}, "internal/checkpoint", "TestWriteThatArrivesLate",
	},
}

// notices reports whether the test fails on the mutant. One that does not compile is an error.
func (u unit) notices(ctx context.Context, root, dir string) (bool, error) {
	overlay, err := u.overlay(root, dir)
	if err != nil {
		return false, err
	}
	play := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=1m", "-overlay", overlay, "-run", "^"+u.test+"$", "-v", "./"+u.folder) //nolint:gosec // our own
	play.Dir = root
	out, err := play.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case bytes.Contains(out, []byte("--- FAIL: "+u.test)), bytes.Contains(out, []byte("panic: test timed out")):
		return true, nil // the worker does not stop, or is found out
	case err != nil:
		return false, fmt.Errorf("%w: %s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: "+u.test)):
		return false, fmt.Errorf("%s has no %s", u.folder, u.test)
	}
	return false, nil
}
