package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// Replay sets the applier back to the start of both topics: never of the snapshot alone, and of the live topic never
// from anywhere else, for only from its start does it hold the deletes whose markers may have been swept. It is
// refused while a streamer runs.
//
// A sweep that is under way must not go on: a marker that it has seen through its guards may be removed after the
// replay's delete was written and before an older record is. So the replay is announced in the history first, no sweep
// begins to remove until the offsets have been set back, and one that has begun is given a grace to take notice.
func Replay(ctx context.Context, c *migration.Config, logger *slog.Logger) error {
	p, err := Open(ctx, c, logger)
	if err != nil {
		return err
	}
	return errors.Join(p.replay(ctx), p.Close())
}

func (p *Parts) replay(ctx context.Context) error {
	state, err := p.recorded(ctx)
	if err != nil {
		return err
	}
	if err := p.replayable(ctx, state); err != nil {
		return err
	}
	if state, err = p.tell(ctx, checkpoint.ControlEntry{Replay: &checkpoint.Replay{}}, func(s checkpoint.State) bool { return s.Replaying }); err != nil {
		return err
	}
	if len(state.Sweepers) > 0 {
		p.Logger.Info("a sweep is under way, or was cut off: it gets the grace to take notice",
			"sweep", strings.Join(state.Sweepers, ", "), "grace", p.Config.Grace)
		select {
		case <-ctx.Done():
			return fmt.Errorf("the replay is announced, and the offsets are not set back; run it again: %w", context.Cause(ctx))
		case <-time.After(p.Config.Grace):
		}
	}
	if err := p.Kafka.ResetToStart(ctx, p.Config.Name, p.Topics.Snapshot, p.Topics.Live); err != nil {
		return fmt.Errorf("the replay is announced, and the offsets are not set back; run it again: %w", err)
	}
	_, err = p.tell(ctx, checkpoint.ControlEntry{Replay: &checkpoint.Replay{Reset: true}}, func(s checkpoint.State) bool { return !s.Replaying })
	if err != nil {
		return err
	}
	p.Logger.Info("everything will be applied again, from the start of both topics")
	return nil
}

// replayable refuses a replay that could bring a row back, or that the broker would refuse anyway.
func (p *Parts) replayable(ctx context.Context, state checkpoint.State) error {
	if p.from() == apply.FromNone && state.Sweeps > 0 {
		return &fault.Error{
			Class: fault.Fatal, Reason: "swept",
			What: "markers have been swept, and in the form none nothing but them says which rows are dead: a replay would bring those rows back",
		}
	}
	return p.Kafka.Empty(ctx, p.Config.Name)
}

// tell appends an entry to the history, unless it says so already, as often as another process is first.
func (p *Parts) tell(ctx context.Context, entry checkpoint.ControlEntry, said func(checkpoint.State) bool) (state checkpoint.State, err error) {
	control := p.control()
	err = p.patiently(ctx, func(ctx context.Context) error {
		for {
			if state, err = control.Refresh(ctx); err != nil || said(state) {
				return err
			}
			if state, err = control.Append(ctx, entry); !errors.Is(err, checkpoint.ErrLost) {
				return err
			}
		}
	})
	return state, err
}
