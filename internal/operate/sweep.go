package operate

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// SweepOptions are the flags of sweep.
type SweepOptions struct {
	FallbackReadsOff bool
	Say              func(text string)
	Show             func(sweep.Progress) // may be nil
	Logger           *slog.Logger
	Network          *assembly.Network // nil: the machine's own
}

// Sweep removes markers under the guards; it waits for them, and says for what.
func Sweep(ctx context.Context, c *migration.Config, o SweepOptions) (sweep.Summary, error) {
	p, err := assembly.OpenOn(ctx, o.Network, c, o.Logger)
	if err != nil {
		return sweep.Summary{}, err
	}
	summary, err := sweepWith(ctx, p, o)
	return summary, errors.Join(err, p.Close())
}

func sweepWith(ctx context.Context, p *assembly.Parts, o SweepOptions) (sweep.Summary, error) {
	state, err := p.Recorded(ctx)
	if err != nil {
		return sweep.Summary{}, err
	}
	control := p.Control()
	appWrites := p.From() == apply.FromNone
	frontiers := p.Frontiers()
	pass := sweep.New(sweep.Config{
		Markers: dynamodb.NewMarkers(p.New, state.Created.KeySchema, assembly.Attributes(p.Config)),
		Control: control, Facts: p.Facts(),
		// The topics are confirmed after they were asked: what an end or an offset says is about them.
		LiveEnds: func(ctx context.Context) (map[int]int64, error) {
			ends, err := liveEnds(ctx, p)
			if err != nil {
				return nil, err
			}
			return ends, p.Confirm(ctx, state)
		},
		Committed: func(ctx context.Context) (sweep.Logs, error) {
			logs, err := frontiers.Logs(ctx)
			if err != nil {
				return logs, err
			}
			return logs, p.Confirm(ctx, state)
		},
		Grace: p.Config.Grace, FallbackReadsOff: o.FallbackReadsOff, AppWrites: appWrites,
		Say: o.Say, Show: o.Show, Logger: o.Logger,
	})
	return pass.Run(ctx)
}

// liveEnds are the end offsets of the live topic; none in form none, where nobody writes to it.
func liveEnds(ctx context.Context, p *assembly.Parts) (map[int]int64, error) {
	if p.From() == apply.FromNone {
		return nil, nil
	}
	return p.Kafka.EndOffsets(ctx, p.Topics.Live)
}
