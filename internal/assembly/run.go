package assembly

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// RunOptions are the flags of run.
type RunOptions struct {
	Create  CreateOptions // for a migration that has not been created
	Show    *Show         // may be nil
	Logger  *slog.Logger
	Network *Network // nil: the machine's own
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
	return work(ctx, c, WorkerOptions{Capture: true, Apply: true, Show: o.Show, Logger: o.Logger, Network: o.Network, snapshot: true}, (*worker).snapshot, (*worker).streamer)
}

// Show is how a worker lets a person watch the whole migration, not only its own part.
type Show struct {
	Every  time.Duration
	Status func(*Status) // called by one goroutine
}

// startShow begins to show the status; what it returns ends that.
func (w *worker) startShow(ctx context.Context) (stop func()) {
	if w.options.Show == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.show(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// show shows the status until ctx ends.
func (w *worker) show(ctx context.Context) {
	applied, onlooker := false, w.Onlooker()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.options.Show.Every):
		}
		s, err := onlooker.Status(ctx)
		if err != nil {
			w.Logger.Debug("no status this time", "error", err)
			continue // it is only shown
		}
		w.options.Show.Status(s)
		if !applied && w.options.Apply && s.Phase == checkpoint.Streaming && s.SnapshotLag == 0 {
			applied = true
			w.Logger.Info("the snapshot is applied; streaming goes on until stopped", "rows", s.Rows.Done)
		}
	}
}
