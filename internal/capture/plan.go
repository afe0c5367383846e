package capture

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

// Plan decides which shards may be read now, oldest first, and which parts of the stream are lost. It is pure. The facts are
// those of the generation.
//
//	the shard has a fact with a gap             gap
//	done, and the stream was turned off since   gap
//	done, or closed before the migration        nothing to do
//	has another fact                            read, from there
//	no fact; no parent, or one that is done     read, from its first record
//	no fact; its parent has none, is not listed gap
//	no fact; its parent is not done             wait
//	not listed, and has a fact that it is open  gap
func Plan(shards []Shard, facts map[string]checkpoint.ShardFact, generation uint32) (ready, gaps []checkpoint.ShardFact) {
	listed := make(map[string]bool, len(shards))
	for _, s := range shards {
		listed[s.ID] = true
	}
	for _, s := range shards {
		fact, known := facts[s.ID]
		fresh := checkpoint.ShardFact{Generation: generation, Shard: s.ID, Parent: s.Parent, Start: s.Start}
		switch {
		case known && fact.Gap != "":
			gaps = append(gaps, fact)
		case known && fact.Done && s.Last:
			fact.Gap = fmt.Sprintf("the stream was turned off after shard %s; what has been written since is not in it, even if it was turned on again", s.ID)
			gaps = append(gaps, fact)
		case known && (fact.Done || fact.Before):
		case known:
			ready = append(ready, fact)
		case mayFollow(s, facts):
			ready = append(ready, fresh)
		case !listed[s.Parent] && !has(facts, s.Parent):
			fresh.Gap = fmt.Sprintf("shard %s begins after shard %s, which the stream no longer has and which was never read: its changes are lost", s.ID, s.Parent)
			gaps = append(gaps, fresh)
		}
		// Any other shard waits for its parent.
	}
	for id, fact := range facts {
		if !listed[id] && (fact.Gap != "" || !fact.Done && !fact.Before) {
			if fact.Gap == "" {
				fact.Gap = fmt.Sprintf("shard %s is gone from the stream; its changes after sequence number %s are lost", id, orStart(fact))
			}
			gaps = append(gaps, fact)
		}
	}
	slices.SortFunc(ready, func(a, b checkpoint.ShardFact) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Shard, b.Shard))
	})
	slices.SortFunc(gaps, func(a, b checkpoint.ShardFact) int { return cmp.Compare(a.Shard, b.Shard) })
	return ready, gaps
}

// mayFollow reports whether a shard without a fact may be read from its beginning: it has no parent, or its parent's end is a
// durable fact, or its parent was closed before the migration began. In the last case the shard itself was not closed then:
// it would have a fact.
func mayFollow(s Shard, facts map[string]checkpoint.ShardFact) bool {
	parent, known := facts[s.Parent]
	return s.Parent == "" || known && (parent.Done || parent.Before)
}

func has(facts map[string]checkpoint.ShardFact, id string) bool {
	_, ok := facts[id]
	return ok
}

func orStart(fact checkpoint.ShardFact) string {
	if fact.Position != "" {
		return fact.Position.Number()
	}
	return fact.Start.Number() + " (its start)"
}
