package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// backlogCommand is a streamer that finds a backlog.
type backlogCommand struct {
	measured
	Topic string `enum:"snapshot,live" default:"snapshot" help:"Where the rows wait: snapshot or live. Rows of the snapshot are inserted in batches, changes one by one."`
}

// Run is called by the flags' parser.
func (c *backlogCommand) Run(ctx context.Context, streams cli.Streams) error {
	return c.with(ctx, streams, 0, func(r *run) error {
		if err := c.publish(ctx, r); err != nil {
			return err
		}
		if err := r.start("streamer", 1, "--only", "apply"); err != nil {
			return err
		}
		began := time.Now()
		samples, err := r.sampled(ctx, func() error {
			status, err := r.until(ctx, "the backlog to be applied", func(s *operate.Status) bool {
				return s.Counts.Total() >= int64(c.Items) && s.SnapshotLag == 0 && s.LiveLag == 0
			})
			if err == nil && status.Counts.Applied+status.Counts.Present+status.Counts.Duplicate != int64(c.Items) {
				err = fmt.Errorf("%d rows were not all applied: %+v", c.Items, status.Counts)
			}
			return err
		})
		if err != nil {
			return err
		}
		r.say("%d rows applied after %.0f s", c.Items, time.Since(began).Seconds())
		return errors.Join(r.keep("backlog-"+c.Topic, samples), r.stop())
	})
}

const publishRows = 15_000 // at a time, as a page of a scan has them

// publish leaves the rows in Kafka, as a snapshot worker or a capture does.
func (c *backlogCommand) publish(ctx context.Context, r *run) error {
	topic, version := r.parts.Topics.Snapshot, events.Version{Generation: 1, Class: events.Snapshot}
	if c.Topic == "live" {
		topic = r.parts.Topics.Live
	}
	began, put := time.Now(), r.parts.Kafka.Publish(topic, r.parts.Config.Kafka.Partitions)
	for from := 0; from < c.Items; from += publishRows {
		var records []events.Record
		for i := from; i < min(from+publishRows, c.Items); i++ {
			if c.Topic == "live" {
				version = events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(i) + 1)}
			}
			records = append(records, events.Encode(events.Event{
				Key: events.Key(kilobytes{}.Key(i)), Op: events.Write, Version: version, Item: events.Item{Raw: smallItem(i)}, Source: "0/1",
			}))
		}
		err := fault.Do(ctx, nil, func(ctx context.Context) error {
			err := put(ctx, records)
			records = events.Rest(records, err)
			return err
		})
		if err != nil {
			return err
		}
	}
	r.say("%d rows are in %s after %.0f s", c.Items, topic, time.Since(began).Seconds())
	return nil
}
