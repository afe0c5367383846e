package sweep

import (
	"fmt"
	"slices"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

// Logs is what the sweep asks of Kafka, by partition.
type Logs struct {
	SnapshotCommitted map[int]int64 // of the applier's group
	LiveCommitted     map[int]int64
}

// seen is what was true of the live topic after the last marker of a window had been seen.
type seen struct {
	liveEnds map[int]int64
	markers  []Marker
}

// unmet is the first guard that does not hold yet, in words; empty when all hold. It is pure.
func (s seen) unmet(state checkpoint.State, logs Logs, shards map[string]checkpoint.ShardFact) string {
	if state.Closed == nil {
		return "the snapshot to be read and closed"
	}
	if state.Phase() != checkpoint.Streaming {
		return "the rows that vanished before the restart to be marked"
	}
	if text := behind(logs.SnapshotCommitted, state.Closed.Ends, "snapshot"); text != "" { // guard a
		return text
	}
	if text := behind(logs.LiveCommitted, s.liveEnds, "live"); text != "" { // guard b, first half
		return text
	}
	for _, m := range s.markers { // guard b, second half
		if m.Shard == "" {
			continue // not from a stream: its partition's offsets say it all
		}
		// A shard without a fact counts as not there yet: its marker stays.
		if fact := shards[m.Shard]; !fact.Done && fact.Position < m.Version.Position {
			return fmt.Sprintf("shard %s to be published up to %s (now %s)", m.Shard, m.Version.Position.Number(), fact.Position.Number())
		}
	}
	return ""
}

// behind names the partition that is furthest from its end, and by how much.
func behind(committed, ends map[int]int64, topic string) string {
	partitions := make([]int, 0, len(ends))
	total := int64(0)
	for p, end := range ends {
		if missing := end - committed[p]; missing > 0 {
			partitions = append(partitions, p)
			total += missing
		}
	}
	if total == 0 {
		return ""
	}
	slices.Sort(partitions)
	return fmt.Sprintf("%d records of the %s topic to be applied and committed (partitions %v)", total, topic, partitions)
}
