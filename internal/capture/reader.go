package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// emptyFor is how long after a shard was seen empty its beginning is certainly still there. DynamoDB trims a record after 24
// hours; this is far less.
const emptyFor = time.Hour

// reader reads one shard, from what its fact says to its end.
type reader struct {
	*Worker
	pen  *checkpoint.Pen[checkpoint.ShardFact]
	fact checkpoint.ShardFact // what is published and acknowledged
	said time.Time            // when the fact was last handed to the pen
}

// run reads until the shard is done, cannot be read further, or ctx ends; it returns nil then, and the first two are durable
// facts. An error is not about this shard alone.
func (r *reader) run(ctx context.Context) error {
	iterator := ""
	for ctx.Err() == nil {
		next, err := r.page(ctx, iterator)
		switch {
		case errors.Is(err, errAnew):
			iterator = "" // a new one, from the last position that was published; in a moment, for it may be refused too
			r.pause(ctx)
		case errors.Is(err, errOvertaken):
			if r.fact = r.furthest(); r.fact.Done || r.fact.Gap != "" {
				return nil
			}
			iterator = "" // from where the other one is
		case err != nil:
			return r.ended(ctx, r.halt(ctx, err))
		case next == "":
			return r.ended(ctx, r.done(ctx))
		default:
			iterator = next
		}
	}
	return nil
}

// errAnew says that an iterator is used up, and a new one from the same position will do.
var errAnew = errors.New("the iterator cannot be used any more")

// page reads one page, publishes it, and returns the iterator of the next one; empty at the end of the shard.
func (r *reader) page(ctx context.Context, iterator string) (next string, err error) {
	if iterator == "" {
		if iterator, err = r.iterator(ctx); err != nil {
			return "", err
		}
	}
	page, began, err := r.records(ctx, iterator)
	switch {
	case errors.Is(err, ErrExpired), errors.Is(err, ErrTrimmed) && r.seenEmpty():
		return "", errAnew
	case err != nil:
		return "", r.lost(ctx, err)
	}
	if err := r.publish(ctx, page.Changes); err != nil {
		return "", err
	}
	r.advance(page, began)
	if len(page.Changes) == 0 && page.Next != "" {
		r.pause(ctx)
	}
	return page.Next, nil
}

// pause waits until the shard may be asked again, or ctx ends.
func (r *reader) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(r.Poll):
	}
}

// ended drops an error that is only the end of ctx.
func (r *reader) ended(ctx context.Context, err error) error {
	if _, classified := errors.AsType[*fault.Error](err); ctx.Err() != nil && !classified {
		return nil
	}
	return err
}

// iterator asks for the position that the fact names, and for no other.
func (r *reader) iterator(ctx context.Context) (string, error) {
	from := From{After: r.fact.Position, At: r.fact.Start, Oldest: r.seenEmpty()}
	iterator, err := fault.Get(ctx, fault.Retrying(r.Logger, "get an iterator of shard "+r.fact.Shard), func(ctx context.Context) (string, error) {
		iterator, err := r.Stream.Iterator(ctx, r.fact.Shard, from)
		return iterator, decided(err)
	})
	return iterator, r.lost(ctx, err)
}

// seenEmpty reports whether the oldest record of this shard is its first: nothing has been read from it, and it was empty within
// emptyFor, so nothing can have been trimmed. DynamoDB Local needs this: when the first record of an empty shard arrives,
// it forgets the shard's iterators and answers "trimmed".
func (r *reader) seenEmpty() bool {
	return r.fact.Position == "" && !r.fact.Confirmed.IsZero() && time.Since(r.fact.Confirmed) < emptyFor
}

// decided makes the stream's own answers errors that are not retried: they would be the same.
func decided(err error) error {
	if errors.Is(err, ErrTrimmed) || errors.Is(err, ErrExpired) || errors.Is(err, ErrNoShard) {
		return &fault.Error{Class: fault.Fatal, Reason: "position", What: "read the stream", Err: err}
	}
	return err
}

// lost turns an answer that means a loss into a gap. It reads the facts once more before, for a gap is final: if another capture
// is further, it has published what this one cannot read any more, and nothing is lost.
func (r *reader) lost(ctx context.Context, err error) error {
	if !errors.Is(err, ErrTrimmed) && !errors.Is(err, ErrNoShard) {
		return err
	}
	if err := fault.Do(ctx, fault.Retrying(r.Logger, "read facts"), r.Facts.Refresh); err != nil {
		return err
	}
	if best := r.furthest(); best.Done || best.Position > r.fact.Position {
		return errOvertaken
	}
	return &halted{Gap: fmt.Sprintf("shard %s no longer has its changes after sequence number %s (%v)", r.fact.Shard, orStart(r.fact), err), Err: err}
}

