package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
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

	AtOnce        int    // segments at the same time; 0 is 8
	PagesInFlight int    // of one segment, read and not acknowledged; 0 is 4
	Reads         *Reads // shared with whatever else reads the source in this process; nil is one of its own, without a limit
	Logger        *slog.Logger
}

// Worker reads segments.
type Worker struct{ Config }

// New returns a worker; it starts nothing.
func New(c Config) *Worker {
	c.AtOnce = cmp.Or(c.AtOnce, 8)
	c.PagesInFlight = cmp.Or(c.PagesInFlight, 4)
	c.Reads = cmp.Or(c.Reads, NewReads(0))
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
		readers, ctx := errgroup.WithContext(groupCtx)
		readers.SetLimit(w.AtOnce)
		for _, segment := range segments {
			readers.Go(func() error {
				if err := w.segment(ctx, segment, pen); err != nil {
					return fmt.Errorf("segment %d of %d: %w", segment, w.Segments, err)
				}
				return nil
			})
		}
		if err := readers.Wait(); err != nil {
			return err
		}
		<-groupCtx.Done()
		return nil
	})
	return fault.IgnoreEnd(ctx, group.Wait())
}

func (w *Worker) unfinished(partitions []int, workPartitions int) []int {
	var segments []int
	for s := range w.Segments {
		if !slices.Contains(partitions, s%workPartitions) {
			continue // another worker's
		}
		if fact, ok := w.Facts.Segment(w.Generation, s, w.Segments); !ok || !fact.Done {
			segments = append(segments, s)
		}
	}
	return segments
}

// segment reads one segment to its end.
func (w *Worker) segment(ctx context.Context, segment int, pen *checkpoint.Pen[checkpoint.SegmentFact]) error {
	fact, ok := w.Facts.Segment(w.Generation, segment, w.Segments)
	if !ok {
		fact = checkpoint.SegmentFact{Generation: w.Generation, Segment: segment, Total: w.Segments}
	}
	// A page holds its slot until it and all before it are acknowledged: that bounds what is held, and what is read a
	// second time after a crash (invariant 8).
	slots := make(chan struct{}, w.PagesInFlight)
	var mu sync.Mutex
	frontier := checkpoint.Frontier[checkpoint.SegmentFact]{Passed: func(checkpoint.SegmentFact) { <-slots }}
	pages, ctx := errgroup.WithContext(ctx)
	for !fact.Done {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return pages.Wait()
		}
		page, err := w.scan(ctx, segment, fact.LastKey)
		if err != nil {
			return cmp.Or(pages.Wait(), err)
		}
		fact.Pages++
		fact.Items += int64(len(page.Rows) + len(page.Bad))
		fact.LastKey, fact.Done = page.Last, page.Last == nil
		mu.Lock()
		step := frontier.Begin(fact)
		mu.Unlock()
		pages.Go(func() error {
			if err := w.publish(ctx, segment, page); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			// Invariant 2: the fact says no more than the contiguous run of acknowledged pages.
			if frontier.Done(step) {
				done, _ := frontier.Position()
				pen.Put(strconv.Itoa(segment), done)
			}
			return nil
		})
	}
	return pages.Wait()
}

func (w *Worker) scan(ctx context.Context, segment int, after []byte) (page Page, err error) {
	return fault.Get(ctx, fault.Retrying(w.Logger, "scan"), func(ctx context.Context) (Page, error) {
		return w.Reads.scan(ctx, func() (Page, error) { return w.Source.Scan(ctx, segment, w.Segments, after) })
	})
}

// publish returns once every row of the page is durable in Kafka, and every bad one in the dlq.
func (w *Worker) publish(ctx context.Context, segment int, page Page) error {
	if err := w.Watch.Fresh(); err != nil {
		return err
	}
	where := fmt.Sprintf("%d/%d", segment, w.Segments)
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
