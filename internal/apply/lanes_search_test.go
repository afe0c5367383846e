package apply_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/lab/search"
)

// Every interleaving within these scopes holds. The search has one goroutine, so the race detector would find nothing.
func TestEveryInterleavingOfLanes(t *testing.T) {
	scopes := map[string]lanes{"lanes": {live: 3, snapshot: 1}, "batches": {live: 1, snapshot: 2}}
	if os.Getenv("CROSSFADE_DEEP") == "1" { // minutes and some gigabytes
		scopes = map[string]lanes{"lanes": {live: 3, snapshot: 2}, "batches": {live: 2, snapshot: 2}}
	}
	unraced(t)
	for name, c := range scopes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.search(allGuards)
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
func TestEveryGuardOfLanesIsNeeded(t *testing.T) {
	unraced(t)
	for g := guards(1); g < endOfGuards; g <<= 1 {
		t.Run(g.String(), func(t *testing.T) {
			t.Parallel()
			r := lanes{live: 2, snapshot: 1}.search(allGuards &^ g)
			require.NotNil(t, r.Found, "%d states, and nothing is wrong without it", r.States)
			t.Logf("%d states\n%s", r.States, r.Found)
		})
	}
}

func unraced(t *testing.T) {
	if raced {
		t.Skip("it is run without the race detector")
	}
}

// guards are what the lanes rest on. All of them are on in a worker; the search can take one away.
type guards uint8

const (
	// commitContiguous: an offset is committed only when everything before it is durable (invariant 2).
	commitContiguous guards = 1 << iota
	// writeHighest: of the changes of a key that wait for a writer, the highest is written.
	writeHighest
	// supersedeWhenWritten: those below it count as done only when it is written.
	supersedeWhenWritten
	// snapshotYields: a row of the snapshot that waits with a change of its key is not written in its place.
	snapshotYields
	// deadSupersedesNothing: when the one that is written is refused for good, those below it are written after it.
	deadSupersedesNothing

	endOfGuards
	allGuards = endOfGuards - 1
)

var guardNames = map[guards]string{
	commitContiguous: "CommitContiguous", writeHighest: "WriteHighest", supersedeWhenWritten: "SupersedeWhenWritten",
	snapshotYields: "SnapshotYields", deadSupersedesNothing: "DeadSupersedesNothing",
}

func (g guards) String() string { return guardNames[g] }

// lanes is a scope: two keys in one partition of each topic, and what a worker does with them in memory. The topics hold
// so many records of two changes of the one key and one of the other, in any order and as often as may be, and at most one
// of the events is one that the table never takes. Every such log is searched, in every order in which calls may begin, end,
// fail, and be tried again. The worker may crash at any moment, and what it had in memory may arrive later.
//
// What is committed never passes a change that is not written, and the worker never stands still before everything is
// committed. The pace of the calls is not looked at.
type lanes struct{ live, snapshot int8 }

// The two topics.
const (
	snapshotTopic = iota
	liveTopic
	topics
)

// none is no object, or no key.
const none int8 = -1

// The most records of one topic.
const maxLane = 4

// laneRecord is an event of one of the two keys: the change n, or, if that is 0, the row before the first one.
type laneRecord struct{ key, n int8 }

// The most changes, and one.
const maxChanges = 4

// version is that of the event.
func (r laneRecord) version() events.Version {
	if r.n == 0 {
		return events.Version{Generation: 1}
	}
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(r.n))}
}

// stored is the version of a row in the table, as the table compares it; empty when there is no row.
type stored string

var storedVersions = func() (all [maxChanges]stored) {
	for n := range all {
		all[n] = stored(laneRecord{n: int8(n)}.version().String())
	}
	return all
}()

func (r laneRecord) stored() stored { return storedVersions[r.n] }

// place is where a record is.
type place struct{ topic, offset int8 }

func (p place) bit() uint16 { return 1 << (p.topic*maxLane + p.offset) }

// laneState is everything there is: the records of the two keys, and the worker that has the partitions.
type laneState struct {
	logs    [topics][maxLane]laneRecord
	refuses laneRecord // the table never takes this one; of no key when it takes all

	table     [2]stored // by key
	dlq       uint16    // the records in it, by bit
	committed [topics]int8
	worker    int32 // what the worker has in memory: laneWorld.memories
	// late are the changes, by key and bit, that workers before it had in memory: they may still arrive. Those that the
	// table would not take are left out.
	late [2]uint8
}

// search looks at every interleaving within the scope, with these guards, and stops at the first thing that is wrong.
func (c lanes) search(g guards) search.Result {
	return search.All(&laneWorld{lanes: c, guards: g, laneMemories: newLaneMemories()}, 50_000_000)
}

// laneWorld is the system that is searched.
type laneWorld struct {
	lanes
	guards guards
	*laneMemories
}

var _ search.System[laneState, action] = (*laneWorld)(nil)

func (w *laneWorld) has(g guards) bool { return w.guards&g != 0 }

