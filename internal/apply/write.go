package apply

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/pace"
)

// DeadLetter writes a record that cannot be applied to the dlq, with why and where it came from. It returns
// nil once the record is durable there.
type DeadLetter func(ctx context.Context, record events.Record, why *events.Invalid) error

// deadLetterTimeout bounds one attempt to write to the dlq.
const deadLetterTimeout = 30 * time.Second

// write does one call after the other until ctx ends. A call that has begun is finished: its deadline is the
// target's own, not the context's.
func (r *run) write(ctx context.Context) error {
	for {
		held := r.lanes.take(ctx)
		if held == nil {
			return nil
		}
		if err := r.Watch.Fresh(); err != nil {
			return err
		}
		if err := r.call(context.WithoutCancel(ctx), held); err != nil {
			return err
		}
	}
}

// call does the held jobs in one call, and settles each.
func (r *run) call(ctx context.Context, held []holding) error {
	if held[0].job.dead != nil {
		return r.post(ctx, held[0])
	}
	first := held[0]
	held = r.dropOvertaken(held)
	if len(held) == 0 {
		r.lanes.returned(first, answer{})
		return nil
	}
	results := r.do(ctx, held)
	unnamed := r.lanes.returned(first, told(held, results))
	for i, result := range results {
		if err := r.settle(held[i], result, unnamed); err != nil {
			return err
		}
	}
	return nil
}

// told is what the results say about the pace.
func told(held []holding, results []Result) answer {
	a := answer{rows: len(held)}
	for i, result := range results {
		units := pace.WriteUnits(len(held[i].job.record.Value))
		if result.Err != nil {
			throttle := fault.ThrottleOf(result.Err)
			a.throttled[throttle]++
			a.unanswered = a.unanswered || throttle == fault.NotThrottled && fault.Of(result.Err) == fault.Retry
			continue // the caller settles it; here it only tells about the pace
		}
		a.written += cmp.Or(result.Units, units)
		if result.Units > 0 {
			a.extra += result.Units - units
		}
	}
	return a
}

// dropOvertaken leaves out records that the close or a new generation has overtaken while they waited here.
func (r *run) dropOvertaken(held []holding) []holding {
	state := r.Watch.State()
	kept := held[:0]
	for _, h := range held {
		if dropped := r.Rules.Overtaken(h.job.event, h.job.record, state); dropped != 0 {
			r.lanes.finish(h, false)
			h.job.ticket.done(dropped)
		} else {
			kept = append(kept, h)
		}
	}
	return kept
}

// do makes the call that the jobs need.
func (r *run) do(ctx context.Context, held []holding) []Result {
	if first := held[0].job; !first.insertable() {
		return []Result{r.Target.Put(ctx, first.event)}
	}
	rows := make([]events.Event, len(held))
	for i, h := range held {
		rows[i] = h.job.event
	}
	results := r.Target.Insert(ctx, rows)
	if len(results) != len(rows) {
		panic(fmt.Sprintf("apply: Target.Insert returned %d results for %d rows", len(results), len(rows)))
	}
	return results
}

// post writes a dead job's record to the dlq.
func (r *run) post(ctx context.Context, h holding) error {
	ctx, cancel := context.WithTimeout(ctx, deadLetterTimeout)
	defer cancel()
	err := r.DeadLetter(ctx, h.job.record, h.job.dead)
	r.lanes.posted()
	return r.settle(h, Result{Err: err}, fault.NotThrottled)
}
