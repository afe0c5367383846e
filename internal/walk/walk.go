package walk

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Page is one answer of a scan.
type Page interface{ Extent() Extent }

// Extent is how far a page goes, and what it took.
type Extent struct {
	Last  []byte  // where the next page starts; nil exactly at the end of the segment
	Units float64 // read units consumed
	Items int     // may be 0, which is not the end
}

// Source reads one page of a segment, strongly consistent. after is the Last of the page before, nil for the first. Errors
// are classified by package fault; nothing is retried inside. Safe for concurrent use.
type Source[P Page] func(ctx context.Context, segment, total int, after []byte) (P, error)

// Walk goes over the segments of a table. Table, Source and Visit are required.
type Walk[P Page] struct {
	Table  string // what it is called in errors: the old table
	Source Source[P]
	// Visit is given each page, with the place that the segment has come to when the page is finished. Its error ends the
	// walk. Pages of different segments are visited at the same time, and those of one segment too if PagesInFlight is
	// above 1; else in their order.
	Visit func(ctx context.Context, to Place, page P) error
	// Finished is told the place of a segment whenever it moves. One call at a time; it must not block. May be nil.
	Finished func(Place)

	AtOnce        int    // segments at the same time; 0 is 8
	PagesInFlight int    // of one segment, read and not finished; 0 is 1
	Reads         *Reads // shared with whatever else reads the table; nil is one of its own, without a limit
	// Patience is for how long a page may fail before the walk ends. Throttling and the wait for its turn do not count.
	// 0 is no bound.
	Patience time.Duration
	Notify   fault.Notify // of what is tried again; may be nil
}

// Run goes on from the given places, each of another segment, and begins them in that order. It returns nil exactly when
// all of their segments were walked to their end; else the first error, or the cause of ctx's end.
func (w Walk[P]) Run(ctx context.Context, places []Place) error {
	w.AtOnce, w.PagesInFlight = cmp.Or(w.AtOnce, 8), cmp.Or(w.PagesInFlight, 1)
	w.Reads = cmp.Or(w.Reads, NewReads(0))
	r := &run[P]{Walk: w}
	segments, ctx := errgroup.WithContext(ctx)
	segments.SetLimit(w.AtOnce)
	for _, place := range places {
		segments.Go(func() error { return r.segment(ctx, place) })
	}
	return segments.Wait()
}

// run is a walk under way.
type run[P Page] struct {
	Walk[P]
	mu sync.Mutex // the frontiers, and Finished
}

// segment walks one segment to its end.
func (r *run[P]) segment(ctx context.Context, at Place) error {
	// A page holds its slot until it and all before it are finished: that bounds what is held, and what is read a second
	// time after a crash (invariant 8).
	slots := make(chan struct{}, r.PagesInFlight)
	frontier := checkpoint.Frontier[Place]{Passed: func(Place) { <-slots }}
	pages, ctx := errgroup.WithContext(ctx)
	for !at.Done {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return cmp.Or(pages.Wait(), context.Cause(ctx))
		}
		page, err := r.page(ctx, at)
		if err != nil {
			return cmp.Or(pages.Wait(), err)
		}
		at = at.next(page.Extent())
		to := at
		r.mu.Lock()
		step := frontier.Begin(to)
		r.mu.Unlock()
		pages.Go(func() error {
			if err := r.Visit(ctx, to, page); err != nil {
				return err
			}
			r.finish(&frontier, step)
			return nil
		})
	}
	return pages.Wait()
}

func (r *run[P]) finish(frontier *checkpoint.Frontier[Place], step *checkpoint.Step[Place]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Invariant 2: the place says no more than the contiguous run of finished pages.
	if frontier.Done(step) && r.Finished != nil {
		place, _ := frontier.Position()
		r.Finished(place)
	}
}

// page reads the page at a place, as often as it takes. It is the one place where a scan is retried.
func (r *run[P]) page(ctx context.Context, at Place) (P, error) {
	patience := patience{most: r.Patience}
	page, err := fault.Get(ctx, r.Notify, func(ctx context.Context) (P, error) {
		asked := time.Now()
		page, err := scan(ctx, r.Reads, func() (P, error) {
			patience.rest(time.Since(asked))
			return r.Source(ctx, at.Segment, at.Total, at.After)
		})
		return page, patience.with(err)
	})
	if err != nil {
		return page, fmt.Errorf("segment %d of %d of %s: %w", at.Segment, at.Total, r.Table, err)
	}
	return page, nil
}

// patience is for how long one page has failed.
type patience struct {
	most  time.Duration // 0 is no bound
	since time.Time     // of the first failure that only failures have followed; zero: there is none
}

// rest leaves out a time in which nothing was tried.
func (p *patience) rest(d time.Duration) {
	if !p.since.IsZero() {
		p.since = p.since.Add(d)
	}
}

// with returns err, or that the page is given up.
func (p *patience) with(err error) error {
	switch {
	case err == nil, p.most == 0, fault.Of(err) != fault.Retry:
		return err
	case fault.ThrottleOf(err) != fault.NotThrottled:
		p.since = time.Time{} // it answers
		return err
	case p.since.IsZero():
		p.since = time.Now()
		return err
	case time.Since(p.since) < p.most:
		return err
	}
	return &fault.Error{Class: fault.Fatal, Reason: "no-answer", What: fmt.Sprintf("gave up after %s", p.most), Err: err}
}
