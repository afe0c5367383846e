package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// ErrNewGeneration says that a restart has begun a new generation, or a replay a new epoch. Whoever works for the one before
// ends, and joins again: everything that it would still do is covered by the new one.
var ErrNewGeneration = errors.New("a new generation, or a replay, of the migration has begun")

// Watch keeps reading the control log for a worker. A worker that has not been able to read it for too long
// must stop: it may not know of the close, and the sweep counts on that nobody is that far behind. Its
// methods are safe for concurrent use.
type Watch struct {
	control *Control // owned by Run once it has started
	every   time.Duration
	limit   time.Duration

	mu    sync.Mutex
	state State
	begun State // the first state that was read of a created migration
	read  time.Time
}

// watchEvery is how often the control log is read when grace allows it; at least ten times within the limit.
const watchEvery = time.Second

// NewWatch reads the control log once, and returns a watch that is fresh. grace is the migration's.
func NewWatch(ctx context.Context, control *Control, grace time.Duration) (*Watch, error) {
	w := &Watch{control: control, limit: grace / 2, every: min(watchEvery, grace/20)}
	return w, w.refresh(ctx)
}

// Run reads the control log until ctx ends, and then returns nil; or until another generation or epoch begins than the
// one that NewWatch has read, and then returns ErrNewGeneration; or until the log could not be read for half of the grace,
// and then returns an error of class Fatal.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := w.refresh(ctx)
		if err == nil && w.outdated() {
			return ErrNewGeneration
		}
		if err == nil {
			continue // fresh again
		}
		if ctx.Err() != nil {
			return nil
		}
		if fault.Of(err) != fault.Retry {
			return err
		}
		if stale := w.Fresh(); stale != nil {
			return stale
		}
	}
}

// refresh gives the read a deadline, and takes the time before it: what was true when the read began. It makes nothing
// fresh that was stale: a process that was frozen for that long holds records that others have applied since, and
// whose markers may be gone.
func (w *Watch) refresh(ctx context.Context) error {
	began := time.Now()
	if !w.lastRead().IsZero() {
		if stale := w.Fresh(); stale != nil {
			return stale
		}
	}
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	state, err := w.control.Refresh(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.read = state, began
	if w.begun.Created == nil {
		w.begun = state
	}
	return nil
}

func (w *Watch) outdated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Generation() != w.begun.Generation() || w.state.Epoch != w.begun.Epoch
}

// State returns the migration's state as last read.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *Watch) lastRead() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read
}

// Fresh returns nil if the control log has been read within half of the grace. Whoever is about to change
// something durable asks first; a process that was frozen finds out here.
func (w *Watch) Fresh() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	age := since(w.read)
	if age > w.limit {
		return &fault.Error{
			Class: fault.Fatal, Reason: controlUnread,
			What:   fmt.Sprintf("the control log could not be read for %s, more than half of the grace", age.Round(time.Millisecond)),
			Advice: "check the connection to Kafka, then start this worker again; nothing is lost",
		}
	}
	return nil
}

// controlUnread is the reason of a watch that is stale.
const controlUnread = "control-unread"

// Stale reports whether err says that a watch is stale. That watch stays so; what a process may do is to end everything
// that relied on it, and begin anew with another, under another name.
func Stale(err error) bool {
	e, ok := errors.AsType[*fault.Error](err)
	return ok && e.Reason == controlUnread
}

// since is how long ago t was. The monotonic clock may stand still while the machine is suspended; the wall clock does not.
func since(t time.Time) time.Duration { return max(time.Since(t), time.Now().Round(0).Sub(t.Round(0))) }
