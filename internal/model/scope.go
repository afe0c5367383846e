package model

// Scope bounds what a search looks at: how much of everything there may be. What is 0 is not there at all.
type Scope struct {
	Changes  int8 // of the application, at most
	Live     int8 // records of the live topic, at most
	Snapshot int8 // records of the snapshot topic, at most
	Split    int8 // the stream's shard closes with this change, and a child follows
	Sweep    bool
	Replay   bool
	Rerun    bool // a replay raises the rerun
	Gap      bool // the stream forgets changes, and a restart begins a second generation
	Dead     bool // a snapshot record may go to the dlq
	Guards   Guards
	Most     int // states; 0 is 50 million
}

// Search looks at every interleaving within the scope, or up to its bound, and stops at the first thing that is wrong.
func (c Scope) Search() Result {
	if c.Changes > maxChanges || c.Live > maxLive || c.Snapshot > maxSnap {
		panic("model: the scope does not fit a state")
	}
	most := c.Most
	if most == 0 {
		most = 50_000_000
	}
	return search(&world{Scope: c, decisions: newDecisions(c.Guards, c.Split)}, most)
}

// world is the system that is searched.
type world struct {
	Scope
	*decisions
}

var _ system[state] = (*world)(nil)

func (w *world) initial() []state {
	var all []state
	for _, first := range []bool{true, false} {
		s := state{first: first, begin: none, shards: [2]shard{{said: fact{at: none}}, {said: fact{at: none}}}}
		if w.Gap { // create is behind us: the other scopes are about it
			w.start(&s)
			s.append(entry{what: created})
			s.read = s.entries
		}
		all = append(all, s)
	}
	return all
}

func (w *world) describe(s state) string { return s.String() }

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
	copierReads
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
	staleCopierReads
	staleCopierPublishes
	applierBuries
	searchReads
	searchLooks
	searchMarks
	searchRecords
)

var verbs = [...]string{
	appPuts: "the application writes the row", appDeletes: "the application deletes the row",
	createStart: "create makes the start of capture durable", createControl: "create writes the control record",
	capturePublishes: "a capture publishes change", captureSkips: "a capture goes on after change", captureWritesFact: "a capture says that it has published up to change",
	captureFinishes: "a capture says that it has finished shard",
	copierReads:     "a snapshot worker reads the page", copierPublishes: "a snapshot worker publishes row",
	copierWritesFact: "a snapshot worker says that the segment is done", snapshotCloses: "the snapshot is closed",
	appliesRead: "a snapshot record is written, at offset", appliesChange: "a live record is written, at offset",
	applierDrops: "a snapshot record is dropped, at offset", answerIsLost: "a record is written and the answer lost, at offset",
	applierCommits: "an applier commits topic", graceDone: "a grace passes",
	sweepSamples: "the sweep looks at the facts", sweepSees: "the sweep sees a marker", sweepGuards: "the sweep's guards a and b hold",
	sweepRemoves: "the sweep removes the marker", sweepStops: "the sweep gives up",
	replayBegins: "a replay is announced", replayResets: "the committed offsets are set back",
	streamForgets: "the stream forgets its changes up to", captureLeaps: "a capture goes on behind the gap, after change",
	restartStarts: "restart makes a new start of capture durable", restartBegins: "restart begins generation 2",
	staleCapturePublishes: "a capture of generation 1 publishes change",
	staleCopierReads:      "a snapshot worker of generation 1 reads the page",
	staleCopierPublishes:  "a snapshot worker of generation 1 publishes row",
	applierBuries:         "a snapshot record goes to the dlq, offset",
	searchReads:           "the search reads the new table", searchLooks: "the search looks the row up at the source",
	searchMarks: "the search writes a marker", searchRecords: "the search is recorded as done",
}

// String is the action in words.
func (a action) String() string {
	text := verbs[a.verb]
	if a.object >= 0 {
		text += " " + itoa(a.object)
	}
	return text
}
