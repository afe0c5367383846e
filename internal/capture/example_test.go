package capture_test

import (
	"fmt"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// A shard that has split: a child is read when the fact says that its parent is published to the end, and not before.
func ExamplePlan() {
	at := events.PositionAt
	shards := []capture.Shard{{ID: "parent", Start: at(100)}, {ID: "left", Parent: "parent", Start: at(200)}, {ID: "right", Parent: "parent", Start: at(201)}}
	show := func(facts map[string]checkpoint.ShardFact) {
		ready, gaps := capture.Plan(shards, facts, 1)
		for _, fact := range ready {
			fmt.Printf("%s after %q, ", fact.Shard, fact.Position.Number())
		}
		fmt.Println("gaps:", len(gaps))
	}
	show(map[string]checkpoint.ShardFact{"parent": {Generation: 1, Shard: "parent", Start: at(100), Position: at(150)}})
	show(map[string]checkpoint.ShardFact{"parent": {Generation: 1, Shard: "parent", Start: at(100), Position: at(190), Done: true}})
	// Output:
	// parent after "150", gaps: 0
	// left after "", right after "", gaps: 0
}
