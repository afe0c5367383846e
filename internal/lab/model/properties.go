package model

import "github.com/crossfadedb/crossfade/internal/checkpoint"

// Broken says what a step broke.
func (w *world) Broken(from state, _ action, to state) string {
	if to.item != from.item && to.item.kind != absent {
		if text := w.written(&from, &to); text != "" {
			return text
		}
	}
	if w.Quiet(to) {
		return w.differs(&to)
	}
	return ""
}

// written: the stored version never falls, and nothing older follows a marker that was removed. A replay goes through
// the past again: it may, until it has been applied.
func (w *world) written(from, to *state) string {
	if from.item.kind != absent && w.stored(to.item) <= w.stored(from.item) {
		return "the stored version fell (invariant 1): " + from.item.String() + " became " + to.item.String()
	}
	if to.swept.kind != absent && !to.replayed && w.stored(to.item) < w.stored(to.swept) {
		return "an older value came after its marker was swept (invariant 5): " + to.swept.String() + ", then " + to.item.String()
	}
	return ""
}

// Quiet reports that everything there is has been published and applied, and whoever could do more has crashed.
func (w *world) Quiet(s state) bool {
	if s.entries == 0 || w.state(&s, s.entries).Phase() != checkpoint.Streaming || s.committed != [topics]int8{s.snaps, s.lives} || s.from != s.committed {
		return false
	}
	for i := range s.shards {
		sh := &s.shards[i]
		if !sh.before && sh.published < w.last(&s, int8(i)) && w.shardOf(s.head) >= int8(i) && w.last(&s, int8(i)) > w.firstOf(int8(i)) {
			return false
		}
	}
	return true
}

// differs says how the new table differs from the old one.
func (w *world) differs(s *state) string {
	image, present := s.present()
	switch {
	case present && s.item.kind == marker && s.item.rec.n == none:
		return "all is applied, and a row that the source has was marked as vanished"
	case present && s.dead:
		return "" // the dlq has it
	case present && s.item.kind != row:
		return "all is applied, and a row is missing in the new table"
	case present && s.item.rec.n != image:
		return "all is applied, and the new table has an older row"
	case !present && s.item.kind == row:
		return "all is applied, and a deleted row is in the new table"
	case present && w.Rerun && s.item.rerun != int8(map[bool]int{true: 1}[s.replayed]):
		return "all is applied again, and the row is as the mapping before left it"
	}
	return ""
}
