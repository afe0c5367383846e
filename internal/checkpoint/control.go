package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLost says that another process's control entry came first. Read again and decide anew.
var ErrLost = errors.New("another process changed the migration first")

// Control reads and appends the history of the migration. It belongs to one goroutine.
type Control struct {
	log     Log
	by      string
	formats formats
	next    int64
	state   State
}

// NewControl returns a Control that has read nothing yet. by names the process in the entries it writes.
func NewControl(log Log, by string) *Control {
	return &Control{log: log, by: by, formats: controlFormats}
}

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
	value, err := c.formats.encodeEntry(e)
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
