package model

import (
	"cmp"
	"strings"
)

// Guards are what the design rests on. All of them are on in a migration; the model can take one away, and a test
// shows for each that something goes wrong then.
type Guards uint64

// The guards, each by what the parts do because of it.
const (
	// Condition: a write takes effect only if the key is absent or its stored version is lower (invariant 1).
	Condition Guards = 1 << iota
	// Markers: a delete leaves a marker.
	Markers
	// CommitContiguous: an offset is committed only when everything before it is durable (invariant 2).
	CommitContiguous
	// FactAfterPublish: a fact says no more than what Kafka has acknowledged (invariant 2).
	FactAfterPublish
	// StartFirst: the start of capture is durable before the first page is read (invariant 3).
	StartFirst
	// FromFacts: a capture goes on from the facts, and not from the end of the stream (invariant 4).
	FromFacts
	// ParentFirst: a child shard begins only when its parent's end is a durable fact.
	ParentFirst
	// CloseAfterDone: the close is written when every segment is done.
	CloseAfterDone
	// DropPastClose: a snapshot record past the close is dropped.
	DropPastClose
	// SweepSnapshotApplied is guard a of the sweep: the snapshot is applied up to the close.
	SweepSnapshotApplied
	// SweepFacts is the first half of guard b: the shard's fact has reached the marker.
	SweepFacts
	// SweepSettles: the fact that guard b looks at is a grace old.
	SweepSettles
	// SweepEndsAfter: the end offsets that guard b looks at are younger than what has settled.
	SweepEndsAfter
	// SweepLiveApplied is the second half of guard b: the live records are applied up to those offsets.
	SweepLiveApplied
	// SweepGrace is guard c: a grace passes before the marker is removed.
	SweepGrace
	// SweepExact: a marker is removed only if the item is still this very marker.
	SweepExact
	// TakeNotice: a capture that publishes has read the facts lately, and goes on from where another one is further.
	TakeNotice
	// ReplayBoth: a replay begins at the start of both topics.
	ReplayBoth
	// ReplayAfterSweep: a replay waits until a sweep that is under way has taken notice of it.
	ReplayAfterSweep
	// RerunInVersion: a replay with a changed mapping raises the rerun of every version.
	RerunInVersion
	// AskAgain: the close and the generation are asked for again when a record is written, however long it has waited.
	AskAgain
	// StopAtGap: a capture stops where the stream has lost something (invariant 4).
	StopAtGap
	// RestartFirst: the start of capture of a new generation is durable before the control entry that begins it.
	RestartFirst
	// DropOldGeneration: a record of a generation below the current one is dropped.
	DropOldGeneration
	// WaitForControl: a record of a generation that an applier has not read of yet waits until it has.
	WaitForControl
	// MarkVanished: rows of an older generation are looked for after the close of the new one.
	MarkVanished
	// MarkAfterGrace: a grace passes before that.
	MarkAfterGrace
	// MarkAfterApplied: the new generation's snapshot is closed and applied before that. With MarkIfGone, it is one of
	// two that each suffice: what is at the source has a version of the new generation then, or the read finds it.
	MarkAfterApplied
	// MarkIfGone: a row gets a marker only if a consistent read does not find it at the source. It matters
	// alone when a record of the new generation went to the dlq.
	MarkIfGone
	// MarkLowest: that marker has the lowest version of its generation.
	MarkLowest
	// WriterInKey: the key of a fact names its writer, for compaction keeps the last entry of a key.
	WriterInKey
	// OnlyForward: a writer writes no shorter fact than it has under its name.
	OnlyForward
	// RenewOnError: a writer whose append failed takes another name: what failed may still arrive.
	RenewOnError
	// RenewOnBegin: a writer that begins an assignment takes another name: those before may be about to be erased.
	RenewOnBegin
	// ClearCovered: only facts that are no further than one's own are erased.
	ClearCovered
	// ClearSilent: only those are erased whose writer has been silent for a grace, and so has stopped.
	ClearSilent
	// ClearAfterReading: the facts are read again before any is erased.
	ClearAfterReading
	// ClearWhenDone: of a segment, facts are erased only by one that says that it is done.
	ClearWhenDone
	// FactAfterAck: a fact of a segment says no page that Kafka has not acknowledged (invariant 2).
	FactAfterAck
	// ContiguousPages: nor one behind a page that it has not.
	ContiguousPages
	// DoneAfterLast: a segment is done when its last page is acknowledged, and not when it is read.
	DoneAfterLast
	// ResumeFromFacts: a snapshot worker goes on from the facts, and not from what it has read.
	ResumeFromFacts
	// CloseEndsAfterFacts: the ends that the close records are younger than the facts that allow it.
	CloseEndsAfterFacts
	// ResumeFromFact: an applier begins where the facts say that all is applied, and not at the committed offset.
	ResumeFromFact
	// SweepReadsFacts: so do guards a and b of the sweep look at the facts.
	SweepReadsFacts
	// EpochOfReplay: a replay begins an epoch of its own: what was applied before it does not count.
	EpochOfReplay

	endOfGuards
	allGuards = endOfGuards - 1
)

var guardNames = []string{
	"Condition", "Markers", "CommitContiguous", "FactAfterPublish", "StartFirst", "FromFacts", "ParentFirst",
	"CloseAfterDone", "DropPastClose", "SweepSnapshotApplied", "SweepFacts", "SweepSettles",
	"SweepEndsAfter", "SweepLiveApplied", "SweepGrace", "SweepExact", "TakeNotice", "ReplayBoth", "ReplayAfterSweep",
	"RerunInVersion", "AskAgain", "StopAtGap", "RestartFirst", "DropOldGeneration", "WaitForControl", "MarkVanished",
	"MarkAfterGrace", "MarkAfterApplied", "MarkIfGone", "MarkLowest",
	"WriterInKey", "OnlyForward", "RenewOnError", "RenewOnBegin", "ClearCovered", "ClearSilent", "ClearAfterReading",
	"ClearWhenDone", "FactAfterAck", "ContiguousPages", "DoneAfterLast", "ResumeFromFacts", "CloseEndsAfterFacts",
	"ResumeFromFact", "SweepReadsFacts", "EpochOfReplay",
}

// String names the guards of the set.
func (g Guards) String() string {
	var in []string
	for i, name := range guardNames {
		if g&(1<<i) != 0 {
			in = append(in, name)
		}
	}
	return cmp.Or(strings.Join(in, " "), "none")
}
