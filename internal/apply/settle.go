package apply

import (
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// settle ends a job or puts it back. Every way out of here either hands its ticket to done, or keeps the job
// in its lane, or halts its partition, or ends the worker: no record is lost. unnamed is what is throttled if the result does not say it.
func (r *run) settle(h holding, result Result, unnamed fault.Throttle) error {
	if result.Err == nil {
		r.succeed(h, result.Outcome)
		return nil
	}
	j := h.job
	switch fault.Of(result.Err) {
	case fault.Retry:
		throttle := fault.ThrottleOf(result.Err)
		if throttle == fault.UnnamedThrottled {
			throttle = unnamed
		}
		attempts, wait := r.lanes.retry(h, throttle)
		if r.sayable(attempts, throttle) {
			r.refused.Add(1)
			r.refusals.Do(func() {
				r.Logger.Warn("writes will be tried again", "writes", r.refused.Swap(0),
					"key", string(j.event.Key), "attempts", attempts, "wait", wait, "error", result.Err)
			})
		}
		return nil
	case fault.Record:
		if j.dead == nil {
			// Invariant 9: on to the dlq, as the same job of the same lane. What it superseded is still there.
			r.lanes.bury(h, invalidOf(result.Err))
			return nil
		}
		return r.unburied(h, &fault.Error{
			Class: fault.Fatal, Reason: "dlq", Err: result.Err,
			What:   fmt.Sprintf("the dlq refuses record %s@%d (%s)", j.record.TopicPartition, j.record.Offset, j.dead),
			Advice: "raise max.message.bytes of the dlq topic, then start again",
		})
	case fault.Fatal:
	}
	return fmt.Errorf("apply record %s@%d, key %s: %w", j.record.TopicPartition, j.record.Offset, j.event.Key, result.Err)
}

// sayable reports whether a write that is to be tried again is worth a line: a throttled one if it has been so for some
// attempts, or if none succeeds; another one if it alone fails. If all do, the table is away, and its adapter says so.
func (r *run) sayable(attempts int, throttle fault.Throttle) bool {
	idle := time.Since(time.Unix(0, r.written.Load()))
	if throttle != fault.NotThrottled {
		return attempts > 3 || idle > 10*time.Second
	}
	return attempts > 12 && idle < 3*time.Second
}

// unburied halts the partition of a record that the dlq refuses. Invariant 9: its ticket is never done, so nothing is
// committed past it; its lane is free for what other partitions have of the key.
func (r *run) unburied(h holding, why error) error {
	if r.Gap == nil {
		return why
	}
	r.lanes.finish(h, false)
	t := h.job.ticket
	t.partition.halt(why)
	t.partition.budget.adjust(-t.bytes) // nothing holds the record any more, and other partitions need the room
	t.bytes = 0
	return nil
}

func (r *run) succeed(h holding, o Outcome) {
	if h.job.dead != nil {
		r.lanes.finish(h, false)
		h.job.ticket.done(Dead)
		return
	}
	r.written.Store(time.Now().UnixNano())
	if o == Duplicate && h.job.attempts > 0 {
		o = Applied // the stored version is ours: the lost answer of an attempt before was "applied"
	}
	// Whatever the outcome, the table holds this version, a higher one, or an item that is not ours to change:
	// all versions below are settled by it.
	for _, lower := range r.lanes.finish(h, true) {
		lower.ticket.done(Superseded)
	}
	h.job.ticket.done(o)
}

func invalidOf(err error) *events.Invalid {
	if invalid, ok := errors.AsType[*events.Invalid](err); ok {
		return invalid
	}
	return &events.Invalid{Reason: events.Refused, Detail: err.Error()}
}
