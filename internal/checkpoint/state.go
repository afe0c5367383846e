package checkpoint

import (
	"fmt"
	"slices"
	"time"
)

// Phase is where a migration stands: the fold of its control entries.
type Phase string

// The phases, in their order.
const (
	NotCreated Phase = "not created"
	Copying    Phase = "copying"   // capture has a start; the snapshot is being read
	Marking    Phase = "marking"   // closed, in a generation above others: rows of those that are not at the source get markers
	Streaming  Phase = "streaming" // only live changes are applied
)

// State is the fold of the control log. The zero State is that of a migration that was not created.
type State struct {
	Accepted  int // entries that took effect
	Created   *Created
	Restarted *Restarted // the last one; nil in the first generation
	Began     time.Time  // when the current generation did, by the clock of the process that wrote it
	Closed    *Closed    // of the current generation; nil while its snapshot goes on
	Marked    *Marked    // of the current generation; nil in generation 1
	Removed   int64      // markers swept so far
	Sweeps    int        // passes begun
	// Sweepers are the processes whose sweep has begun to remove markers and has not said that it has ended: at work, or dead.
	Sweepers []string
	// Replaying says that a replay was announced and the offsets have not been set back yet; Replays counts announcements.
	Replaying bool
	Replays   int
	// Epoch counts the replays whose offsets have been set back: what was applied before one says nothing of what is
	// applied after it.
	Epoch int
}

// Phase is the migration's phase.
func (s State) Phase() Phase {
	switch {
	case s.Created == nil:
		return NotCreated
	case s.Closed == nil:
		return Copying
	case s.Searches() && s.Marked == nil:
		return Marking
	default:
		return Streaming
	}
}

// Searches reports whether rows of the new table that are not at the source have to be looked for in the current
// generation. Only below generation 1 there is nothing that could have left any: a restart leaves the rows of the
// generation before, and a migration that is created above others leaves theirs.
func (s State) Searches() bool { return s.Generation() > 1 }

// Generation is the current one; 0 when not created.
func (s State) Generation() uint32 {
	switch {
	case s.Restarted != nil:
		return s.Restarted.Generation
	case s.Created != nil:
		return s.Created.Generation
	}
	return 0
}

// Stream is the ARN of the stream that the current generation captures; empty except in form stream.
func (s State) Stream() string {
	switch {
	case s.Restarted != nil:
		return s.Restarted.Stream
	case s.Created != nil:
		return s.Created.Stream
	}
	return ""
}

// EstimatedItems is how many items the source said it had when the current generation began.
func (s State) EstimatedItems() int64 {
	switch {
	case s.Restarted != nil:
		return s.Restarted.EstimatedItems
	case s.Created != nil:
		return s.Created.EstimatedItems
	}
	return 0
}

// PastClose reports whether a snapshot record at this place must never be applied.
func (s State) PastClose(partition int, offset int64) bool {
	if s.Closed == nil {
		return false
	}
	end, ok := s.Closed.Ends[partition]
	return !ok || offset >= end
}

// Fold takes one entry into the state and reports whether it was accepted: whether its author had seen all that were accepted
// before it. One that was not has lost to another, and changes nothing, whoever reads it: the log's order decides, and that
// is the compare-and-swap. An accepted entry changes the state as follows, and is an error at any other time:
//
//	entry             may come                                            changes
//	created           before everything else                              Created, Began; begins copying
//	restarted         once created, with a higher generation              Restarted, Began; Closed and Marked end; begins copying
//	closed            in copying, of this generation                      Closed; begins marking if the generation Searches, else streaming
//	marked            in marking, of this generation                      Marked; begins streaming
//	sweeping          in streaming, while no replay is announced          Sweepers, Sweeps
//	swept             in streaming                                        Removed; its author leaves Sweepers
//	replay            once created, while no replay is announced          Replaying, Replays
//	replay, reset     while a replay is announced                         Epoch; Replaying and Sweepers end
//
// Of entries that this build cannot read, an optional one is accepted at any time and changes nothing else, and a required one
// is an error that says which version is needed.
func (s State) Fold(e ControlEntry) (State, bool, error) {
	if e.After != s.Accepted {
		return s, false, nil
	}
	switch {
	case e.Created != nil && s.Created == nil:
		s.Created, s.Began = e.Created, e.At
	case e.Restarted != nil && s.Created != nil && e.Restarted.Generation > s.Generation():
		// The new generation is copied, closed and marked anew; what was swept stays swept.
		s.Restarted, s.Began = e.Restarted, e.At
		s.Closed, s.Marked = nil, nil
	case e.Closed != nil && s.Phase() == Copying && e.Closed.Generation == s.Generation():
		s.Closed = e.Closed
	case e.Marked != nil && s.Phase() == Marking && e.Marked.Generation == s.Generation():
		s.Marked = e.Marked
	case e.Sweeping != nil && s.Phase() == Streaming && !s.Replaying:
		s.Sweepers = append(slices.Clone(s.Sweepers), e.By)
		s.Sweeps++
	case e.Swept != nil && s.Phase() == Streaming:
		s.Sweepers = slices.DeleteFunc(slices.Clone(s.Sweepers), func(by string) bool { return by == e.By })
		s.Removed += e.Swept.Removed
	case e.Replay != nil && !e.Replay.Reset && s.Created != nil && !s.Replaying:
		s.Replaying = true
		s.Replays++
	case e.Replay != nil && e.Replay.Reset && s.Replaying:
		s.Replaying, s.Sweepers = false, nil
		s.Epoch++
	case e.unread != "" && e.Optional:
	case e.unread != "":
		return s, false, e.tooNew(e.unread)
	default:
		return s, false, fmt.Errorf("control entry %d (by %s at %s) does not fit the phase %q", e.After, e.By, e.At.Format(time.RFC3339), s.Phase())
	}
	s.Accepted++
	return s, true, nil
}
