package model

import (
	"fmt"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// decisions asks the parts' own code, and remembers what it said: the same questions come millions of times.
type decisions struct {
	guards  Guards
	split   int8
	decoder *events.Decoder
	rules   apply.Rules

	folded  map[[maxControl]entry]checkpoint.State
	decided map[question]decision
	text    map[item]string
	plans   map[planQuestion]bool
	guarded map[guarded]bool
}

type question struct {
	rec     record
	op      op
	topic   int8
	offset  int8
	rerun   int8
	control [maxControl]entry
}

// decision is what the rules say of a record; item is absent when it is dropped or must wait.
type decision struct {
	item item
	wait bool
}

type planQuestion struct {
	generation int8
	shards     [2]struct {
		known, before bool
		fact          fact
	}
	closed bool
	shard  int8
}

var keySchema = events.KeySchema{{Name: "k", Type: "S"}}

func newDecisions(g Guards, split int8) *decisions {
	return &decisions{
		guards: g, split: split, decoder: events.NewDecoder(keySchema),
		rules:  apply.Rules{From: apply.FromStream, SnapshotTopic: "snapshot", LiveTopic: "live", LivePartitions: 1},
		folded: map[[maxControl]entry]checkpoint.State{}, decided: map[question]decision{},
		text: map[item]string{}, plans: map[planQuestion]bool{}, guarded: map[guarded]bool{},
	}
}

func (d *decisions) has(g Guards) bool { return d.guards&g != 0 }

// version is the version of an event.
func version(r record, rerun int8) events.Version {
	v := events.Version{Generation: uint32(r.generation), Rerun: uint16(rerun)}
	if r.live {
		v.Class, v.Position = events.Live, events.PositionAt(uint64(r.n))
	}
	return v
}

// stored is the text that the new table compares.
func (d *decisions) stored(i item) string {
	text, ok := d.text[i]
	if !ok {
		text = version(i.rec, i.rerun).String()
		d.text[i] = text
	}
	return text
}

// state is the fold of the first control entries.
func (d *decisions) state(s *state, entries int8) checkpoint.State {
	var read [maxControl]entry
	copy(read[:], s.control[:entries])
	return d.fold(read)
}

func (d *decisions) fold(read [maxControl]entry) checkpoint.State {
	folded, ok := d.folded[read]
	if ok {
		return folded
	}
	for i, e := range read {
		if e.what == noEntry {
			break
		}
		var taken bool
		var err error
		folded, taken, err = folded.Fold(controlEntry(e, i, folded.Generation()))
		if err != nil || !taken {
			panic(fmt.Sprintf("model: control entry %d %+v: taken %t, %v", i, e, taken, err))
		}
	}
	d.folded[read] = folded
	return folded
}

func controlEntry(e entry, after int, generation uint32) checkpoint.ControlEntry {
	c := checkpoint.ControlEntry{After: after}
	switch e.what {
	case created:
		c.Created = &checkpoint.Created{Generation: 1}
	case closed:
		c.Closed = &checkpoint.Closed{Generation: generation, Ends: map[int]int64{0: int64(e.end)}}
	case restarted:
		c.Restarted = &checkpoint.Restarted{Generation: generation + 1}
	case marked:
		c.Marked = &checkpoint.Marked{Generation: generation}
	case noEntry:
		panic("model: an entry that says nothing")
	}
	return c
}

// decide asks apply.Rules about a record, as an applier that has read so many entries of the control log.
func (d *decisions) decide(s *state, read, topic, offset, rerun int8) decision {
	rec := s.topic(topic)[offset]
	q := question{rec: rec, topic: topic, offset: offset, rerun: rerun}
	if rec.live {
		q.op = s.ops[rec.n-1]
	}
	copy(q.control[:], s.control[:read])
	got, ok := d.decided[q]
	if !ok {
		got = d.ask(q, d.state(s, read))
		d.decided[q] = got
	}
	return got
}

func (d *decisions) ask(q question, state checkpoint.State) decision {
	e := events.Event{Key: `{"k":{"S":"k"}}`, Op: events.Write, Version: version(q.rec, 0), Item: events.Item{Raw: []byte(`{"k":{"S":"k"}}`)}}
	stand := row
	if q.op == del {
		e.Op, e.Item, stand = events.Delete, events.Item{}, marker
	}
	r := events.Encode(e)
	r.TopicPartition, r.Offset = events.TopicPartition{Topic: "live"}, int64(q.offset)
	if q.topic == snapshotTopic {
		r.Topic = "snapshot"
	}
	if !d.has(DropPastClose) {
		state.Closed = nil
	}
	if !d.has(DropOldGeneration) && uint32(q.rec.generation) < state.Generation() {
		state.Restarted = nil
	}
	if !d.has(WaitForControl) && uint32(q.rec.generation) > state.Generation() {
		if q.topic == snapshotTopic && state.PastClose(0, int64(q.offset)) {
			return decision{}
		}
		return decision{item: item{kind: stand, rec: q.rec, rerun: q.rerun}}
	}
	rules := d.rules
	rules.Rerun = uint16(q.rerun)
	_, dropped, err := rules.Decide(d.decoder, r, state)
	switch {
	case dropped == 0 && err == nil:
		return decision{item: item{kind: stand, rec: q.rec, rerun: q.rerun}}
	case dropped != 0:
		return decision{}
	case fault.Of(err) == fault.Retry:
		return decision{wait: true}
	}
	panic(fmt.Sprintf("model: %+v: %v", q, err))
}

// takes reports whether the new table takes a write.
func (d *decisions) takes(have, write item) bool {
	return !d.has(Condition) || have.kind == absent || d.stored(have) < d.stored(write)
}

// committable is the offset that an applier may commit.
func (d *decisions) committable(s *state, topic int8) int8 {
	first, length, done := s.committed[topic], int8(len(s.topic(topic))), s.done[topic]
	if !d.has(CommitContiguous) {
		highest := first
		for o := first; o < length; o++ {
			if done&(1<<o) != 0 {
				highest = o + 1
			}
		}
		return highest
	}
	var frontier checkpoint.Frontier[int8]
	for o := first; o < length; o++ {
		step := frontier.Begin(o + 1)
		if done&(1<<o) != 0 {
			frontier.Done(step)
		}
	}
	if next, ok := frontier.Position(); ok {
		return next
	}
	return first
}

func shardName(i int8) string { return [...]string{"parent", "child"}[i] }

func shardFact(f fact) checkpoint.ShardFact {
	return checkpoint.ShardFact{Generation: 1, Shard: "s", Position: events.PositionAt(uint64(f.at)), Done: f.done}
}

// mayRead asks capture.Plan whether a shard may be read now.
func (d *decisions) mayRead(s *state, i int8) bool {
	q := planQuestion{generation: s.generation(), shard: i, closed: d.split > 0 && s.head >= d.split}
	for n := range s.shards {
		sh := &s.shards[n]
		q.shards[n].known, q.shards[n].before, q.shards[n].fact = sh.known, sh.before, sh.said
	}
	may, ok := d.plans[q]
	if !ok {
		may = d.plan(q)
		d.plans[q] = may
	}
	return may
}

func (d *decisions) plan(q planQuestion) bool {
	generation := uint32(q.generation)
	shards := []capture.Shard{{ID: "parent", Start: events.PositionAt(1)}}
	if q.closed {
		shards[0].End = events.PositionAt(uint64(d.split))
		shards = append(shards, capture.Shard{ID: "child", Parent: "parent", Start: events.PositionAt(uint64(d.split) + 1)})
	}
	facts := map[string]checkpoint.ShardFact{}
	for n, k := range q.shards {
		if !k.known && k.fact.at == none {
			continue // nothing is said about it
		}
		f := checkpoint.ShardFact{Generation: generation, Shard: shardName(int8(n)), Before: k.before, Done: k.fact.done}
		if k.fact.at > 0 {
			f.Position = events.PositionAt(uint64(k.fact.at))
		}
		facts[f.Shard] = f
	}
	if !d.has(ParentFirst) && q.shard == 1 {
		if p, ok := facts["parent"]; ok {
			p.Done = true
			facts["parent"] = p
		}
	}
	ready, _ := capture.Plan(shards, facts, generation)
	for _, f := range ready {
		if f.Shard == shardName(q.shard) {
			return true
		}
	}
	return false
}

// guarded is a question to the sweep's guards a and b.
type guarded struct {
	control   [maxControl]entry
	committed [topics]int8
	marker    item // absent before one is seen
	sample    [2]fact
	end       int8
}

// mayBegin asks guard a, with which a sweep begins.
func (d *decisions) mayBegin(s *state, applied [topics]int8) bool {
	return d.met(guarded{control: s.control, committed: applied})
}

// covers asks the first half of guard b: whether what has settled covers a marker.
func (d *decisions) covers(s *state, applied [topics]int8, m item) bool {
	return d.met(guarded{control: s.control, committed: applied, marker: m, sample: s.sweeper.sample})
}

// mayRemove asks both guards about the marker that was seen. What has settled covers it: that was asked then.
func (d *decisions) mayRemove(s *state, applied [topics]int8) bool {
	q := guarded{control: s.control, committed: applied, marker: s.sweeper.marker, end: s.sweeper.end}
	for i := range s.shards {
		q.sample[i] = fact{at: s.sweeper.marker.rec.n}
		if !d.has(SweepSettles) {
			q.sample[i] = s.shards[i].said
		}
	}
	return d.met(q)
}

func (d *decisions) met(q guarded) bool {
	met, ok := d.guarded[q]
	if !ok {
		met = d.unmet(q) == ""
		d.guarded[q] = met
	}
	return met
}

// unmet asks sweep.Window.
func (d *decisions) unmet(q guarded) string {
	if !d.has(SweepSnapshotApplied) {
		q.committed[snapshotTopic] = maxSnap
	}
	if !d.has(SweepLiveApplied) {
		q.committed[liveTopic] = maxLive
	}
	logs := sweep.Logs{
		SnapshotCommitted: map[int]int64{0: int64(q.committed[snapshotTopic])}, LiveCommitted: map[int]int64{0: int64(q.committed[liveTopic])},
	}
	window := sweep.Window{LiveEnds: map[int]int64{0: int64(q.end)}}
	if q.marker.kind != absent {
		m := sweep.Marker{Version: version(q.marker.rec, q.marker.rerun)}
		if q.marker.rec.live && d.has(SweepFacts) {
			m.Shard = shardName(d.shardOf(q.marker.rec.n))
		}
		window.Markers = []sweep.Marker{m}
	}
	settled := sweep.Settled{}
	for i, f := range q.sample {
		if f.at != none {
			settled[shardName(int8(i))] = shardFact(f)
		}
	}
	return window.Unmet(d.fold(q.control), logs, settled)
}

// shardOf is the shard that change n is in.
func (d *decisions) shardOf(n int8) int8 {
	if d.split > 0 && n > d.split {
		return 1
	}
	return 0
}
