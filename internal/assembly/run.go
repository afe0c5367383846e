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
	Create CreateOptions        // for a migration that has not been created
	Show   func(status *Status) // called now and then while the snapshot goes on; may be nil
	Logger *slog.Logger
}

// showEvery is the pace of Show.
const showEvery = time.Second

// Run creates the migration if that has not been done, and does everything in one process until ctx ends.
func Run(ctx context.Context, c *migration.Config, o RunOptions) error {
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
	w, err := join(ctx, c, WorkerOptions{Capture: true, Apply: true, Logger: o.Logger})
	if err != nil {
		return err
	}
	roles := []func(context.Context) error{w.snapshot, w.streamer}
	if o.Show != nil {
		roles = append(roles, func(ctx context.Context) error { return w.show(ctx, o.Show) })
	}
	return errors.Join(w.untilDone(ctx, roles...), w.Close())
}

// show reports until the snapshot is applied.
func (w *worker) show(ctx context.Context, show func(*Status)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(showEvery):
		}
		s, err := w.Status(ctx)
		if err != nil {
			w.Logger.Debug("no status this time", "error", err)
			continue // it is only shown
		}
		show(s)
		if s.Phase == checkpoint.Streaming && s.SnapshotLag == 0 {
			w.Logger.Info("the snapshot is applied; streaming goes on until stopped", "rows", s.Rows.Done)
			return nil
		}
	}
}

// Replay sets the applier back to the start of both topics: never of the snapshot alone, and of the live topic never
// from anywhere else, for only from its start does it hold the deletes whose markers may have been swept. It is
// refused while a streamer runs.
func Replay(ctx context.Context, c *migration.Config, logger *slog.Logger) error {
	p, err := Open(ctx, c, logger)
	if err != nil {
		return err
	}
	reset := func() error {
		if _, err := p.recorded(ctx); err != nil {
			return err
		}
		if err := p.Kafka.ResetToStart(ctx, p.Config.Name, p.Topics.Snapshot, p.Topics.Live); err != nil {
			return err
		}
		logger.Info("everything will be applied again, from the start of both topics")
		return nil
	}
	return errors.Join(reset(), p.Close())
}
