package sweep

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// maxUpdatedKeys is how many of the items that the application has updated are named.
const maxUpdatedKeys = 5

// updated counts an item that is no marker any more, since it has attributes of the application.
func (s *Sweep) updated(key events.Key) {
	s.summary.Updated++
	if len(s.summary.UpdatedKeys) < maxUpdatedKeys {
		s.summary.UpdatedKeys = append(s.summary.UpdatedKeys, key)
		s.Logger.Warn("the application has updated a marker: it is left as it is", "key", string(key))
	}
}

// removal is what becomes of some markers, each in a goroutine of its own.
type removal struct {
	*Sweep
	look sync.Mutex // at the control log: one at a time
	mu   sync.Mutex // the summary
}

// remove removes markers, and looks at the control log often enough for whoever counts on that (checkpoint.Replay):
// what is removed, is removed within a part of the grace after a look.
func (s *Sweep) remove(ctx context.Context, markers []Marker) error {
	r := &removal{Sweep: s}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.Workers)
	for _, m := range markers {
		group.Go(func() error { return r.one(ctx, m) })
	}
	return group.Wait()
}

// one removes one marker, and takes the removal back if it was none any more.
func (r *removal) one(ctx context.Context, m Marker) error {
	came, err := fault.Get(ctx, fault.Retrying(r.Logger, "remove a marker"), func(ctx context.Context) (outcome, error) {
		if err := r.lookAgain(ctx); err != nil {
			return outcome{}, err
		}
		return r.attempt(ctx, m)
	})
	if err != nil {
		return err
	}
	if came.taken != nil {
		if err := r.putBack(ctx, m, came.taken); err != nil {
			return err
		}
	}
	r.count(m, came)
	return nil
}

// outcome is what came of one removal.
type outcome struct {
	was   State
	taken []byte // the item that was removed with the application's update; nil when there was none
}

// attempt looks at the item, and removes it if it is still this marker. An update of the application changes nothing that a condition
// could name, so what it does between the look and the removal only the removal's answer tells.
func (r *removal) attempt(ctx context.Context, m Marker) (outcome, error) {
	was, err := r.Markers.Look(ctx, m)
	if err != nil || was != Same {
		return outcome{was: was}, err
	}
	// Of a call that was given up nobody would know what it has removed; it has a deadline of its own.
	was, taken, err := r.Markers.Remove(context.WithoutCancel(ctx), m)
	return outcome{was, taken}, err
}

func (r *removal) count(m Marker, came outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch came.was {
	case Same:
		r.summary.Removed++
	case Updated:
		r.updated(m.Key)
		if came.taken != nil {
			r.summary.PutBack++
		}
	case Changed:
		r.summary.Changed++
	}
}

// putBack writes an item back that the application had updated. It is not given up when the sweep is interrupted: for a grace
// it is tried again.
func (r *removal) putBack(ctx context.Context, m Marker, taken []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Grace)
	defer cancel()
	back, err := fault.Get(ctx, fault.Retrying(r.Logger, "put an item back that the application had updated"), func(ctx context.Context) (bool, error) {
		return r.Markers.PutBack(ctx, m, taken)
	})
	if err == nil && !back {
		err = errors.New("the application has written the row again meanwhile")
	}
	if err != nil {
		return &fault.Error{
			Class: fault.Fatal, Reason: "update-removed", Err: err,
			What:   "an update that the application made to the marker of " + string(m.Key) + " was removed with it, and could not be put back",
			Advice: "let the application write this row again, whole",
		}
	}
	return nil
}

// lookAgain looks at the control log if the last look is too long ago.
func (r *removal) lookAgain(ctx context.Context) error {
	r.look.Lock()
	defer r.look.Unlock()
	if time.Since(r.looked) < r.Grace/4 {
		return nil
	}
	return r.unchanged(ctx)
}
