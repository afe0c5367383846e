package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Phase is where a migration stands: the fold of its control entries.
type Phase string

// The phases, in their order.
const (
	NotCreated Phase = "not created"
	Copying    Phase = "copying"   // capture has a start; the snapshot is being read
	Streaming  Phase = "streaming" // closed: only live changes are applied
)

// Created is recorded by create, after the topics and the start of capture are durable.
type Created struct {
	Generation     uint32            `json:"generation"`
	Config         map[string]string `json:"config"` // the fields that must not change, by dotted name
	KeySchema      events.KeySchema  `json:"key_schema"`
	Stream         string            `json:"stream,omitempty"` // the ARN of the stream; form stream only
	Partitions     int               `json:"partitions"`       // of .snapshot and of .live
	WorkPartitions int               `json:"work_partitions"`
	Segments       int               `json:"segments"`
	EstimatedItems int64             `json:"estimated_items"` // as the source said when it was asked
	KeepExisting   bool              `json:"keep_existing,omitempty"`
}

// Closed is recorded when every segment is done: no snapshot record at or past these offsets is ever applied.
type Closed struct {
	Generation uint32        `json:"generation"`
	Ends       map[int]int64 `json:"ends"` // end offset of each partition of .snapshot
}

// Swept is recorded before the first removal of a pass of the sweep, and after a pass that removed something.
type Swept struct {
	// Begun: markers are about to be removed, so from now on a replay may meet keys whose markers are gone.
	Begun   bool  `json:"begun,omitempty"`
	Removed int64 `json:"removed"`
	Left    int64 `json:"left"` // markers that the pass met and had to leave
	// FallbackReadsOff is the operator's word that nothing reads the old table any more.
	FallbackReadsOff bool `json:"fallback_reads_off,omitempty"`
}

// ControlEntry is one entry of the control log. Exactly one of Created, Closed and Swept is set.
type ControlEntry struct {
	After   int       `json:"after"` // how many accepted entries its author had seen
	At      time.Time `json:"at"`
	By      string    `json:"by"` // the process that wrote it
	Created *Created  `json:"created,omitempty"`
	Closed  *Closed   `json:"closed,omitempty"`
	Swept   *Swept    `json:"swept,omitempty"`
}

// State is the fold of the control log. The zero State is that of a migration that was not created.
type State struct {
	Accepted int // entries that took effect
	Created  *Created
	Closed   *Closed   // nil while the snapshot goes on
	ClosedAt time.Time // by the clock of the process that wrote it
	Removed  int64     // markers swept so far
	Sweeps   int       // passes recorded
	Sweeping bool      // a pass has begun to remove markers, at some time
}

// Phase is the migration's phase.
func (s State) Phase() Phase {
	switch {
	case s.Created == nil:
		return NotCreated
	case s.Closed == nil:
		return Copying
	default:
		return Streaming
	}
}

// Generation is the current one; 0 when not created.
func (s State) Generation() uint32 {
	if s.Created == nil {
		return 0
	}
	return s.Created.Generation
}

// PastClose reports whether a snapshot record at this place must never be applied.
func (s State) PastClose(partition int, offset int64) bool {
	if s.Closed == nil {
		return false
	}
	end, ok := s.Closed.Ends[partition]
	return !ok || offset >= end
}

// apply folds one entry. An entry whose author had not seen all accepted ones lost to another; it is left
// out, by every reader alike: the log's order decides, and that is the compare-and-swap.
func (s State) apply(e ControlEntry) (State, bool, error) {
	if e.After != s.Accepted {
		return s, false, nil
	}
	switch {
	case e.Created != nil && s.Created == nil:
		s.Created = e.Created
	case e.Closed != nil && s.Phase() == Copying && e.Closed.Generation == s.Generation():
		s.Closed, s.ClosedAt = e.Closed, e.At
	case e.Swept != nil && s.Phase() == Streaming:
		s.Removed += e.Swept.Removed
		s.Sweeping = true
		if !e.Swept.Begun {
			s.Sweeps++
		}
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
	dec := json.NewDecoder(bytes.NewReader(e.Value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&entry); err != nil {
		return false, fmt.Errorf("control entry at offset %d: %w", e.Offset, err)
	}
	state, accepted, err := c.state.apply(entry)
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
	if _, _, err := c.state.apply(e); err != nil {
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
