package model

import (
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// searcher is the search for rows that vanished before a generation: what some run of it has come to.
type searcher struct {
	reads    bool // one has begun; of interest when a third generation may begin
	suspects bool // one has read the item and suspects it
	suspect  item
	missing  bool // one did not find a suspect at the source, and may write its marker
	passed   bool // one has been through the new table
}

// search takes the steps of any number of searches. One that takes longer than a grace for a key has ended, and begins anew.
func (w *world) search(s *state, do doer[state]) {
	control := w.state(s, s.entries)
	if !control.Searches() {
		return
	}
	current := s.generation()
	if control.Marked == nil && w.maySearch(s, control) {
		if !w.has(MarkVanished) {
			do(searchRecords, current, func(s *state) { s.append(entry{what: marked}) })
			return
		}
		w.searchReads(s, current, do)
	}
	if s.searchers[current-2].passed && control.Phase() == checkpoint.Marking {
		do(searchRecords, current, func(s *state) { s.append(entry{what: marked}) })
	}
	for g := int8(2); g <= current; g++ {
		if g < current && s.searchers[g-2].reads && s.before[g-1].works {
			w.searchReads(s, g, do)
		}
		w.searchFinds(s, g, do)
	}
}

// searchReads lets a search of a generation read the new table.
func (w *world) searchReads(s *state, generation int8, do doer[state]) {
	do(searchReads, generation, func(s *state) {
		r := &s.searchers[generation-2]
		r.reads = w.Third
		if snapshot.Suspect(stored(s.item), uint32(generation)) {
			r.suspects, r.suspect = true, s.item
		} else {
			r.passed = true
		}
	})
}

// searchFinds lets it look at the source, and write its marker.
func (w *world) searchFinds(s *state, generation int8, do doer[state]) {
	if s.searchers[generation-2].suspects {
		do(searchLooks, generation, func(s *state) {
			r := &s.searchers[generation-2]
			_, found := s.present()
			if snapshot.Vanished(stored(r.suspect), uint32(generation), found && w.has(MarkIfGone)) {
				r.missing = true
			} else {
				r.passed = true
			}
			r.suspects, r.suspect = false, item{}
		})
	}
	if s.searchers[generation-2].missing {
		do(searchMarks, generation, func(s *state) {
			w.arrive(s, w.marker(generation))
			s.searchers[generation-2].passed = true
		})
	}
}

// maySearch asks snapshot.Unmet.
func (w *world) maySearch(s *state, control checkpoint.State) bool {
	known, grace := time.Duration(0), time.Minute
	if s.known || !w.has(MarkAfterGrace) {
		known = grace
	}
	committed := map[int]int64{0: int64(s.committed[snapshotTopic])}
	if !w.has(MarkAfterApplied) {
		committed[0] = maxSnap
		if control.Closed == nil {
			control.Closed = &checkpoint.Closed{}
		}
	}
	return snapshot.Unmet(control, committed, known, grace) == ""
}

// marker is what the search writes: of the lowest version of the generation, unless that guard is off.
func (w *world) marker(generation int8) item {
	if !w.has(MarkLowest) {
		return item{kind: marker, rec: record{generation: generation, live: true, n: maxChanges + 1}}
	}
	i := item{kind: marker, rec: record{generation: generation, n: none}}
	if version(i.rec, 0) != snapshot.MarkerVersion(uint32(generation)) {
		panic("model: the search's marker has another version")
	}
	return i
}

// stored is an item of the new table as the search reads it.
func stored(i item) snapshot.Stored {
	if i.kind == absent {
		return snapshot.Stored{}
	}
	return snapshot.Stored{Version: version(i.rec, i.rerun), Marker: i.kind == marker}
}
