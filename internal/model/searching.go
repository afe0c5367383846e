package model

import (
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// searcher is the search for rows that vanished: what some run of it has come to.
type searcher struct {
	suspects bool // one has read the item and suspects it
	suspect  item
	missing  bool // one did not find a suspect at the source, and may write its marker
	passed   bool // one has been through the new table
}

// search takes the steps of any number of searches. One that takes longer than a grace for a key has ended, and begins anew.
func (w *world) search(s *state, do doer) {
	control := w.state(s, s.entries)
	if control.Restarted == nil {
		return
	}
	generation := uint32(s.generation())
	if control.Marked == nil && w.maySearch(s, control) {
		if !w.has(MarkVanished) {
			do(searchRecords, none, func(s *state) { s.append(entry{what: marked}) })
			return
		}
		do(searchReads, none, func(s *state) {
			if snapshot.Suspect(stored(s.item), generation) {
				s.searcher.suspects, s.searcher.suspect = true, s.item
			} else {
				s.searcher.passed = true
			}
		})
	}
	if s.searcher.suspects {
		do(searchLooks, none, func(s *state) {
			_, found := s.present()
			if snapshot.Vanished(stored(s.searcher.suspect), generation, found && w.has(MarkIfGone)) {
				s.searcher.missing = true
			} else {
				s.searcher.passed = true
			}
			s.searcher.suspects, s.searcher.suspect = false, item{}
		})
	}
	if s.searcher.missing {
		do(searchMarks, none, func(s *state) {
			w.arrive(s, w.marker(int8(generation)))
			s.searcher.passed = true
		})
	}
	if s.searcher.passed && control.Phase() == checkpoint.Marking {
		do(searchRecords, none, func(s *state) { s.append(entry{what: marked}) })
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
