package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
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

// Created is recorded by create, after the topics and the start of capture are durable.
type Created struct {
	// Generation is 1; above that, the new table held items of earlier migrations, and this one lies above all of them.
	Generation     uint32            `json:"generation"`
	Config         map[string]string `json:"config"` // the fields that must not change, by dotted name
	KeySchema      events.KeySchema  `json:"key_schema"`
	Stream         string            `json:"stream,omitempty"` // the ARN of the stream; form stream only
	Partitions     int               `json:"partitions"`       // of .snapshot and of .live
	WorkPartitions int               `json:"work_partitions"`
	Segments       int               `json:"segments"`
	EstimatedItems int64             `json:"estimated_items"` // as the source said when it was asked
	KeepExisting   bool              `json:"keep_existing,omitempty"`
	// Target is the identity of the new table, which no other one of its name ever has; empty if the server gives none.
	Target string `json:"target,omitempty"`
	// Singly says that the new table's server knows no PartiQL, so that every row is written by a call of its own.
	Singly bool `json:"singly,omitempty"`
	// Topics are the ids that Kafka gave the migration's topics, by their names: a topic that is made again has another.
	Topics map[string]string `json:"topics,omitempty"`
}

// Closed is recorded when every segment is done: no snapshot record at or past these offsets is ever applied.
type Closed struct {
	Generation uint32        `json:"generation"`
	Ends       map[int]int64 `json:"ends"` // end offset of each partition of .snapshot
}

// Restarted is recorded by restart, after the new generation's start of capture is durable.
type Restarted struct {
	// Generation is higher than the one before, and not always by one: that of a restart that died before it came here is
	// never used again.
	Generation     uint32 `json:"generation"`
	Stream         string `json:"stream"`          // the ARN of the stream; another one if it was turned off and on
	EstimatedItems int64  `json:"estimated_items"` // as the source said when it was asked
}

// Marked is recorded when the rows that vanished in the gap before a generation have their markers.
type Marked struct {
	Generation uint32 `json:"generation"`
	Marked     int64  `json:"marked"`
	Kept       int64  `json:"kept"` // of an older generation, and still at the source: their snapshot records are in the dlq
}

// Sweeping is recorded before a pass of the sweep removes its first marker.
type Sweeping struct{}

// Swept is recorded after a pass of the sweep that removed something, or could have.
type Swept struct {
	Removed int64 `json:"removed"`
	Left    int64 `json:"left"` // markers that the pass met and had to leave
	// Updated is how many of Left have attributes of the application, which has updated them.
	Updated int64 `json:"updated,omitempty"`
	// FallbackReadsOff is the operator's word that nothing reads the old table any more.
	FallbackReadsOff bool `json:"fallback_reads_off,omitempty"`
}

// Replay is recorded twice: before the committed offsets are set back, and when they have been.
type Replay struct {
	Reset bool `json:"reset"` // they have been
}

// ControlEntry is one entry of the control log. Exactly one of the pointers is set.
type ControlEntry struct {
	After     int        `json:"after"` // how many accepted entries its author had seen
	At        time.Time  `json:"at"`
	By        string     `json:"by"` // the process that wrote it
	Created   *Created   `json:"created,omitempty"`
	Restarted *Restarted `json:"restarted,omitempty"`
	Closed    *Closed    `json:"closed,omitempty"`
	Marked    *Marked    `json:"marked,omitempty"`
	Sweeping  *Sweeping  `json:"sweeping,omitempty"`
	Swept     *Swept     `json:"swept,omitempty"`
	Replay    *Replay    `json:"replay,omitempty"`
}