func (w *laneWorld) Initial() []laneState {
	changes := []laneRecord{{0, 1}, {0, 2}, {1, 1}}
	rows := []laneRecord{{0, 0}, {1, 0}}
	var all []laneState
	for _, live := range logsOf(changes, w.live) {
		for _, snapshot := range logsOf(rows, w.snapshot) {
			for _, refuses := range slices.Concat([]laneRecord{{key: none}}, changes, rows) {
				s := laneState{refuses: refuses, logs: [topics][maxLane]laneRecord{snapshotTopic: snapshot, liveTopic: live}}
				s.worker = w.begin(s.committed)
				all = append(all, s)
			}
		}
	}
	return all
}

// logsOf lists every log of so many of these records.
func logsOf(records []laneRecord, length int8) [][maxLane]laneRecord {
	logs := [][maxLane]laneRecord{{}}
	for o := range length {
		var longer [][maxLane]laneRecord
		for _, log := range logs {
			for _, r := range records {
				log[o] = r
				longer = append(longer, log)
			}
		}
		logs = longer
	}
	return logs
}

// ends are the ends of the topics.
func (w *laneWorld) ends() [topics]int8 {
	return [topics]int8{snapshotTopic: w.snapshot, liveTopic: w.live}
}

func (s *laneState) at(p place) laneRecord { return s.logs[p.topic][p.offset] }

// Next lists every step that may follow.
func (w *laneWorld) Next(from laneState, step func(action, laneState)) {
	changing := search.Changing(&from, w.settle, step)
	do := func(v verb, object int8, change func(*laneState)) { changing(action{v, object}, change) }
	mem := w.memories[from.worker]
	for t := range int8(topics) {
		if o := mem.next[t]; o < w.ends()[t] {
			do([...]verb{snapshotTopic: workerReadsRow, liveTopic: workerReadsChange}[t], o, func(s *laneState) {
				s.worker = w.follow(s.worker, laneOp{verb: laneFetch, at: place{t, o}, record: s.at(place{t, o})})
			})
		}
		if next := w.committable(mem, t); next > from.committed[t] {
			do(workerCommits, t, func(s *laneState) { s.committed[t] = next })
		}
	}
	do(writerTakes, none, func(s *laneState) { s.worker = w.follow(s.worker, laneOp{verb: laneTake}) })
	for i := range mem.calls {
		w.call(&from, mem, int8(i), do)
	}
	for key := range int8(2) {
		for n := range int8(maxChanges) {
			if r := (laneRecord{key, n}); from.late[key]&(1<<n) != 0 {
				do(lateArrives, r.object(), func(s *laneState) { w.arrive(s, r) })
			}
		}
	}
	do(workerCrashes, none, func(s *laneState) {
		for t := range int8(topics) {
			for o := s.committed[t]; o < mem.next[t]; o++ {
				r := s.at(place{t, o})
				s.late[r.key] |= 1 << r.n
			}
		}
		s.worker = w.begin(s.committed)
	})
}

// settle leaves out what can make no difference any more.
func (w *laneWorld) settle(s *laneState) {
	for key := range int8(2) {
		for n := range int8(maxChanges) {
			if r := (laneRecord{key, n}); r == s.refuses || s.table[key] >= r.stored() {
				s.late[key] &^= 1 << n
			}
		}
	}
}

// call lets a call end, with every answer that its rows may get.
func (w *laneWorld) call(s *laneState, mem *laneMemory, i int8, do doer) {
	call := mem.calls[i]
	for tried := range uint8(1 << len(call)) { // which rows the table or the dlq hears of
		v := callEndsInPart
		switch tried {
		case 0:
			v = callFails
		case 1<<len(call) - 1:
			v = callEnds
		}
		do(v, i, func(s *laneState) {
			op := laneOp{verb: laneAnswer, call: i}
			for n, r := range call {
				if tried&(1<<n) != 0 {
					op.results[n] = w.tried(s, mem, r)
				}
			}
			s.worker = w.follow(s.worker, op)
		})
	}
	do(answerIsLost, i, func(s *laneState) {
		for _, r := range call {
			if !r.dead {
				w.arrive(s, s.at(w.writes(mem, r)))
			}
		}
	})
}

// tried is what the table or the dlq says of a row.
func (w *laneWorld) tried(s *laneState, mem *laneMemory, r laneRow) laneResult {
	p := w.writes(mem, r)
	switch {
	case r.dead:
		s.dlq |= r.at.bit()
		return laneDone
	case s.at(p) != s.refuses:
		w.arrive(s, s.at(p))
		return laneDone
	case !w.has(deadSupersedesNothing):
		s.dlq |= r.at.bit()
		return laneDone // it counts as written, with all below it
	}
	return laneRefused
}

// arrive lets the table decide about a write.
func (w *laneWorld) arrive(s *laneState, r laneRecord) {
	if r != s.refuses && s.table[r.key] < r.stored() {
		s.table[r.key] = r.stored()
	}
}

// writes is the record that is written for a row: its own, unless a guard is off.
func (w *laneWorld) writes(mem *laneMemory, r laneRow) place {
	below := mem.below(r)
	for _, lower := range below {
		if !w.has(snapshotYields) && lower.at.topic == snapshotTopic || !w.has(writeHighest) && lower.at.topic == liveTopic {
			return lower.at
		}
	}
	return r.at
}

