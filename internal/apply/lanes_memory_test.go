package apply_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// laneMemories are all that a worker may have in memory: each is reached by apply.Steps, the worker's own code, and is
// known by its number from then on. Two ways to the same memory have the same number.
type laneMemories struct {
	memories []*laneMemory
	numbers  map[string]int32
	followed map[laneStep]int32
}

// laneMemory is what the worker has in memory, as the search needs to see it.
type laneMemory struct {
	ways        []laneOp     // a way to it
	next        [topics]int8 // the offsets to read next
	committable [topics]int8 // as the frontiers say
	lanes       []laneLane   // in the order of their turns, those that are held last
	calls       [][]laneRow  // under way
}

type laneLane struct {
	rows []laneRow // by version, lowest first
	held bool
}

type laneRow struct {
	at     place
	record laneRecord
	dead   bool
}

// laneOp is what a worker does.
type laneOp struct {
	verb    laneVerb
	from    [topics]int8 // begin
	at      place        // fetch
	record  laneRecord
	call    int8 // answer
	results [maxCall]laneResult
}

type laneStep struct {
	from int32
	op   laneOp
}

type laneVerb uint8

const (
	laneBegin laneVerb = iota
	laneFetch
	laneTake
	laneAnswer
)

// maxCall bounds the rows of one call: one for each key.
const maxCall = 2

// laneResult is the answer to one row of a call.
type laneResult uint8

const (
	laneAgain laneResult = iota // it failed, and is tried again
	laneDone
	laneRefused // for good
)

func newLaneMemories() *laneMemories {
	return &laneMemories{numbers: map[string]int32{}, followed: map[laneStep]int32{}}
}

// begin is the memory of a worker that starts from these offsets.
func (m *laneMemories) begin(from [topics]int8) int32 {
	return m.reach([]laneOp{{verb: laneBegin, from: from}})
}

// follow is the memory after one more step.
func (m *laneMemories) follow(from int32, op laneOp) int32 {
	to, ok := m.followed[laneStep{from, op}]
	if !ok {
		to = m.reach(append(slices.Clone(m.memories[from].ways), op))
		m.followed[laneStep{from, op}] = to
	}
	return to
}

// reach goes this way with a new worker, and finds the number of the memory that it has then.
func (m *laneMemories) reach(ops []laneOp) int32 {
	mem := laneWalk(ops)
	text := mem.String()
	number, ok := m.numbers[text]
	if !ok {
		number = int32(len(m.memories))
		m.memories, m.numbers[text] = append(m.memories, mem), number
	}
	return number
}

// watch is a control log of a migration that is being copied.
type watch struct{ state checkpoint.State }

func (w watch) State() checkpoint.State { return w.state }
func (w watch) Fresh() error            { return nil }

var (
	laneKeys   = [...]events.Key{`{"k":{"S":"a"}}`, `{"k":{"S":"b"}}`}
	laneTopics = [topics]events.TopicPartition{snapshotTopic: {Topic: "snapshot"}, liveTopic: {Topic: "live"}}
	laneSchema = events.KeySchema{{Name: "k", Type: "S"}}
	laneConfig = apply.Config{
		Rules:  apply.Rules{From: apply.FromStream, SnapshotTopic: "snapshot", LiveTopic: "live", LivePartitions: 1},
		Schema: laneSchema, Watch: watch{checkpoint.State{Created: &checkpoint.Created{Generation: 1}}}, InFlight: 2,
	}
)

// laneWalk lets a worker do all of this.
func laneWalk(ops []laneOp) *laneMemory {
	mem := &laneMemory{ways: ops, next: ops[0].from}
	start := map[events.TopicPartition]apply.Progress{}
	for t, id := range laneTopics {
		start[id] = apply.Progress{Offset: int64(ops[0].from[t])}
	}
	steps := apply.New(laneConfig).Steps(start)
	for _, op := range ops[1:] {
		if err := mem.walk(steps, op); err != nil {
			panic(fmt.Sprintf("%+v: %v", op, err))
		}
	}
	for t, id := range laneTopics {
		mem.committable[t] = int8(steps.Committable(id))
	}
	for _, l := range steps.Lanes() {
		mem.lanes = append(mem.lanes, laneLane{laneRows(l.Rows), l.Held})
	}
	for _, call := range steps.Calls() {
		mem.calls = append(mem.calls, laneRows(call))
	}
	return mem
}

func (mem *laneMemory) walk(steps *apply.Steps, op laneOp) error {
	switch op.verb {
	case laneFetch:
		mem.next[op.at.topic] = op.at.offset + 1
		return steps.Fetched(context.Background(), op.record.encode(op.at))
	case laneTake:
		steps.Take()
		return nil
	case laneAnswer:
		results := make([]apply.Result, len(op.results))
		for i, r := range op.results {
			results[i] = laneResults[r]
		}
		return steps.Answer(int(op.call), results)
	case laneBegin:
	}
	panic("a worker begins once")
}

var laneResults = [...]apply.Result{
	laneAgain:   {Err: &fault.Error{Class: fault.Retry, What: "try again"}},
	laneDone:    {Outcome: apply.Applied},
	laneRefused: {Err: &fault.Error{Class: fault.Record, What: "refused"}},
}

// encode is the record as the topic holds it.
func (r laneRecord) encode(at place) events.Record {
	key := laneKeys[r.key]
	record := events.Encode(events.Event{Key: key, Op: events.Write, Version: r.version(), Item: events.Item{Raw: []byte(key)}})
	record.TopicPartition, record.Offset = laneTopics[at.topic], int64(at.offset)
	return record
}

func laneRows(rows []apply.Row) []laneRow {
	all := make([]laneRow, 0, len(rows))
	for _, r := range rows {
		record := laneRecord{key: int8(slices.Index(laneKeys[:], r.Event.Key))}
		for record.n <= maxLane && record.version() != r.Event.Version {
			record.n++
		}
		all = append(all, laneRow{place{int8(slices.Index(laneTopics[:], r.Partition)), int8(r.Offset)}, record, r.Dead})
	}
	return all
}

// below are the rows that are superseded once this one is written.
func (mem *laneMemory) below(r laneRow) []laneRow {
	for _, l := range mem.lanes {
		if i := slices.Index(l.rows, r); i >= 0 {
			return l.rows[:i]
		}
	}
	return nil
}

func (mem *laneMemory) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "read %v, done %v", mem.next, mem.committable)
	for _, l := range mem.lanes {
		text.WriteString([...]string{", lane", ", held"}[map[bool]int{true: 1}[l.held]])
		for _, r := range l.rows {
			fmt.Fprintf(&text, " %s", r)
		}
	}
	for _, call := range mem.calls {
		fmt.Fprintf(&text, ", call %v", call)
	}
	return text.String()
}

func (r laneRow) String() string {
	return fmt.Sprintf("%s %s%s", r.at, r.record, map[bool]string{true: " dead"}[r.dead])
}
