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

// Settled is what the facts of the shards said a grace ago, or longer. Every capture has taken notice since, and
// publishes nothing any more that stands at or before it; what it had published is in the live topic by now.
type Settled map[string]checkpoint.ShardFact

// covers reports whether nothing older than the marker can be published any more, and if it may not be so, why. A
// marker of an older generation has no older record that would still be applied; a marker without a shard is not
// from a stream, and the offsets say it all.
func (s Settled) covers(m Marker, generation uint32) (why string, ok bool) {
	if m.Shard == "" || m.Version.Generation < generation {
		return "", true
	}
	// A shard without a fact counts as not there yet: its marker stays.
	if fact := s[m.Shard]; !fact.Done && fact.Position < m.Version.Position {
		return fmt.Sprintf("shard %s to be published up to %s, and a grace to pass since (then it was at %q)",
			m.Shard, m.Version.Position.Number(), fact.Position.Number()), false
	}
	return "", true
}

// Window is markers that were seen, and the ends of the live topic after that. The ends must be younger than what has
// settled: else a record could stand behind them that is older than a marker.
type Window struct {
	Markers  []Marker
	LiveEnds map[int]int64
}

// Unmet is the first of the guards a and b that does not hold yet, in words; empty when both do. It is pure.
func (w Window) Unmet(state checkpoint.State, logs Logs, settled Settled) string {
	if state.Closed == nil {
		return "the snapshot to be read and closed"
	}
	if state.Phase() != checkpoint.Streaming {
		return "the rows that vanished before the restart to be marked"
	}
	if state.Replaying {
		return "the replay that was announced: crossfade replay"
	}
	if text := behind(logs.SnapshotCommitted, state.Closed.Ends, "snapshot"); text != "" { // guard a
		return text
	}
	for _, m := range w.Markers { // guard b, first half
		if why, ok := settled.covers(m, state.Generation()); !ok {
			return why
		}
	}
	return behind(logs.LiveCommitted, w.LiveEnds, "live") // guard b, second half
}

// behind says how many records, in which partitions, are not committed yet; empty when all are.
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