// committable is the offset that the worker may commit.
func (w *laneWorld) committable(mem *laneMemory, topic int8) int8 {
	next := mem.committable[topic]
	if w.has(supersedeWhenWritten) && w.has(commitContiguous) {
		return next
	}
	open := map[int8]bool{}
	for _, l := range mem.lanes {
		for _, r := range l.rows {
			if r.at.topic == topic {
				open[r.at.offset] = true
			}
		}
	}
	if !w.has(supersedeWhenWritten) {
		for _, call := range mem.calls {
			for _, r := range call {
				for _, lower := range mem.below(r) {
					if lower.at.topic == topic {
						delete(open, lower.at.offset)
					}
				}
			}
		}
	}
	for o := next; o < mem.next[topic]; o++ {
		switch {
		case !open[o]:
			next = o + 1
		case w.has(commitContiguous):
			return next
		}
	}
	return next
}

// Broken says what a step broke.
func (w *laneWorld) Broken(from laneState, _ action, to laneState) string {
	for key := range to.table {
		if have, now := from.table[key], to.table[key]; now < have {
			return "the stored version fell (invariant 1): " + have.String() + " became " + now.String()
		}
	}
	for t := range int8(topics) {
		for o := range to.committed[t] {
			p := place{t, o}
			if to.dlq&p.bit() == 0 && to.table[to.at(p).key] < to.at(p).stored() {
				return fmt.Sprintf("%s is committed, and %s is not written (invariant 2)", p, to.at(p))
			}
		}
	}
	if w.stuck(to) {
		return "not everything is committed, and the worker does nothing more"
	}
	return ""
}

// stuck reports that nothing is under way, and nothing can begin, though not everything can be committed.
func (w *laneWorld) stuck(s laneState) bool {
	mem := w.memories[s.worker]
	return len(mem.calls) == 0 && mem.next == w.ends() && mem.committable != w.ends() && w.follow(s.worker, laneOp{verb: laneTake}) == s.worker
}

// Quiet reports that everything is committed.
func (w *laneWorld) Quiet(s laneState) bool { return s.committed == w.ends() }

// object is the record as the object of a step.
func (r laneRecord) object() int8 { return 2*r.n + r.key }

func (r laneRecord) String() string {
	if r.n == 0 {
		return fmt.Sprintf("%s's row", r.name())
	}
	return fmt.Sprintf("%s's change %d", r.name(), r.n)
}

func (r laneRecord) name() string { return string(rune('a' + r.key)) }

// String is what became of the row.
func (v stored) String() string {
	switch i := slices.Index(storedVersions[:], v); i {
	case -1:
		return "absent"
	case 0:
		return "the row"
	default:
		return fmt.Sprintf("change %d", i)
	}
}

func (p place) String() string {
	return [...]string{snapshotTopic: "snapshot", liveTopic: "live"}[p.topic] + "@" + strconv.Itoa(int(p.offset))
}

func (w *laneWorld) Describe(s laneState) string {
	text := fmt.Sprintf("| committed: live %d, snapshot %d | worker: %s | new table: a %s, b %s",
		s.committed[liveTopic], s.committed[snapshotTopic], w.memories[s.worker], s.table[0], s.table[1])
	if w.memories[s.worker].next != [topics]int8{} {
		return text // the topics do not change
	}
	for t := range int8(topics) {
		for o := range w.ends()[t] {
			text += fmt.Sprintf(" | %s: %s", place{t, o}, s.at(place{t, o}))
		}
	}
	if s.refuses.key != none {
		text += fmt.Sprintf(" | the table refuses %s", s.refuses)
	}
	return text
}

// action names a step.
type action struct {
	verb   verb
	object int8 // none if there is none
}

// verb is what a step does.
type verb uint8

const (
	workerReadsRow verb = iota
	workerReadsChange
	writerTakes
	callEnds
	callEndsInPart
	callFails
	answerIsLost
	workerCommits
	workerCrashes
	lateArrives
)

var verbs = [...]string{
	workerReadsRow: "the worker reads snapshot offset", workerReadsChange: "the worker reads live offset",
	writerTakes: "a writer takes the next call", callEnds: "a call ends, number", callFails: "a call fails and is tried again, number",
	callEndsInPart: "a call ends, and one of its rows is tried again, number",
	answerIsLost:   "a call arrives and its answer is lost, number",
	workerCommits:  "the worker commits topic", workerCrashes: "the worker crashes, and another one begins",
	lateArrives: "a write of a worker before arrives,",
}

// String is the action in words.
func (a action) String() string {
	switch {
	case a.object == none:
		return verbs[a.verb]
	case a.verb == lateArrives:
		return verbs[a.verb] + " " + laneRecord{a.object % 2, a.object / 2}.String()
	}
	return verbs[a.verb] + " " + strconv.Itoa(int(a.object))
}

// doer is called with each step: change makes the state that follows.
type doer func(v verb, object int8, change func(*laneState))