// records reads one page; began is when the successful call began.
func (r *reader) records(ctx context.Context, iterator string) (page Page, began time.Time, err error) {
	page, err = fault.Get(ctx, fault.Retrying(r.Logger, "read shard "+r.fact.Shard), func(ctx context.Context) (Page, error) {
		began = time.Now()
		page, err := r.Stream.Records(ctx, iterator)
		return page, decided(err)
	})
	return page, began, err
}

// publish returns once every change is durable in Kafka, and every bad one in the dlq.
func (r *reader) publish(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	records := make([]events.Record, 0, len(changes))
	for _, c := range changes {
		if c.Bad != nil {
			err := fault.Do(ctx, fault.Retrying(r.Logger, "write to the dlq"), func(ctx context.Context) error {
				return r.DeadLetter(ctx, c.Raw, c.Bad, r.fact.Shard)
			})
			if err != nil {
				return r.refused(ctx, err)
			}
			continue // durable in the dlq
		}
		records = append(records, events.Encode(events.Event{
			Key: c.Key, Op: c.Op, Version: events.Version{Generation: r.Generation, Class: events.Live, Position: c.Position},
			Item: events.Item{Raw: c.Item}, Time: c.Time, Source: r.fact.Shard,
		}))
	}
	err := fault.Do(ctx, fault.Retrying(r.Logger, "publish"), func(ctx context.Context) error {
		err := r.attempt(ctx, records)
		records = events.Rest(records, err)
		return err
	})
	if fault.Of(err) == fault.Record {
		return r.refused(ctx, err)
	}
	return err
}

// errOvertaken says that another capture has published more of the shard.
var errOvertaken = errors.New("another capture has published more of this shard")

// attempt publishes once, within a quarter of the grace. It refuses when another capture is further, or when the facts have not
// been read for half of the grace. Invariant 5: the sweep relies on it that a grace after a fact was written, nothing at or
// before its position is published any more, by this capture or by a stale one.
func (r *reader) attempt(ctx context.Context, records []events.Record) error {
	if err := r.Watch.Fresh(); err != nil {
		return err
	}
	if age := r.Facts.Age(); age > r.Grace/2 {
		return &fault.Error{Class: fault.Retry, Reason: "facts-unread", What: fmt.Sprintf("the facts could not be read for %s", age.Round(time.Millisecond))}
	}
	if best := r.furthest(); best.Done || best.Position > r.fact.Position {
		return &fault.Error{Class: fault.Fatal, Reason: "overtaken", What: "publish changes of shard " + r.fact.Shard, Err: errOvertaken}
	}
	limited, cancel := context.WithTimeout(ctx, r.Grace/4)
	defer cancel()
	err := r.Publish(limited, records)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return &fault.Error{Class: fault.Retry, Reason: "publish-timeout", What: "publish changes of shard " + r.fact.Shard, Err: err}
	}
	return err
}

// furthest is the furthest fact about the shard, of any capture.
func (r *reader) furthest() checkpoint.ShardFact {
	best, ok := r.Facts.Shard(r.Generation, r.fact.Shard)
	if !ok {
		return r.fact // nothing has been said yet
	}
	return best
}

// advance moves the fact past a page. Invariant 2: its changes are published, and so is everything before them, for a shard is
// published page after page.
//
// An empty page confirms that nothing was missing when it was asked for. The last page of a closed shard confirms nothing: the
// children may have had changes for long by then.
func (r *reader) advance(page Page, began time.Time) {
	switch n := len(page.Changes); {
	case n > 0:
		last := page.Changes[n-1]
		r.fact.Position = last.Position
		r.fact.Records += int64(n)
		r.fact.Stopped = "" // what stopped it has been passed
		r.fact.Behind = max(0, began.Sub(last.Time))
		if until := earlier(last.Time, began); until.After(r.fact.Confirmed) {
			r.fact.Confirmed = until.UTC()
		}
	case page.Next == "":
		return // done says the rest
	default:
		r.fact.Behind = 0
		r.fact.Confirmed = began.UTC()
		if time.Since(r.said) < r.Confirm {
			return
		}
	}
	r.said = time.Now()
	r.pen.Put(r.fact.Shard, r.fact)
}

// earlier is the earlier of two times. The time of a change is by the database's clock, and must not be later than the read that
// returned it.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// done makes the end of the shard a durable fact; only then may its children start. Confirmed stays what it was: the children may
// have had changes since then, and the status counts from it until somebody reads them.
func (r *reader) done(ctx context.Context) error {
	r.fact.Done, r.fact.Stopped = true, ""
	return fault.Do(ctx, fault.Retrying(r.Logger, "write that shard "+r.fact.Shard+" is done"), func(ctx context.Context) error {
		return r.write(ctx, r.fact)
	})
}
