package capture

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

func at(n uint64) events.Position { return events.PositionAt(n) }

func TestPlan(t *testing.T) {
	type facts = map[string]checkpoint.ShardFact
	var (
		parent = Shard{ID: "p", Start: at(1), End: at(9)}
		child  = Shard{ID: "c", Parent: "p", Start: at(10)}
	)
	for name, c := range map[string]struct {
		shards []Shard
		facts  facts
		ready  []string
		gaps   []string // by shard
		why    string
	}{
		"a root is read":                    {shards: []Shard{parent}, ready: []string{"p"}},
		"a child waits for its parent":      {shards: []Shard{child, parent}, ready: []string{"p"}},
		"a child waits for a parent's end":  {shards: []Shard{child, parent}, facts: facts{"p": {Shard: "p", Position: at(9)}}, ready: []string{"p"}},
		"a child follows a finished parent": {shards: []Shard{child, parent}, facts: facts{"p": {Shard: "p", Done: true}}, ready: []string{"c"}},
		"a child follows a parent closed before the migration": {
			shards: []Shard{child, parent}, facts: facts{"p": {Shard: "p", Before: true}}, ready: []string{"c"},
		},
		"a finished parent may be trimmed": {shards: []Shard{child}, facts: facts{"p": {Shard: "p", Done: true}}, ready: []string{"c"}},
		"a parent that nobody read is gone": {
			shards: []Shard{child}, gaps: []string{"c"}, why: "begins after shard p, which the stream no longer has",
		},
		"a shard that was being read is gone": {
			shards: []Shard{child}, facts: facts{"p": {Shard: "p", Position: at(4)}}, gaps: []string{"p"}, why: "after sequence number 4 are lost",
		},
		"a shard with a start is gone": {
			facts: facts{"p": {Shard: "p", Start: at(3)}}, gaps: []string{"p"}, why: "after sequence number 3 (its start)",
		},
		"a stream that was turned off is read to its end": {
			shards: []Shard{parent, {ID: "c", Parent: "p", Start: at(10), End: at(12), Last: true}}, facts: facts{"p": {Shard: "p", Done: true}}, ready: []string{"c"},
		},
		"and then has a gap": {
			shards: []Shard{parent, {ID: "c", Parent: "p", Start: at(10), End: at(12), Last: true}},
			facts:  facts{"p": {Shard: "p", Done: true}, "c": {Shard: "c", Done: true}}, gaps: []string{"c"}, why: "turned off after shard c",
		},
		"which stays, although the shard is gone": {facts: facts{"c": {Shard: "c", Done: true, Gap: "off"}}, gaps: []string{"c"}, why: "off"},
		"a shard that ended before the migration may be the last": {
			shards: []Shard{{ID: "p", Start: at(1), End: at(9), Last: true}}, facts: facts{"p": {Shard: "p", Before: true}},
		},
		"a gap stays a gap":    {shards: []Shard{parent}, facts: facts{"p": {Shard: "p", Gap: "lost"}}, gaps: []string{"p"}, why: "lost"},
		"a start is read from": {shards: []Shard{child}, facts: facts{"c": {Shard: "c", Parent: "p", Start: at(10)}}, ready: []string{"c"}},
		"oldest first": {
			shards: []Shard{{ID: "b", Start: at(7)}, {ID: "a", Start: at(30)}, {ID: "z", Start: at(7)}}, ready: []string{"b", "z", "a"},
		},
		"finished and gone": {facts: facts{"p": {Shard: "p", Done: true}, "q": {Shard: "q", Before: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			ready, gaps := Plan(c.shards, c.facts, 1)
			var readyIDs, gapIDs []string
			for _, f := range ready {
				readyIDs = append(readyIDs, f.Shard)
			}
			for _, f := range gaps {
				gapIDs = append(gapIDs, f.Shard)
				require.Contains(t, f.Gap, c.why)
			}
			require.Equal(t, c.ready, readyIDs)
			require.Equal(t, c.gaps, gapIDs)
		})
	}
}

// A generation of shards whose parents are not finished: none of the children may start, however many there are.
func TestPlanOfAWideForest(t *testing.T) {
	var shards []Shard
	facts := map[string]checkpoint.ShardFact{}
	for i := range 300 {
		root := fmt.Sprintf("root-%03d", i)
		shards = append(shards, Shard{ID: root, Start: at(uint64(i)), End: at(uint64(1000 + i))},
			Shard{ID: "left-" + root, Parent: root, Start: at(uint64(2000 + i))}, Shard{ID: "right-" + root, Parent: root, Start: at(uint64(2000 + i))})
		if i%3 == 0 {
			facts[root] = checkpoint.ShardFact{Shard: root, Done: true}
		}
	}
	ready, gaps := Plan(shards, facts, 1)
	require.Empty(t, gaps)
	require.Len(t, ready, 200+2*100)
	for _, f := range ready {
		require.True(t, f.Parent == "" || facts[f.Parent].Done, f.Shard)
	}
}
