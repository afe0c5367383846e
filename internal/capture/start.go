package capture

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Start makes the start of capture durable: every shard that is open now, from its first sequence number; and those
// that are closed already as such, so that a parent that is missing later is known to be a gap. Facts that exist stay
// as they are. It returns how many open shards have a start. The facts must have been refreshed.
func Start(ctx context.Context, stream Stream, facts *checkpoint.Facts, generation uint32) (open int, err error) {
	var shards []Shard
	err = fault.Do(ctx, nil, func(ctx context.Context) error {
		shards, err = stream.Shards(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	known := facts.Shards(generation)
	var missing []checkpoint.ShardFact
	for _, s := range shards {
		closed := s.End != ""
		if !closed {
			open++
		}
		if _, ok := known[s.ID]; !ok {
			missing = append(missing, checkpoint.ShardFact{
				Generation: generation, Shard: s.ID, Parent: s.Parent, Start: s.Start, Before: closed,
			})
		}
	}
	return open, fault.Do(ctx, nil, func(ctx context.Context) error { return facts.WriteShards(ctx, missing...) })
}
