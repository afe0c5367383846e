package model

import (
	"fmt"
	"slices"
)

// Lanes is a scope of its own: two keys in one partition of each topic, and what a worker does with them in memory.
// Every log is searched that holds so many records of two changes of the one key and one of the other, in any order and
// as often as may be; and at most one of the events is one that the table never takes.
type Lanes struct {
	Live     int8 // records of the live topic
	Snapshot int8 // records of the snapshot topic
}

// The most records of one topic.
const maxLane = 4

// laneRecord is an event of one of the two keys: the change n, or, if that is 0, the row before the first one.
type laneRecord struct{ key, n int8 }

// place is where a record is.
type place struct{ topic, offset int8 }

func (p place) bit() uint16 { return 1 << (p.topic*maxLane + p.offset) }

// laneState is everything there is, for two keys, their records, and the worker that has the partitions.
type laneState struct {
	logs    [topics][maxLane]laneRecord
	refuses laneRecord // the table never takes this one; of no key when it takes all

	table     [2]item // by key
	dlq       uint16  // the records in it, by bit
	committed [topics]int8
	worker    int32 // what the worker has in memory: laneWorld.memories
	// late are the changes, by key and bit, that workers before it had in memory: they may still arrive. Those that the
	// table would not take are left out.
	late [2]uint8
}

// Search looks at every interleaving within the scope, with these guards, and stops at the first thing that is wrong.
func (c Lanes) Search(g Guards) Result {
	w := &laneWorld{Lanes: c, decisions: newDecisions(g, 0), laneMemories: newLaneMemories()}
	return search(w, 50_000_000)
}

// laneWorld is the system that is searched.
type laneWorld struct {
	Lanes
	*decisions
	*laneMemories
}

var _ system[laneState] = (*laneWorld)(nil)

func (w *laneWorld) initial() []laneState {
	changes := []laneRecord{{0, 1}, {0, 2}, {1, 1}}
	rows := []laneRecord{{0, 0}, {1, 0}}
	var all []laneState
	for _, live := range logsOf(changes, w.Live) {
		for _, snapshot := range logsOf(rows, w.Snapshot) {
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
	return [topics]int8{snapshotTopic: w.Snapshot, liveTopic: w.Live}
}

func (s *laneState) at(p place) laneRecord { return s.logs[p.topic][p.offset] }

// write is what the table is asked to take for a record.
func (r laneRecord) write() item {
	return item{kind: row, rec: record{generation: 1, live: r.n > 0, n: r.n}}
}

// next lists every step that may follow.
func (w *laneWorld) next(from laneState, step func(action, laneState)) {
	do := doing(&from, w.settle, step)
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
			if r := (laneRecord{key, n}); r == s.refuses || !w.takes(s.table[key], r.write()) {
				s.late[key] &^= 1 << n
			}
		}
	}
}

// call lets a call end, with every answer that its rows may get.
func (w *laneWorld) call(s *laneState, mem *laneMemory, i int8, do doer[laneState]) {
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
	case !w.has(DeadSupersedesNothing):
		s.dlq |= r.at.bit()
		return laneDone // it counts as written, with all below it
	}
	return laneRefused
}

// arrive lets the table decide about a write.
func (w *laneWorld) arrive(s *laneState, r laneRecord) {
	if r != s.refuses && w.takes(s.table[r.key], r.write()) {
		s.table[r.key] = r.write()
	}
}

// writes is the record that is written for a row: its own, unless a guard is off.
func (w *laneWorld) writes(mem *laneMemory, r laneRow) place {
	below := mem.below(r)
	for _, lower := range below {
		if !w.has(SnapshotYields) && lower.at.topic == snapshotTopic || !w.has(WriteHighest) && lower.at.topic == liveTopic {
			return lower.at
		}
	}
	return r.at
}

// committable is the offset that the worker may commit.
func (w *laneWorld) committable(mem *laneMemory, topic int8) int8 {
	next := mem.committable[topic]
	if w.has(SupersedeWhenWritten) && w.has(CommitContiguous) {
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
	if !w.has(SupersedeWhenWritten) {
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
		case w.has(CommitContiguous):
			return next
		}
	}
	return next
}

// broken says what a step broke.
func (w *laneWorld) broken(from laneState, _ action, to laneState) string {
	for key := range to.table {
		if have, now := from.table[key], to.table[key]; have != now && have.kind != absent && w.stored(now) <= w.stored(have) {
			return "the stored version fell (invariant 1): " + have.String() + " became " + now.String()
		}
	}
	for t := range int8(topics) {
		for o := range to.committed[t] {
			p := place{t, o}
			have, want := to.table[to.at(p).key], to.at(p).write()
			if to.dlq&p.bit() == 0 && (have.kind == absent || w.stored(have) < w.stored(want)) {
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

// quiet reports that everything is committed.
func (w *laneWorld) quiet(s laneState) bool { return s.committed == w.ends() }

// object is the record as the object of a step.
func (r laneRecord) object() int8 { return 2*r.n + r.key }

func (r laneRecord) String() string {
	if r.n == 0 {
		return fmt.Sprintf("%s's row", r.name())
	}
	return fmt.Sprintf("%s's change %d", r.name(), r.n)
}

func (r laneRecord) name() string { return string(rune('a' + r.key)) }

func (p place) String() string {
	return [...]string{snapshotTopic: "snapshot", liveTopic: "live"}[p.topic] + "@" + itoa(p.offset)
}

func (w *laneWorld) describe(s laneState) string {
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
