package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// schema is the key of the tables.
var schema = events.KeySchema{{Name: "id", Type: "S"}}

// migrateCommand is a whole migration under a live application.
type migrateCommand struct {
	measured
	Rate int `default:"200" help:"Changes a second that the application makes."`
}

// Run is called by the flags' parser.
func (c *migrateCommand) Run(ctx context.Context, streams cli.Streams) error {
	return c.with(ctx, streams, c.Items, func(r *run) error {
		app := &demo.Application{
			Rows: kilobytes{c.Items}, Seed: 1, Rate: c.Rate,
			Table: demo.SDKTable{Client: r.parts.Old.SDK(), Name: oldTable},
		}
		if err := errors.Join(r.start("snapshot", 2), r.start("streamer", 2)); err != nil {
			return err
		}
		samples, err := r.sampled(ctx, func() error { return r.copy(ctx, app) })
		if err != nil {
			return err
		}
		return errors.Join(r.keep("migrate", samples), r.stop(), r.compare(ctx, app))
	})
}

// copy lets the application run until the snapshot is closed and applied, and waits until its last change is.
func (r *run) copy(ctx context.Context, app *demo.Application) error {
	began := time.Now()
	living, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- app.Run(living, 0) }()
	_, err := r.until(ctx, "the snapshot to be closed and applied", func(s *operate.Status) bool {
		return s.Phase == checkpoint.Streaming && s.SnapshotLag == 0
	})
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	stopped := time.Now()
	_, err = r.until(ctx, "every change to be captured and applied", func(s *operate.Status) bool {
		return s.Capture != nil && s.Capture.Confirmed.After(stopped) && s.LiveLag == 0
	})
	r.say("everything is applied after %.0f s, %d changes among it", time.Since(began).Seconds(), app.Done())
	return err
}

// compare reads both tables whole. Markers stay: nothing has swept them.
func (r *run) compare(ctx context.Context, app *demo.Application) error {
	found, err := compare.Tables(ctx, r.parts.Old, r.parts.New, compare.Options{Schema: schema, Names: assembly.Attributes(r.parts.Config), Deleted: app.Deleted})
	if err != nil {
		return err
	}
	markers := found.Markers
	if found.Markers = 0; !found.OK() || found.Compared < r.Items/2 {
		return fmt.Errorf("the tables differ: %+v", found)
	}
	r.say("%d rows compared: the tables are equal; %d markers of deleted rows", found.Compared, markers)
	return nil
}