// parts is how many of the things that an entry can say it says.
func (e ControlEntry) parts() (n int) {
	for _, set := range []bool{
		e.Created != nil, e.Restarted != nil, e.Closed != nil, e.Marked != nil, e.Sweeping != nil, e.Swept != nil, e.Replay != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// State is the fold of the control log. The zero State is that of a migration that was not created.
type State struct {
	Accepted  int // entries that took effect
	Created   *Created
	Restarted *Restarted // the last one; nil in the first generation
	Began     time.Time  // when the current generation did, by the clock of the process that wrote it
	Closed    *Closed    // of the current generation; nil while its snapshot goes on
	ClosedAt  time.Time  // by the clock of the process that wrote it
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

// Fold takes one entry into the state and reports whether it took effect. An entry whose author had not seen all accepted ones lost to another; it is left
// out, by every reader alike: the log's order decides, and that is the compare-and-swap.
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
		s.Closed, s.ClosedAt, s.Marked = nil, time.Time{}, nil
	case e.Closed != nil && s.Phase() == Copying && e.Closed.Generation == s.Generation():
		s.Closed, s.ClosedAt = e.Closed, e.At
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
	default:
		return s, false, fmt.Errorf("control entry %d (by %s at %s) does not fit the phase %q", e.After, e.By, e.At.Format(time.RFC3339), s.Phase())
	}
	s.Accepted++
	return s, true, nil
}

// ErrLost says that another process's control entry came first. Read again and decide anew.
var ErrLost = errors.New("another process changed the migration first")

// Control reads and appends the history of the migration. It belongs to one goroutine.
type Control struct {
	log   Log
	by    string
	next  int64
	state State
}

// NewControl returns a Control that has read nothing yet. by names the process in the entries it writes.
func NewControl(log Log, by string) *Control { return &Control{log: log, by: by} }

// By is the process that the entries it writes name.
func (c *Control) By() string { return c.by }

// Refresh reads what has been appended since the last time and returns the state.
func (c *Control) Refresh(ctx context.Context) (State, error) {
	next, err := c.log.Read(ctx, c.next, func(e Entry) error {
		_, err := c.fold(e)
		return err
	})
	if err != nil {
		return State{}, fmt.Errorf("read control: %w", err)
	}
	c.next = next
	return c.state, nil
}

// fold takes one entry into the state and reports whether it took effect.
func (c *Control) fold(e Entry) (bool, error) {
	var entry ControlEntry
	if err := decode(e.Value, &entry); err != nil {
		return false, fmt.Errorf("control entry at offset %d: %w", e.Offset, err)
	}
	if n := entry.parts(); n != 1 { // also of an entry that lost: what it says must be known
		return false, fmt.Errorf("control entry at offset %d: it says %d things, not one", e.Offset, n)
	}
	state, accepted, err := c.state.Fold(entry)
	if err != nil {
		return false, err
	}
	c.state, c.next = state, e.Offset+1
	return accepted, nil
}

// Append writes an entry on top of the state that this Control has read, and reads it back. It returns the
// new state, or ErrLost when another process's entry came first. After any other error the entry may or may not
// have been taken: Refresh says.
func (c *Control) Append(ctx context.Context, e ControlEntry) (State, error) {
	e.After, e.At, e.By = c.state.Accepted, time.Now().UTC(), c.by
	if _, _, err := c.state.Fold(e); err != nil {
		return c.state, err
	}
	value, err := json.Marshal(e)
	if err != nil {
		return c.state, fmt.Errorf("encode control entry: %w", err)
	}
	if err := c.log.Append(ctx, Entry{Key: []byte("control"), Value: value}); err != nil {
		return c.state, fmt.Errorf("append to control: %w", err)
	}
	mine := false
	next, err := c.log.Read(ctx, c.next, func(read Entry) error {
		accepted, err := c.fold(read)
		mine = mine || accepted && bytes.Equal(read.Value, value)
		return err
	})
	if err != nil {
		return c.state, fmt.Errorf("read control: %w", err)
	}
	c.next = next
	if !mine {
		return c.state, ErrLost
	}
	return c.state, nil
}

// Ends returns a copy of the close's offsets, or nil.
func (s State) Ends() map[int]int64 {
	if s.Closed == nil {
		return nil
	}
	return maps.Clone(s.Closed.Ends)
}
