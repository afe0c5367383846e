package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
)

const (
	patience = 10 * time.Minute // for everything to be applied
	stopping = 20 * time.Second // for a worker to end
)

// measured are the flags of everything that is measured.
type measured struct {
	Items int    `default:"100000" help:"Rows."`
	Bin   string `default:"bin" type:"existingdir" help:"The folder of the binaries that are measured."`
	Out   string `default:"docs/memory" type:"path" help:"The folder of the samples."`
}

// run is one migration with its services and its workers.
type run struct {
	measured
	streams  cli.Streams
	file     string // the migration's
	parts    *assembly.Parts
	services *demo.Process
	workers  []*demo.Process
	ended    []func() error // last first
}

// with makes a migration of a table with so many rows, hands it to work, and cleans up.
func (m measured) with(ctx context.Context, streams cli.Streams, rows int, work func(*run) error) (err error) {
	r := &run{measured: m, streams: streams}
	defer func() {
		for _, w := range r.workers {
			err = errors.Join(err, w.Kill())
		}
		for _, end := range slices.Backward(r.ended) {
			err = errors.Join(err, end())
		}
	}()
	if err := r.prepare(ctx, rows); err != nil {
		return err
	}
	return work(r)
}

func (r *run) prepare(ctx context.Context, rows int) error {
	if err := demo.UseNoAccount(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "crossfade-large-")
	if err != nil {
		return err
	}
	r.ended = append(r.ended, func() error { return os.RemoveAll(dir) })
	began := time.Now()
	services, at, err := serve(ctx, dir, rows)
	if err != nil {
		return err
	}
	r.services = services
	r.ended = append(r.ended, services.Kill)
	r.say("the old table has %d rows after %.0f s", rows, time.Since(began).Seconds())
	r.file = filepath.Join(dir, "migration.yaml")
	text := fmt.Appendf(nil, `name: large
source: {dynamodb: {table: %[1]s, region: %[3]s, endpoint: "%[4]s"}}
target: {dynamodb: {table: %[2]s, region: %[3]s, endpoint: "%[4]s"}}
kafka: {brokers: ["%[5]s"]}
`, oldTable, newTable, region, at.DynamoDB, at.Broker)
	if err := os.WriteFile(r.file, text, 0o600); err != nil {
		return err
	}
	config, err := migration.Load(r.file)
	if err != nil {
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	if r.parts, err = assembly.Open(ctx, config, logger); err != nil {
		return err
	}
	r.ended = append(r.ended, r.parts.Close)
	_, err = operate.Create(ctx, config, operate.CreateOptions{EnableStream: true, Logger: logger})
	return err
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.streams.Stderr, format+"\n", args...) }

// start starts n workers of a kind.
func (r *run) start(kind string, n int, flags ...string) error {
	for i := range n {
		argv := append([]string{filepath.Join(r.Bin, kind), "-f", r.file, "--log-level", "warn"}, flags...)
		p, err := demo.StartProcess(fmt.Sprintf("%s %d", kind, i+1), argv, nil)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, p)
	}
	return nil
}

// sampled samples the workers while work is done.
func (r *run) sampled(ctx context.Context, work func() error) ([]sample, error) {
	processes := map[string]int{}
	for _, w := range r.workers {
		processes[w.Name] = w.PID()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var samples []sample
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		samples, failed = watch(ctx, processes)
	}()
	err := work()
	cancel()
	<-done
	return samples, cmp.Or(err, failed)
}

// until waits for a status. No worker may fail meanwhile.
func (r *run) until(ctx context.Context, what string, reached func(*operate.Status) bool) (*operate.Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %s in vain for %s", patience, what))
	defer cancel()
	for n := 0; ; n++ {
		status, err := operate.NewOnlooker(r.parts).Status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil: // on a busy machine an answer may come too late for an onlooker
			r.say("the status will be asked for again: %v", err)
		case reached(status):
			return status, nil
		case n%20 == 0:
			r.say("%s: %d published, %d applied, lags %d and %d", status.Phase, status.Rows.Done, status.Counts.Total(), status.SnapshotLag, status.LiveLag)
		}
		for _, w := range r.workers {
			if ended, failure := w.Ended(); ended && failure != nil {
				return nil, failure
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(2 * lookEvery):
		}
	}
}

// stop ends the workers as an operator does. Each must end well.
func (r *run) stop() error {
	var all error
	for _, w := range r.workers {
		all = errors.Join(all, w.Stop(stopping))
	}
	return all
}

// keep writes the samples, and shows the peaks as lines of a Markdown table.
func (r *run) keep(name string, samples []sample) error {
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.Out, fmt.Sprintf("%s-%d.csv", name, r.Items)))
	if err != nil {
		return err
	}
	showPeaks(r.streams.Stdout, r.Items, peaks(samples))
	return errors.Join(writeSamples(file, samples), file.Close())
}

func showPeaks(w io.Writer, items int, most []sample) {
	for _, s := range most {
		fmt.Fprintf(w, "| %d | %s | %.0f s | %s | %d | %d | %d |\n",
			items, s.worker, s.at.Seconds(), megabytes(s.peak), s.threads, s.descriptors, s.sockets)
	}
}
