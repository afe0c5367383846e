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
			name: "apply.stale-writes", file: "internal/apply/write.go",
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
	{
		mutant{
			name: "capture.halt-stops-all", file: "internal/capture/halt.go",
			from: "	if !ok && !errors.Is(err, ErrUnreadable) {", to: "	if ok || !errors.Is(err, ErrUnreadable) {",
		}, "internal/capture", "TestGapStopsItsShardOnly",
	},
	{
		mutant{
			name: "credentials.never-again", file: "internal/dynamodb/credentials.go",
			from: "		c.again(ctx, now)\n		return v\n", to: "		return v\n",
		}, "internal/dynamodb", "TestRenewedFileIsTaken",
	},
	{
		mutant{
			name: "guard.any-answer", file: "internal/dynamodb/guard.go",
			from: "	return marked(response.Header) && bytes.HasPrefix", to: "	return true || marked(response.Header) && bytes.HasPrefix",
		}, "internal/dynamodb", "TestStrangeAnswerIsNoSuccess",
	},
	{
		mutant{
			name: "applied.from-offsets", file: "internal/assembly/applied.go",
			from: "	done = applied(w.facts, w.state.Epoch)\n	start :=", to: "	done = committed\n	start :=",
		}, "internal/operate", "TestForgottenOffsetsBringNoRowBack",
	},
	{
		mutant{
			name: "applied.no-epoch", file: "internal/checkpoint/state.go",
			from: "		s.Epoch++", to: "		s.Epoch += 0",
		}, "internal/operate", "TestReplayBeginsAnEpoch",
	},
	{
		mutant{
			name: "applied.clears-at-once", file: "internal/checkpoint/fact.go",
			from: "func (f AppliedFact) settles() bool { return true }", to: "func (f AppliedFact) settles() bool { return false }",
		}, "internal/checkpoint", "TestAppliedFactsAreErasedAGraceAfterTheirOwner",
	},
	{
		mutant{
			name: "applied.gap-stops-all", file: "internal/apply/fetch.go",
			from: "			case errors.Is(err, ErrGap):", to: "			case errors.Is(err, ErrGap) && r.Gap == nil:",
		}, "internal/apply", "TestAGapStopsItsPartitionOnly",
	},
	{
		mutant{
			name: "applied.unburied-is-done", file: "internal/apply/settle.go",
			from: "	t.partition.halt(why)", to: "	t.done(Dead)",
		}, "internal/apply", "TestARecordThatTheDLQRefusesStopsItsPartitionOnly",
	},
	{
		mutant{
			name: "applied.unburied-keeps-room", file: "internal/apply/settle.go",
			from: "	t.partition.budget.adjust(-t.bytes)", to: "	t.partition.budget.adjust(0)",
		}, "internal/apply", "TestRefusedRecordsKeepNoRoomFromOthers",
	},
	{
		mutant{
			name: "applied.loss-is-tried-again", file: "internal/apply/partition.go",
			from: "	if start.Lost {", to: "	if start.Lost && start.Gap == \"\" {",
		}, "internal/apply", "TestALostPartitionIsNotFetchedAgain",
	},
	{
		mutant{
			name: "sweep.counts-on-facts-alone", file: "internal/assembly/applied.go",
			from: "		certain := min(at.Offset, committed[id].Offset)", to: "		certain := max(at.Offset, committed[id].Offset)",
		}, "internal/assembly", "TestTheSweepCountsOnTheLowerOfFactAndOffset",
	},
	{
		mutant{
			name: "topics.any-id", file: "internal/kafka/identity.go",
			from: "	case found.ID != want.ID:", to: "	case found.ID+want.ID == \"\":",
		}, "internal/kafka", "TestConfirmRefusesARecreatedTopic",
	},
	{
		mutant{
			name: "topics.any-partitions", file: "internal/kafka/identity.go",
			from: "	case found.Partitions != want.Partitions:", to: "	case found.Partitions < want.Partitions:",
		}, "internal/operate", "TestWorkersStopAtAddedPartitions",
	},
	{
		mutant{
			name: "topics.any-settings", file: "internal/kafka/settings.go",
			from: "	if len(s.Refused) == 0 {", to: "	if len(s.Refused) >= 0 {",
		}, "internal/operate", "TestCreateRefusesACompactedLiveTopic",
	},
	{
		mutant{
			name: "topics.said-unconfirmed", file: "internal/assembly/topics.go",
			from: "	if err := l.confirm(ctx); err != nil {\n		return err\n	}\n", to: "",
		}, "internal/assembly", "TestNothingIsSaidOfARecreatedTopic",
	},
	{
		mutant{
			name: "create.any-leftovers", file: "internal/operate/checks_topics.go",
			from: "	case len(left) > 0:", to: "	case len(left) > 1<<30:",
		}, "internal/operate", "TestCreateRefusesLeftovers",
	},
	{
		mutant{
			name: "create.any-items", file: "internal/operate/checks_items.go",
			from: "	if s.Highest > 0 && !f.takeOver {", to: "	if s.Highest > 1<<31 && !f.takeOver {",
		}, "internal/operate", "TestCreateRefusesItemsOfAnotherMigration",
	},
	{
		mutant{
			name: "create.any-expiry", file: "internal/operate/checks_tables.go",
			from: "	case ttl.Removes():", to: "	case ttl.Status == \"\":",
		}, "internal/operate", "TestCreateRefusesTimeToLive",
	},
	{
		mutant{
			name: "replay.without-a-word", file: "internal/operate/replay.go",
			from: "	if !p.options.NewTableUnused && (p.From()", to: "	if p.options.NewTableUnused && (p.From()",
		}, "internal/operate", "TestReplayIsRefusedWithoutTheOperatorsWord",
	},
	{
		mutant{
			name: "status.unread-is-well", file: "internal/operate/fold.go",
			from: "			return r.confirmed(checkpoint.ShardFact{Shard: id})", to: "			return r.at, \"\"",
		}, "internal/operate", "TestFoldCapture",
	},
	{
		mutant{
			name: "status.nobody-works", file: "internal/operate/verdict.go",
			from: "judgeStopped, judgeRoles, judgeCapture", to: "judgeStopped, judgeCapture",
		}, "internal/operate", "TestVerdict",
	},
	{
		mutant{
			name: "outage.no-logger", file: "internal/assembly/kafka.go",
			from: "p.Config.Grace), Logger: p.Logger,", to: "p.Config.Grace),",
		}, "internal/operate", "TestADeadDependencyIsSaidWithinFiveSeconds",
	},
	{
		mutant{
			name: "watch.joins-for-ever", file: "internal/assembly/rejoins.go",
			from: " || !r.last.IsZero() && time.Since(r.last) < r.apart", to: "",
		}, "internal/assembly", "TestAWorkerJoinsAgainOnceInAWhile",
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
