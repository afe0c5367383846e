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

// emptyFor is how lately a shard must have been seen empty for its beginning to be certainly still there: far less
// than the 24 hours after which DynamoDB trims a record.
const emptyFor = time.Hour

// reader reads one shard, from what its fact says to its end.
type reader struct {
	*Worker
	pen  *checkpoint.Pen[checkpoint.ShardFact]
	fact checkpoint.ShardFact // what is published and acknowledged
	said time.Time            // when the fact was last handed to the pen
}

// run returns nil when the shard is done, or cannot be read further, durably either; or ctx has ended. An error is
// more than this shard's.
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

// errAnew says that an iterator is of no use any more, and that a new one is.
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

// iterator asks for the place that the fact names, and for no other.
func (r *reader) iterator(ctx context.Context) (string, error) {
	from := From{After: r.fact.Position, At: r.fact.Start, Oldest: r.seenEmpty()}
	iterator, err := fault.Get(ctx, fault.Retrying(r.Logger, "get an iterator of shard "+r.fact.Shard), func(ctx context.Context) (string, error) {
		iterator, err := r.Stream.Iterator(ctx, r.fact.Shard, from)
		return iterator, decided(err)
	})
	return iterator, r.lost(ctx, err)
}

// seenEmpty reports that nothing has been read from this shard and that it was empty not long ago. Then whatever it
// holds now has come since, and nothing of it can have been trimmed: its oldest record is its first. DynamoDB Local
// needs this: it forgets iterators of an empty shard, and says "trimmed", when the first record arrives.
func (r *reader) seenEmpty() bool {
	return r.fact.Position == "" && !r.fact.Confirmed.IsZero() && time.Since(r.fact.Confirmed) < emptyFor
}

// decided marks the stream's own answers as not worth a retry.
func decided(err error) error {
	if errors.Is(err, ErrTrimmed) || errors.Is(err, ErrExpired) || errors.Is(err, ErrNoShard) {
		return &fault.Error{Class: fault.Fatal, Reason: "position", What: "read the stream", Err: err}
	}
	return err
}

// lost turns the answers that mean a loss into a gap: unless another capture has published more of the shard, for what
// this one cannot have any more that one has had. A gap is final, so the facts are read once more.
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

// records reads one page; began is when the call did.
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

// attempt publishes, for a part of the grace at the most, unless another capture is further: a stale one may have
// written its fact after this one began. Invariant 5: a grace after a fact nothing at or before its position is
// published any more, for whoever publishes has read the facts lately.
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

// furthest is what any capture is known to have published of the shard.
func (r *reader) furthest() checkpoint.ShardFact {
	best, ok := r.Facts.Shard(r.Generation, r.fact.Shard)
	if !ok {
		return r.fact // nothing has been said yet
	}
	return best
}

// advance notes that the changes are published. Invariant 2: they are, and so is everything before them, for a
// shard is published page after page. An empty page says that nothing was missing when it was asked for; but for the
// last one of a closed shard, whose children may have had changes for long by then.
func (r *reader) advance(page Page, began time.Time) {
	switch n := len(page.Changes); {
	case n > 0:
		last := page.Changes[n-1]
		r.fact.Position = last.Position
		r.fact.Records += int64(n)
		r.fact.Stopped = "" // whatever it was, it is behind us
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

// earlier keeps the time of a change, which the database's clock says, from passing the moment of the read that returned it.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// done makes the end of the shard a durable fact; only then may its children start. The confirmation stays what it was:
// from then on the children may have had changes, and whoever asks since when nobody has read them must find it here.
func (r *reader) done(ctx context.Context) error {
	r.fact.Done, r.fact.Stopped = true, ""
	return fault.Do(ctx, fault.Retrying(r.Logger, "write that shard "+r.fact.Shard+" is done"), func(ctx context.Context) error {
		return r.write(ctx, r.fact)
	})
}
