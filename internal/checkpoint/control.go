package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// ErrLost says that another process's control entry came first. Read again and decide anew, as Update does.
var ErrLost = errors.New("another process changed the migration first")

// Control reads and appends the history of the migration. It belongs to one goroutine.
type Control struct {
	log     Log
	by      string
	formats formats
	next    int64
	state   State

	sent   []byte    // the entry that was appended last, until it is read back
	sentAt time.Time // the time in it
	wrote  bool      // it was read back and accepted, and no caller has been told
}

// NewControl returns a Control that has read nothing yet. by names the process in the entries it writes.
func NewControl(log Log, by string) *Control {
	return &Control{log: log, by: by, formats: controlFormats}
}

// By is the process that the entries it writes name.
func (c *Control) By() string { return c.by }

// Refresh reads what has been appended since the last time and returns the state.
func (c *Control) Refresh(ctx context.Context) (State, error) {
	if err := c.read(ctx); err != nil {
		return State{}, err
	}
	return c.state, nil
}

func (c *Control) read(ctx context.Context) error {
	next, err := c.log.Read(ctx, c.next, func(e Entry) error {
		_, err := c.fold(e)
		return err
	})
	if err != nil {
		return fmt.Errorf("read control: %w", err)
	}
	c.next = next
	return nil
}

// fold takes one entry into the state and reports whether it was accepted.
func (c *Control) fold(e Entry) (bool, error) {
	entry, err := c.formats.decodeEntry(e.Value) // also one that lost must be what a build writes
	if err != nil {
		return false, fmt.Errorf("control entry at offset %d: %w", e.Offset, err)
	}
	state, accepted, err := c.state.Fold(entry)
	if err != nil {
		return false, fmt.Errorf("offset %d: %w", e.Offset, err)
	}
	c.state, c.next = state, e.Offset+1
	if accepted && c.sent != nil && bytes.Equal(e.Value, c.sent) {
		c.sent, c.wrote = nil, true
	}
	return accepted, nil
}

// Update changes the migration by compare-and-swap: it reads the log, asks decide for the entry that belongs on top of the
// state, and appends it. If another process's entry comes first, it begins anew with the state as it is then; each such turn
// is another process's progress. It returns the state as last read, and whether an entry of this Control has been accepted.
//
// decide returns nil when there is nothing to write: also when what it wants is there already, whoever wrote it. It is asked
// any number of times, and must answer from the state it is given. An error of decide ends Update, and is returned as it is.
//
// Nothing else is tried again here. After any other error the entry may have been taken, or may be yet. The caller retries, by
// a fault.Do around Update, with the patience and the log lines that are its own; one that gives up may be obeyed after all.
// The next call reads the log first, so that decide sees what has become of the entry. The same entry may be in the log twice
// then, and one of the two is accepted. If that is the earlier one, Update reports it as this Control's own.
func (c *Control) Update(ctx context.Context, decide func(State) (*ControlEntry, error)) (state State, wrote bool, err error) {
	for {
		if state, err = c.Refresh(ctx); err != nil {
			return state, false, err
		}
		entry, err := decide(state)
		if err != nil {
			return state, false, err
		}
		if entry == nil {
			wrote, c.wrote = c.wrote, false
			return state, wrote, nil
		}
		state, err = c.Append(ctx, *entry)
		if !errors.Is(err, ErrLost) {
			return state, err == nil, err
		}
	}
}

// Append is one attempt of Update: it writes an entry on top of the state that this Control has read, and reads it back. It
// returns the new state, or ErrLost when another process's entry came first. After any other error the entry may or may not
// have been taken: Refresh says.
func (c *Control) Append(ctx context.Context, e ControlEntry) (State, error) {
	e.After, e.By, e.At = c.state.Accepted, c.by, time.Now().UTC()
	if _, _, err := c.state.Fold(e); err != nil {
		return c.state, err
	}
	if err := c.seal(e); err != nil {
		return c.state, fmt.Errorf("encode control entry: %w", err)
	}
	if err := c.log.Append(ctx, Entry{Key: []byte("control"), Value: c.sent}); err != nil {
		return c.state, fmt.Errorf("append to control: %w", err)
	}
	if err := c.read(ctx); err != nil {
		return c.state, err
	}
	switch {
	case c.wrote:
	case c.state.Accepted == e.After: // nobody was first: the log was read as it was before the append
		return c.state, &fault.Error{
			Class: fault.Retry, Reason: "entry-unseen", What: fmt.Sprintf("the control log has taken entry %d, and does not show it yet", e.After),
		}
	default:
		return c.state, ErrLost
	}
	c.wrote = false
	return c.state, nil
}

// seal encodes the entry that is sent next. The same entry on top of the same state is sent again to the byte, with the time
// of its first attempt: whichever of the two arrives first, it is the one that was sent.
func (c *Control) seal(e ControlEntry) error {
	again := e
	again.At = c.sentAt
	value, err := c.formats.encodeEntry(again)
	if err != nil {
		return err
	}
	if bytes.Equal(value, c.sent) {
		return nil
	}
	if value, err = c.formats.encodeEntry(e); err != nil {
		return err
	}
	c.sent, c.sentAt, c.wrote = value, e.At, false
	return nil
}
