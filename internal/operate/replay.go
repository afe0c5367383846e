package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// ReplayOptions are the flags of replay: the operator's word about what no table shows.
type ReplayOptions struct {
	// NewTableUnused: nothing but this migration has written the new table.
	NewTableUnused bool
	// DeletesMarked is for the form none, whose application does write the new table: it has left a marker for every row that it deleted.
	DeletesMarked bool
	Logger        *slog.Logger
	Network       *assembly.Network // nil: the machine's own
}

// UnsaidError refuses a replay without the operator's word.
type UnsaidError struct{ From apply.LiveFrom }

func (e *UnsaidError) Error() string {
	if e.From == apply.FromNone {
		return "a replay inserts every row of the snapshot again whose key is absent from the new table: a row that the application deleted there " +
			"without leaving a marker would come back, and no table shows whether there is one; " +
			"if the application has left a marker for every row that it deleted in the new table, say so with --deletes-marked"
	}
	return "a replay applies everything again from the start: once the application writes the new table, a row that it deleted there would come back, " +
		"and with a raised apply.rerun its updates of rows that this migration had written would be overwritten. Neither leaves a trace that could be looked for; " +
		"if nothing but this migration has written the new table, say so with --new-table-unused"
}

// Replay sets the applier back to the start of both topics: never of the snapshot alone, and of the live topic never
// from anywhere else, for only from its start does it hold the deletes whose markers may have been swept. It is
// refused while a streamer runs.
//
// A sweep that is under way must not go on: a marker that it has seen through its guards may be removed after the
// replay's delete was written and before an older record is. So the replay is announced in the history first, no sweep
// begins to remove until the offsets have been set back, and one that has begun is given a grace to take notice.
//
// The versions make a replay harmless as long as everything in the new table came through the topics. What the application itself did there is
// not in them. So a replay is refused without the operator's word that there is no such thing, and with it when there is a trace.
func Replay(ctx context.Context, c *migration.Config, o ReplayOptions) error {
	p, err := assembly.OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return err
	}
	return errors.Join((&replay{Parts: p, options: o}).run(ctx), p.Close())
}

// replay is one run of replay.
type replay struct {
	*assembly.Parts
	options ReplayOptions
}

func (p *replay) run(ctx context.Context) error {
	state, err := p.Recorded(ctx)
	if err != nil {
		return err
	}
	if err := p.replayable(ctx, state); err != nil {
		return err
	}
	if state, err = tell(ctx, p.Parts, checkpoint.ControlEntry{Replay: &checkpoint.Replay{}}, func(s checkpoint.State) bool { return s.Replaying }); err != nil {
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
	_, err = tell(ctx, p.Parts, checkpoint.ControlEntry{Replay: &checkpoint.Replay{Reset: true}}, func(s checkpoint.State) bool { return !s.Replaying })
	if err != nil {
		return fmt.Errorf("the replay is announced, the offsets are set back, and it has not begun; run it again: %w", err)
	}
	p.Logger.Info("everything will be applied again, from the start of both topics")
	return nil
}

// replayable refuses a replay that could bring a row back, or that the broker would refuse anyway.
func (p *replay) replayable(ctx context.Context, state checkpoint.State) error {
	if p.From() == apply.FromNone && state.Sweeps > 0 {
		return &fault.Error{
			Class: fault.Fatal, Reason: "swept",
			What: "markers have been swept, and in the form none nothing but them says which rows are dead: a replay would bring those rows back",
		}
	}
	if !p.options.NewTableUnused && (p.From() != apply.FromNone || !p.options.DeletesMarked) {
		return &UnsaidError{From: p.From()}
	}
	if err := p.Kafka.Empty(ctx, p.Config.Name); err != nil {
		return err
	}
	if p.From() == apply.FromNone {
		return nil // the application's items carry nothing that would tell them from copied ones
	}
	return p.untouched(ctx, state)
}

// untouched refuses a replay when there is a trace of the application in the new table. Of a migration that was created with
// --keep-existing, items without a version are none: they may have been there before, and a replay never changes them.
func (p *replay) untouched(ctx context.Context, state checkpoint.State) error {
	kept := state.Created.KeepExisting
	if !kept {
		if err := p.noneOwned(ctx, state); err != nil {
			return err
		}
	}
	p.Logger.Info("looking for traces of the application in the new table; it is read whole", "table", p.New.Name())
	key, found, err := p.New.FindTouched(ctx, assembly.Attributes(p.Config), state.Created.KeySchema, !kept)
	if err != nil {
		return err
	}
	if found {
		return usedError(fmt.Sprintf("the application has written %s in the new table", key))
	}
	return nil
}

// noneOwned refuses a replay when an applier has met an item without a version, before whatever replay.
func (p *replay) noneOwned(ctx context.Context, state checkpoint.State) error {
	facts := p.Facts()
	return p.Patiently(ctx, func(ctx context.Context) error {
		if err := facts.Refresh(ctx); err != nil {
			return err
		}
		owned := int64(0)
		for epoch := range state.Epoch + 1 {
			for _, at := range facts.Applied(epoch) {
				owned += at.Counts.AppOwned
			}
		}
		if owned > 0 {
			return usedError(fmt.Sprintf("%d records met items of the new table that the application had written", owned))
		}
		return nil
	})
}

func usedError(what string) error {
	return &fault.Error{
		Class: fault.Fatal, Reason: "used", What: what + ": a replay would bring back rows that it deleted there, and overwrite its updates",
		Advice: "a replay is not possible any more; to copy the old table again, empty the new one and create a migration with another name",
	}
}

// tell appends an entry to the history, on top of whatever other processes do meanwhile, unless the history says so already.
func tell(ctx context.Context, p *assembly.Parts, entry checkpoint.ControlEntry, said func(checkpoint.State) bool) (checkpoint.State, error) {
	control := p.Control()
	return assembly.Patiently(ctx, p, func(ctx context.Context) (checkpoint.State, error) {
		state, _, err := control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if said(state) {
				return nil, nil
			}
			return &entry, nil
		})
		return state, err
	})
}
