package sweep

import (
	"context"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// begin makes it known that this pass removes markers from now on. A replay that is announced later waits until this
// has taken notice.
func (s *Sweep) begin(ctx context.Context) error {
	if s.begun {
		return nil
	}
	err := s.tell(ctx, checkpoint.ControlEntry{Sweeping: &checkpoint.Sweeping{}}, func(sweeps bool) bool { return sweeps })
	s.begun = err == nil
	return err
}

// tell appends an entry, on top of whatever other processes do meanwhile, unless the history says so already: said is asked,
// with whether this pass is known to remove.
func (s *Sweep) tell(ctx context.Context, entry checkpoint.ControlEntry, said func(sweeps bool) bool) error {
	return fault.Do(ctx, fault.Retrying(s.Logger, "append to the control log"), func(ctx context.Context) error {
		_, _, err := s.Control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if err := s.overtaken(state); err != nil {
				return nil, err
			}
			if said(slices.Contains(state.Sweepers, s.Control.By())) {
				return nil, nil
			}
			return &entry, nil
		})
		return err
	})
}

// unchanged reads the control log, and returns an error when what the guards were asked about is no longer so.
func (s *Sweep) unchanged(ctx context.Context) error {
	began := time.Now()
	state, err := fault.Get(ctx, fault.Retrying(s.Logger, "read the control log"), s.Control.Refresh)
	if err != nil {
		return err
	}
	if err := s.overtaken(state); err != nil {
		return err // a look that ends the pass makes nothing fresh: no other removal may go by it
	}
	s.looked = began
	return nil
}

// overtaken returns an error when the state is not the one that the guards were asked about: a replay goes through the past
// again, and a new generation has another close.
func (s *Sweep) overtaken(state checkpoint.State) error {
	switch {
	case state.Generation() != s.first.Generation():
		return &fault.Error{Class: fault.Fatal, Reason: "overtaken", What: "a new generation began during the sweep", Advice: "start the sweep again when it is closed"}
	case state.Replays != s.first.Replays:
		return &fault.Error{Class: fault.Fatal, Reason: "overtaken", What: "a replay began during the sweep", Advice: "start the sweep again when it has been applied"}
	}
	return nil
}

// record appends what was done to the migration's history.
func (s *Sweep) record(ctx context.Context) error {
	if !s.begun {
		return nil
	}
	return s.tell(ctx, checkpoint.ControlEntry{Swept: &checkpoint.Swept{
		Removed: s.summary.Removed, Left: s.summary.Left(), Updated: s.summary.Updated, FallbackReadsOff: s.FallbackReadsOff,
	}}, func(sweeps bool) bool { return !sweeps })
}
