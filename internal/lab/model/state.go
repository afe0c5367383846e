package model

import (
	"fmt"
	"strings"
)

// The most that fits a state; a Scope keeps within it.
const (
	maxChanges     = 4
	maxLive        = 8
	maxSnap        = 4
	maxGenerations = 3
	maxControl     = 8
)

// none is "not there", for positions and offsets.
const none int8 = -1

// op is what the application did to the key.
type op uint8

const (
	noOp op = iota
	put
	del
)

// record is an event in a topic. Its image is n: the row as change n left it, 0 being the row before the first change.
// A live record is change n; whether that is a write or a delete, the source's history says.
type record struct {
	generation int8 // 0 is no record
	live       bool
	n          int8
}

// kind is what stands in the new table.
type kind uint8

const (
	absent kind = iota
	row
	marker
)

// item is the new table's item: what the event rec left there.
type item struct {
	kind  kind
	rec   record
	rerun int8
}

// fact is what the facts say about a shard: its position, and whether it is done. Position none is no fact.
type fact struct {
	at   int8
	done bool
}

// shard is what is known of one shard.
type shard struct {
	known  bool // create wrote a fact about it
	before bool // it was closed then
	said   fact // the furthest fact
	// floor is where a capture that is still at work may have begun: what the facts said a grace ago.
	floor int8
	// published is the last change that has been published in this generation.
	published int8
}

// The two topics.
const (
	snapshotTopic = iota
	liveTopic
	topics
)

// sweeping is where the sweep is with a marker.
type sweeping uint8

const (
	notSweeping sweeping = iota
	settling             // it has sampled the facts and waits for the grace
	settled
	seen    // a marker that what has settled covers, and the ends of the live topic after it
	waiting // guards a and b hold; guard c
	removing
)

// sweeper is the sweep.
type sweeper struct {
	sweeping sweeping
	sample   [2]fact // of each shard, sampled before the grace; until a marker is seen
	marker   item
	end      int8
	// overtaken: another generation has begun, and the sweep has not read of it.
	overtaken bool
}

// state is everything there is, for one key.
type state struct {
	// The source: what the application has done so far.
	first bool // there is a row, and no change yet
	ops   [maxChanges]op
	head  int8

	control [maxControl]entry
	entries int8

	shards [2]shard // parent and child

	// The snapshot workers: which images they may have read and not published, by bit; whether one may say that the segment
	// is done; and whether that is a fact.
	images uint8
	ready  bool
	copied bool

	live  [maxLive]record
	snap  [maxSnap]record
	lives int8 // length of live
	snaps int8

	// The appliers. Whoever is at work has begun from what was committed a grace ago, or later, and has read as much
	// of the control log as there was then, or more.
	done      [topics]uint8 // by offset: durable in the table, or dropped
	committed [topics]int8
	from      [topics]int8
	offsets   [topics]int8 // that the broker keeps; of interest when others may set them
	read      int8
	replaying bool // announced, and the offsets not yet set back
	replayed  bool
	rerun     int8 // that workers are started with
	reruns    int8 // the lowest that one at work may have

	item    item
	swept   item // the highest marker that was removed
	sweeper sweeper

	// The gaps, and the generations after the first one.
	trimmed   int8 // the last change that the stream has forgotten
	gone      int8 // and that nobody still holds
	begin     int8 // where capture of the next generation will start; none while that is not durable
	before    [maxGenerations - 1]before
	known     bool                         // everybody has known of the current generation for a grace
	dead      bool                         // a record went to the dlq
	searchers [maxGenerations - 1]searcher // of the second generation, and of the third
}

// entry is a control entry.
type entry struct {
	what entryKind
	end  int8 // of a close: the end of the snapshot topic
}

type entryKind uint8

const (
	noEntry entryKind = iota
	created
	closed
	restarted
	marked
)

// generation is the current one, as the whole control log says.
func (s *state) generation() int8 {
	g := int8(0)
	for _, e := range s.control[:s.entries] {
		if e.what == created || e.what == restarted {
			g++
		}
	}
	return g
}

// present reports whether the source has the row, and as which change left it.
func (s *state) present() (image int8, ok bool) {
	if s.head == 0 {
		return 0, s.first
	}
	return s.head, s.ops[s.head-1] == put
}

// topic is the records of a topic.
func (s *state) topic(t int8) []record {
	if t == snapshotTopic {
		return s.snap[:s.snaps]
	}
	return s.live[:s.lives]
}

func (r record) String() string {
	if r.generation == 0 {
		return "done"
	}
	class := "read"
	if r.live {
		class = "change"
	}
	if r.generation > 1 {
		return fmt.Sprintf("%s %d of generation %d", class, r.n, r.generation)
	}
	return fmt.Sprintf("%s %d", class, r.n)
}

func (i item) String() string {
	text := [...]string{"nothing", "row by ", "marker by "}[i.kind]
	switch {
	case i.kind == absent:
		return text
	case i.rec.n == none:
		return text + fmt.Sprintf("the search of generation %d", i.rec.generation)
	}
	text += i.rec.String()
	if i.rerun > 0 {
		text += fmt.Sprintf(" rerun %d", i.rerun)
	}
	return text
}

func (f fact) String() string {
	switch {
	case f.at == none:
		return "-"
	case f.done:
		return "done"
	}
	return fmt.Sprint(f.at)
}

func records(all []record) string {
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = r.String()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// String shows the state in a line.
func (s state) String() string {
	image, ok := s.present()
	source := "no row"
	if ok {
		source = fmt.Sprintf("row %d", image)
	}
	return fmt.Sprintf("| source: %s | live %s, snapshot %s, committed %d and %d | new table: %s",
		source, records(s.live[:s.lives]), records(s.snap[:s.snaps]), s.committed[liveTopic], s.committed[snapshotTopic], s.item)
}
