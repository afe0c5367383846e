package operate

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// RunOptions are the flags of run.
type RunOptions struct {
	Create  CreateOptions // for a migration that has not been created
	Show    *Show         // may be nil
	Logger  *slog.Logger
	Network *assembly.Network // nil: the machine's own
}

// Run creates the migration if that has not been done, and does everything in one process until ctx ends.
func Run(ctx context.Context, c *migration.Config, o RunOptions) error {
	o.Create.Network = o.Network
	report, err := Create(ctx, c, o.Create)
	if err != nil {
		if report != nil {
			for _, check := range report.Checks {
				if check.Problem != "" {
					err = errors.Join(err, errors.New(check.What+": "+check.Problem))
				}
			}
		}
		return err
	}
	for _, check := range report.Checks {
		if check.Warning != "" {
			o.Logger.Warn("before the migration was created", "check", check.What, "warning", check.Warning)
		}
	}
	return assembly.Everything(ctx, c, o.Show.Beside(assembly.WorkerOptions{Apply: true, Logger: o.Logger, Network: o.Network}))
}

// Show is how a worker lets a person watch the whole migration, not only its own part.
type Show struct {
	Every  time.Duration
	Status func(*Status) // called by one goroutine
}

// Beside returns the options of a worker that shows the status meanwhile; of a nil Show, o as it is.
func (show *Show) Beside(o assembly.WorkerOptions) assembly.WorkerOptions {
	if show != nil {
		applies := o.Apply
		o.Beside = func(ctx context.Context, p *assembly.Parts) { show.run(ctx, p, applies) }
	}
	return o
}

// run shows the status until ctx ends.
func (show *Show) run(ctx context.Context, p *assembly.Parts, applies bool) {
	applied, onlooker := false, NewOnlooker(p)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(show.Every):
		}
		s, err := onlooker.Status(ctx)
		if err != nil {
			p.Logger.Debug("no status this time", "error", err)
			continue // it is only shown
		}
		show.Status(s)
		if !applied && applies && s.Phase == checkpoint.Streaming && s.SnapshotLag == 0 {
			applied = true
			p.Logger.Info("the snapshot is applied; streaming goes on until stopped", "rows", s.Rows.Done)
		}
	}
}
