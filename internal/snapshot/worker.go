package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// DeadLetter writes an item that has no usable key to the dlq; where names the segment. It returns nil once the
// item is durable there.
type DeadLetter func(ctx context.Context, item []byte, why *events.Invalid, where string) error

// Config is what a Worker works with. All but the sizes, Reads and Logger is required.
type Config struct {
	Source     Source
	Publish    Publish
	DeadLetter DeadLetter
	Facts      *checkpoint.Facts
	Watch      interface{ Fresh() error }
	Generation uint32
	Segments   int

	AtOnce        int         // segments at the same time; 0 is 8
	PagesInFlight int         // of one segment, read and not acknowledged; 0 is 4
	Reads         *walk.Reads // shared with whatever else reads the source in this process; nil is one of its own, without a limit
	Logger        *slog.Logger
}

// Worker reads segments.
type Worker struct{ Config }

// New returns a worker; it starts nothing.
func New(c Config) *Worker {
	c.AtOnce = cmp.Or(c.AtOnce, 8)
	c.PagesInFlight = cmp.Or(c.PagesInFlight, 4)
	c.Reads = cmp.Or(c.Reads, walk.NewReads(0))
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return &Worker{c}
}

// Run reads the segments s whose s mod workPartitions is among partitions, each from its furthest fact, and then
// waits for the end of ctx; it returns nil then, and before it only an error.
func (w *Worker) Run(ctx context.Context, partitions []int, workPartitions int) error {
	w.Facts.Renew()
	if err := fault.Do(ctx, fault.Retrying(w.Logger, "read facts"), w.Facts.Refresh); err != nil {
		return fault.IgnoreEnd(ctx, err)
	}
	segments := w.unfinished(partitions, workPartitions)
	w.Logger.Info("snapshot segments assigned", "unfinished", len(segments))
	// Neighbouring segments are neighbours in the database's partitions too: in order they would make a hot one.
	rand.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })

	group, groupCtx := errgroup.WithContext(ctx)
	pen := checkpoint.NewPen(w.write, fault.Retrying(w.Logger, "write facts"))
	group.Go(func() error { return pen.Run(groupCtx) })
	group.Go(func() error {
		if err := w.walk(pen).Run(groupCtx, segments); err != nil {
			return err
		}
		<-groupCtx.Done()
		return nil
	})
	return fault.IgnoreEnd(ctx, group.Wait())
}

// unfinished are the places to go on from, those of the furthest facts.
func (w *Worker) unfinished(partitions []int, workPartitions int) []walk.Place {
	var segments []walk.Place
	for _, place := range walk.All(w.Segments) {
		if !slices.Contains(partitions, place.Segment%workPartitions) {
			continue // another worker's
		}
		if fact, ok := w.Facts.Segment(w.Generation, place.Segment, w.Segments); ok {
			place.After, place.Done, place.Pages, place.Items = fact.LastKey, fact.Done, fact.Pages, fact.Items
		}
		if !place.Done {
			segments = append(segments, place)
		}
	}
	return segments
}

// walk publishes page after page; a page is published while the next ones are read.
func (w *Worker) walk(pen *checkpoint.Pen[checkpoint.SegmentFact]) walk.Walk[Page] {
	return walk.Walk[Page]{
		Table: "the old table", Source: w.Source.Scan, Reads: w.Reads,
		AtOnce: w.AtOnce, PagesInFlight: w.PagesInFlight, Notify: fault.Retrying(w.Logger, "scan"),
		Visit: func(ctx context.Context, to walk.Place, page Page) error {
			if err := w.publish(ctx, to, page); err != nil {
				return fmt.Errorf("segment %d of %d: %w", to.Segment, to.Total, err)
			}
			return nil
		},
		// Invariant 2: a finished place has every page before it acknowledged.
		Finished: func(done walk.Place) { pen.Put(strconv.Itoa(done.Segment), w.fact(done)) },
	}
}

// fact is a place as a durable fact.
func (w *Worker) fact(at walk.Place) checkpoint.SegmentFact {
	return checkpoint.SegmentFact{
		Generation: w.Generation, Segment: at.Segment, Total: at.Total,
		LastKey: at.After, Done: at.Done, Pages: at.Pages, Items: at.Items,
	}
}

// publish returns once every row of the page is durable in Kafka, and every bad one in the dlq.
func (w *Worker) publish(ctx context.Context, to walk.Place, page Page) error {
	if err := w.Watch.Fresh(); err != nil {
		return err
	}
	where := fmt.Sprintf("%d/%d", to.Segment, to.Total)
	for _, bad := range page.Bad {
		err := fault.Do(ctx, fault.Retrying(w.Logger, "write to the dlq"), func(ctx context.Context) error {
			return w.DeadLetter(ctx, bad.Item, bad.Err, where)
		})
		if err != nil {
			return err
		}
	}
	records := w.records(page.Rows, where)
	return fault.Do(ctx, fault.Retrying(w.Logger, "publish"), func(ctx context.Context) error {
		err := w.Publish(ctx, records)
		records = events.Rest(records, err)
		return err
	})
}

// records are those of the rows. They differ in nothing but key and value, and share the rest.
func (w *Worker) records(rows []Row, where string) []events.Record {
	common := events.Encode(events.Event{Op: events.Write, Version: events.Version{Generation: w.Generation, Class: events.Snapshot}, Source: where})
	size := 0
	for _, row := range rows {
		size += len(row.Key)
	}
	keys := make([]byte, 0, size)
	records := make([]events.Record, len(rows))
	for i, row := range rows {
		from := len(keys)
		keys = append(keys, row.Key...)
		records[i] = common
		records[i].Key, records[i].Value = keys[from:len(keys):len(keys)], row.Item
	}
	return records
}

func (w *Worker) write(ctx context.Context, facts ...checkpoint.SegmentFact) error {
	if err := w.Watch.Fresh(); err != nil {
		return err
	}
	return w.Facts.WriteSegments(ctx, facts...)
}
