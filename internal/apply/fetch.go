package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Batch is a run of records of one partition, in the order of their offsets.
type Batch struct {
	Records []events.Record
	Next    int64 // the offset to fetch next; further than the last record's where the log has holes
	End     int64 // the partition's end offset (high watermark) when it was fetched
}

// Fetcher reads the topics.
type Fetcher interface {
	// Fetch returns the records from offset on, at most about maxBytes of memory but at least one if there is one,
	// waiting a moment for the first; an empty batch is not an error. An offset that the log no longer holds, or not yet,
	// is ErrGap, of class Fatal (invariant 4), never a jump. Safe for concurrent use.
	Fetch(ctx context.Context, from events.TopicPartition, offset int64, maxBytes int) (Batch, error)
}

// fetch reads one partition, decides about each record, and puts the jobs into the lanes.
func (r *run) fetch(ctx context.Context, p *partition) error {
	decoder := events.NewDecoder(r.Schema)
	next := p.progress.Offset
	for {
		if why := p.waitRoom(func() bool { return ctx.Err() != nil }); why != nil {
			return r.stopped(ctx, p, why)
		}
		if p.budget.reserve(ctx, r.fetchBytes) != nil {
			return nil //nolint:nilerr // stopped: nothing was fetched
		}
		batch, err := r.fetchOnce(ctx, p, next)
		if err != nil {
			p.budget.adjust(-r.fetchBytes)
			switch {
			case ctx.Err() != nil:
				return nil //nolint:nilerr // stopped: nothing was fetched
			case errors.Is(err, ErrGap):
				return r.stopped(ctx, p, err)
			}
			return err
		}
		size := int64(0)
		for _, record := range batch.Records {
			size += int64(record.Memory())
		}
		p.budget.adjust(size - r.fetchBytes)
		if err := r.dispatch(ctx, p, decoder, next, batch); err != nil {
			return err
		}
		next = batch.Next
	}
}

func (r *run) fetchOnce(ctx context.Context, p *partition, offset int64) (Batch, error) {
	return fault.Get(ctx, fault.Retrying(r.Logger, "fetch "+p.id.String()), func(ctx context.Context) (Batch, error) {
		return r.Fetcher.Fetch(ctx, p.id, offset, int(r.fetchBytes))
	})
}

// sayEvery is how often a partition that has stopped says so.
const sayEvery = time.Minute

// stopped leaves a partition where it is, until this worker ends, and lets the others go on. Invariants 4 and 9: nothing is
// skipped, for its frontier stays.
func (r *run) stopped(ctx context.Context, p *partition, why error) error {
	if r.Gap == nil {
		return why
	}
	p.halt(why)
	if err := r.Gap(ctx, p.id, p.at()); err != nil && ctx.Err() == nil {
		return err
	}
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		r.Logger.Error("this partition has stopped, and nothing of it is skipped; the others go on", "partition", p.id.String(), "error", why)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// dispatch begins every record of the batch fetched at offset from, in order, and ends it in exactly one of
// three ways: dropped and counted here, or by the lanes in the table or in the dlq.
func (r *run) dispatch(ctx context.Context, p *partition, decoder *events.Decoder, from int64, batch Batch) error {
	jobs := make([]*job, 0, len(batch.Records))
	for _, record := range batch.Records {
		t := p.begin(record.Offset, int64(record.Memory()))
		from = record.Offset + 1
		event, dropped, err := r.decide(ctx, decoder, record)
		j := &job{event: event, record: record, ticket: t}
		switch invalid, isInvalid := errors.AsType[*events.Invalid](err); {
		case isInvalid:
			j.dead = invalid
			jobs = append(jobs, j)
		case err != nil && ctx.Err() != nil:
			return nil //nolint:nilerr // stopped: the record stays pending, so nothing from it on is committed
		case err != nil:
			return fmt.Errorf("record %s@%d: %w", p.id, record.Offset, err)
		case dropped != 0:
			t.done(dropped)
		default:
			jobs = append(jobs, j)
		}
	}
	if batch.Next > from {
		p.skipTo(batch.Next)
	}
	r.lanes.add(jobs)
	return nil
}

// decide asks the rules, again and again while the control log is behind the record.
func (r *run) decide(ctx context.Context, d *events.Decoder, record events.Record) (e events.Event, dropped Outcome, err error) {
	e, dropped, err = r.Rules.Decide(d, record, r.Watch.State())
	if err == nil || fault.Of(err) != fault.Retry {
		return e, dropped, err
	}
	what := "decide about a record of " + record.String()
	type decision struct {
		event   events.Event
		dropped Outcome
	}
	waiting := func(err error, _ time.Duration) { r.behind.Failed(what, err) }
	decided, err := fault.Get(ctx, waiting, func(context.Context) (decision, error) {
		e, dropped, err := r.Rules.Decide(d, record, r.Watch.State())
		return decision{e, dropped}, err
	})
	if err == nil {
		r.behind.Worked(what)
	}
	return decided.event, decided.dropped, err
}
