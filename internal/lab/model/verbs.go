package model

import "strings"

// action names a step.
type action struct {
	verb   verb
	object int8
}

// verb is what a step does.
type verb uint8

const (
	appPuts verb = iota
	appDeletes
	createStart
	createControl
	capturePublishes
	captureSkips
	captureWritesFact
	captureFinishes
	copierPublishes
	copierWritesFact
	snapshotCloses
	appliesRead
	appliesChange
	applierDrops
	answerIsLost
	applierCommits
	graceDone
	sweepSamples
	sweepSees
	sweepGuards
	sweepRemoves
	sweepStops
	replayBegins
	replayResets
	streamForgets
	captureLeaps
	restartStarts
	restartBegins
	staleCapturePublishes
	staleCopierPublishes
	applierBuries
	searchReads
	searchLooks
	searchMarks
	searchRecords
	captureBegins
	captureStops
	captureLooks
	capturePublishesNext
	captureWrites
	captureWriteFails
	captureErases
	captureEraseFails
	lateFactArrives
	factGrace
	segmentGrace
	pageArrives
	copierBegins
	copierStops
	copierLooks
	copierReads
	copierHears
	copierWrites
	copierWriteFails
	copierErases
	copierEraseFails
	closerReadsFacts
	closerReadsEnds
	closerStops
	offsetIsSet
	applierBegins
)

var verbs = [...]string{
	appPuts: "the application writes the row", appDeletes: "the application deletes the row",
	createStart: "create makes the start of capture durable", createControl: "create writes the control record",
	capturePublishes: "a capture publishes change", captureSkips: "a capture goes on after change", captureWritesFact: "a capture says that it has published up to change",
	captureFinishes:  "a capture says that it has finished shard",
	copierPublishes:  "a snapshot worker publishes row",
	copierWritesFact: "a snapshot worker says that the segment is done", snapshotCloses: "the snapshot is closed",
	appliesRead: "a snapshot record is written, at offset", appliesChange: "a live record is written, at offset",
	applierDrops: "a snapshot record is dropped, at offset", answerIsLost: "a record is written and the answer lost, at offset",
	applierCommits: "an applier commits topic", graceDone: "a grace passes",
	sweepSamples: "the sweep looks at the facts", sweepSees: "the sweep sees a marker", sweepGuards: "the sweep's guards a and b hold",
	sweepRemoves: "the sweep removes the marker", sweepStops: "the sweep gives up",
	replayBegins: "a replay is announced", replayResets: "the committed offsets are set back",
	streamForgets: "the stream forgets its changes up to", captureLeaps: "a capture goes on behind the gap, after change",
	restartStarts: "restart makes the start of capture durable, of generation", restartBegins: "restart begins generation",
	staleCapturePublishes: "a capture of a generation before publishes change",
	staleCopierPublishes:  "a snapshot worker of a generation before publishes row",
	applierBuries:         "a snapshot record goes to the dlq, offset",
	searchReads:           "the search reads the new table, of generation", searchLooks: "the search looks the row up at the source, of generation",
	searchMarks: "the search writes a marker, of generation", searchRecords: "the search is recorded as done, of generation",
	captureBegins: "capture * begins an assignment", captureStops: "capture * stops",
	capturePublishesNext: "a capture publishes change", captureWrites: "a capture writes its fact,",
	captureLooks:      "capture * looks for what it may erase",
	captureWriteFails: "a capture writes its fact, and the append fails, of", captureErases: "a capture erases the fact of",
	captureEraseFails: "a capture erases, and the append fails, the fact of",
	lateFactArrives:   "an append that had failed arrives, of", factGrace: "a grace passes",
	segmentGrace: "a grace passes", pageArrives: "the topic takes page",
	copierBegins: "snapshot worker * begins an assignment", copierStops: "snapshot worker * stops",
	copierLooks: "snapshot worker * looks for what it may erase",
	copierReads: "snapshot worker * reads page", copierHears: "snapshot worker * hears that the topic has page",
	copierWrites: "snapshot worker * writes its fact, pages", copierWriteFails: "a snapshot worker writes its fact, and the append fails, of",
	copierErases:     "a snapshot worker erases the fact of",
	copierEraseFails: "a snapshot worker erases, and the append fails, the fact of",
	closerReadsFacts: "the facts are read, and the segment is done", closerReadsEnds: "the ends of the snapshot topic are read",
	closerStops: "the close is begun again",
	offsetIsSet: "somebody sets the committed offset, of topic", applierBegins: "an applier begins at the committed offset, of topic",
}

// String is the action in words.
func (a action) String() string {
	text := verbs[a.verb]
	switch {
	case a.verb == pageArrives:
		text += " " + itoa(a.object+1)
	case a.verb == copierReads || a.verb == copierHears:
		text = letter(text, a.object%copiers) + " " + itoa(a.object/copiers+1)
	case a.verb == copierWrites:
		text = letter(text, a.object%copiers) + " " + itoa(a.object/copiers)
	case a.verb >= copierBegins && a.verb <= copierLooks:
		text = letter(text, a.object)
	case a.verb >= copierWriteFails && a.verb <= copierEraseFails:
		text += " " + nameOf(a.object)
	case a.verb == offsetIsSet:
		text += " " + itoa(a.object%topics) + " to " + itoa(a.object/topics)
	case a.verb >= captureBegins && a.verb <= captureLooks:
		text = letter(text, a.object)
	case a.verb >= captureWriteFails && a.verb <= lateFactArrives:
		text += " " + nameOf(a.object)
	case a.verb == factGrace || a.verb == segmentGrace:
		text += [...]string{"", ", in which a stops", ", in which b stops", ", in which both stop"}[a.object]
	case a.object >= 0:
		text += " " + itoa(a.object)
	}
	return text
}

// letter names the worker of a step that any of them may take.
func letter(text string, worker int8) string {
	return strings.Replace(text, "*", string(rune('a'+worker)), 1)
}
