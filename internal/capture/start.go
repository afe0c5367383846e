package capture

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// startAtOnce is how many open shards are looked at side by side.
const startAtOnce = 16

// Start makes the start of capture durable: a fact for each shard of the stream.
//
//	open    to be read from its first sequence number
//	closed  was closed before, and is not read; so a parent without a fact is known to be a gap later
//
// Facts that exist stay as they are. It returns how many shards are open. The facts must have been refreshed.
func Start(ctx context.Context, stream Stream, facts *checkpoint.Facts, generation uint32) (open int, err error) {
	shards, err := fault.Get(ctx, nil, stream.Shards)
	if err != nil {
		return 0, err
	}
	known := facts.Shards(generation)
	starts := make([]checkpoint.ShardFact, 0, len(shards))
	for _, s := range shards {
		closed := s.End != ""
		if !closed {
			open++
		}
		if _, ok := known[s.ID]; !ok {
			starts = append(starts, checkpoint.ShardFact{
				Generation: generation, Shard: s.ID, Parent: s.Parent, Start: s.Start, Before: closed,
			})
		}
	}
	looks, looksCtx := errgroup.WithContext(ctx)
	looks.SetLimit(startAtOnce)
	for i := range starts {
		if !starts[i].Before {
			looks.Go(func() error {
				return fault.Do(looksCtx, nil, func(ctx context.Context) error { return held(ctx, stream, &starts[i]) })
			})
		}
	}
	if err := looks.Wait(); err != nil {
		return 0, err
	}
	return open, fault.Do(ctx, nil, func(ctx context.Context) error { return facts.WriteShards(ctx, starts...) })
}

// held moves the start of an open shard to its oldest record, if its beginning has been trimmed. If no record is left, the shard
// counts as seen empty now: a reader may begin with the oldest record for as long as nothing that comes from now on can
// have been trimmed.
//
// That loses nothing, for no scan has begun: the snapshot covers whatever was in the stream before now.
func held(ctx context.Context, stream Stream, fact *checkpoint.ShardFact) error {
	now := time.Now().UTC()
	if _, err := firstPage(ctx, stream, fact.Shard, From{At: fact.Start}); !errors.Is(err, ErrTrimmed) {
		return undecided(err)
	}
	page, err := firstPage(ctx, stream, fact.Shard, From{Oldest: true})
	if err != nil {
		return undecided(err)
	}
	if len(page.Changes) > 0 {
		fact.Start = page.Changes[0].Position
	} else {
		fact.Confirmed = now
	}
	return nil
}

func firstPage(ctx context.Context, stream Stream, shard string, from From) (Page, error) {
	iterator, err := stream.Iterator(ctx, shard, from)
	if err != nil {
		return Page{}, err
	}
	return stream.Records(ctx, iterator)
}

// undecided makes an error that may not come again one that is retried: a record that was trimmed just now, an iterator that
// expired. A shard that is gone is no error here; capture finds the gap.
func undecided(err error) error {
	switch {
	case errors.Is(err, ErrTrimmed), errors.Is(err, ErrExpired):
		return &fault.Error{Class: fault.Retry, Reason: "position", What: "look for the start of a shard", Err: err}
	case errors.Is(err, ErrNoShard):
		return nil
	}
	return err
}
