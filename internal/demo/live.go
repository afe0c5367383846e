package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/operate"
)

const (
	lookEvery = 250 * time.Millisecond
	// patience bounds each wait; all of them together take less when nothing is wrong.
	patience = 3 * time.Minute
	// afterwards is how long the application runs on when the snapshot is done.
	afterwards = 2 * time.Second
	// stopping is how long workers may take to end when asked.
	stopping = 15 * time.Second
)

// live is everything from the application's first change on.
func (r *run) live(ctx context.Context) (err error) {
	stop := r.startApplication(ctx)
	defer func() {
		if failed := stop(); err == nil {
			err = failed
		}
	}()
	if err := r.create(ctx); err != nil {
		return err
	}
	if err := errors.Join(r.workers.start(snapshotWorker, 2), r.workers.start(streamerWorker, 2)); err != nil {
		return err
	}
	r.say("2 snapshot workers and 2 streamers are running, as processes")
	if err := r.copy(ctx); err != nil {
		return err
	}
	if _, err := r.until(ctx, "the application to run on", afterwardsOver()); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	return r.settle(ctx)
}

// startApplication lets the application run until the returned function is called, which may be called again.
func (r *run) startApplication(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var failed error
	go func() {
		defer close(ended)
		failed = r.app.Run(ctx, 0)
	}()
	r.say("the application makes %s changes a second: writes, updates, deletes, re-creations", count(r.Rate))
	return func() error {
		cancel()
		<-ended
		return failed
	}
}

func (r *run) create(ctx context.Context) error {
	report, err := operate.Create(ctx, r.config, operate.CreateOptions{EnableStream: true, Logger: r.logger})
	if err != nil {
		if report != nil {
			for _, check := range report.Checks {
				if check.Problem != "" {
					err = errors.Join(err, fmt.Errorf("%s: %s", check.What, check.Problem))
				}
			}
		}
		return err
	}
	r.say("the migration is created: the stream is on, and the start of capture is durable")
	return nil
}

// copy waits until the snapshot is closed and applied. A twentieth of it done, early enough for a slow machine, it kills a
// worker of each kind; two thirds of it done, the shards of the stream split.
func (r *run) copy(ctx context.Context) error {
	killed, split := false, false
	items := int64(r.Items)
	_, err := r.until(ctx, "the snapshot to be closed and applied", func(s *operate.Status) (bool, error) {
		published := max(s.Rows.Done, 0)
		if !killed && published >= items/20 {
			killed = true
			if err := r.kill(); err != nil {
				return false, err
			}
		}
		if !split && published >= items*2/3 {
			split = true
			if err := r.server.SplitAll(r.parts.Old.Name()); err != nil {
				return false, err
			}
			r.say("the stream's shards have split, as they do under load")
		}
		return s.Phase == checkpoint.Streaming && s.SnapshotLag == 0, nil
	})
	r.end()
	if err == nil {
		r.say("the snapshot is closed, and all of it applied")
	}
	return err
}

func (r *run) kill() error {
	for _, kind := range []string{snapshotWorker, streamerWorker} {
		name, err := r.workers.kill(kind)
		if err != nil {
			return err
		}
		if name != "" {
			r.report.Killed = append(r.report.Killed, name)
			r.say("%s killed with SIGKILL, and started again", name)
		}
	}
	return nil
}

// afterwardsOver is reached when the application has run on for a while.
func afterwardsOver() func(*operate.Status) (bool, error) {
	end := time.Now().Add(afterwards)
	return func(*operate.Status) (bool, error) { return time.Now().After(end), nil }
}

// settle waits until everything is applied, sweeps, ends the workers, and compares.
func (r *run) settle(ctx context.Context) error {
	stopped := time.Now()
	r.report.Changes = r.app.Done()
	r.say("the application is stopped after %s changes", count(r.report.Changes))
	// Confirmed is that of the shard which was read longest ago, whoever has or has not begun to read it; and the lags are from
	// a later moment of the same look.
	status, err := r.until(ctx, "every change to be captured and applied", func(s *operate.Status) (bool, error) {
		return s.Capture != nil && s.Capture.Confirmed.After(stopped) && s.LiveLag == 0 && s.SnapshotLag == 0, nil
	})
	if err != nil {
		return err
	}
	r.end()
	r.report.counts(status.Counts)
	r.report.Published, r.report.Captured, r.report.DeadLetters = status.Rows.Done, status.Capture.Records, status.DeadLetters.Records
	r.say("every change is captured and applied")
	if !r.Naive {
		if err := r.sweep(ctx); err != nil {
			return err
		}
	}
	if err := errors.Join(r.tend(), r.workers.stop(stopping)); err != nil {
		return err
	}
	r.say("the workers are stopped; reading both tables whole")
	r.report.Comparison, err = compare.Tables(ctx, r.parts.Old, r.parts.New, compare.Options{
		Schema: schema, Names: assembly.Attributes(r.config), Deleted: r.app.Deleted,
	})
	return err
}

func (r *run) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	summary, err := operate.Sweep(ctx, r.config, operate.SweepOptions{
		Say: func(text string) { r.say("sweep: %s", text) }, Logger: r.logger,
	})
	r.report.Swept = summary.Removed
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// tend keeps the workers running.
func (r *run) tend() error {
	said, err := r.workers.tend()
	for _, line := range said {
		r.say("%s", line)
	}
	r.report.Restarts = r.workers.restarts()
	return err
}

// until looks at the migration again and again, shows it, and returns the status for which reached says so. No worker
// may fail meanwhile.
func (r *run) until(ctx context.Context, what string, reached func(*operate.Status) (bool, error)) (*operate.Status, error) {
	for deadline := time.Now().Add(patience); ; {
		status, err := r.status(ctx)
		if err != nil {
			return nil, err
		}
		r.show(
			gauge{"rows published", status.Rows.Done, int64(r.Items)},
			gauge{"records applied", status.Counts.Total(), status.Counts.Total() + status.SnapshotLag + status.LiveLag},
		)
		if ok, err := reached(status); ok || err != nil {
			return status, err
		}
		if err := r.tend(); err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("waited %s in vain for %s: %+v", patience, what, *status)
		}
		if !pause(ctx, lookEvery) {
			return nil, context.Cause(ctx)
		}
	}
}

func (r *run) status(ctx context.Context) (*operate.Status, error) {
	return fault.Get(ctx, nil, operate.NewOnlooker(r.parts).Status)
}
