package operate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// Behind is counted from the oldest moment before which every shard that the stream lists is known to be captured.
func TestFoldCapture(t *testing.T) {
	const never = -time.Hour // stands for unknown
	type shards = []capture.Shard
	type facts = []checkpoint.ShardFact
	after := func(d time.Duration) time.Time { return began.Add(d) }
	fact := func(id string, confirmed time.Duration) checkpoint.ShardFact {
		return checkpoint.ShardFact{Generation: 1, Shard: id, Start: events.PositionAt(1), Confirmed: after(confirmed)}
	}
	done := func(id string, confirmed time.Duration) checkpoint.ShardFact {
		f := fact(id, confirmed)
		f.Done = true
		return f
	}
	start := checkpoint.ShardFact{Generation: 1, Shard: "a", Start: events.PositionAt(1)}
	before := checkpoint.ShardFact{Generation: 1, Shard: "a", Before: true}
	a, closed := capture.Shard{ID: "a"}, capture.Shard{ID: "a", End: events.PositionAt(9)}
	b := capture.Shard{ID: "b"}
	child := capture.Shard{ID: "c", Parent: "a"}
	grandchild := capture.Shard{ID: "g", Parent: "c"}
	gap := fact("a", 50*time.Second)
	gap.Gap = "lost"
	for name, c := range map[string]struct {
		stream  shards
		facts   facts
		behind  time.Duration // a minute after the beginning
		unbegun int
		gaps    int
		unknown string
	}{
		"a start that nobody has read from":                   {stream: shards{a}, facts: facts{start}, behind: time.Minute},
		"read lately":                                         {stream: shards{a}, facts: facts{fact("a", 58*time.Second)}, behind: 2 * time.Second},
		"of several the one that was read longest ago":        {stream: shards{a, b}, facts: facts{fact("a", 58*time.Second), fact("b", 20*time.Second)}, behind: 40 * time.Second},
		"a reader whose clock is ahead":                       {stream: shards{a}, facts: facts{fact("a", 61*time.Second)}, behind: 0},
		"a child that nobody reads, of a parent that is done": {stream: shards{closed, child}, facts: facts{done("a", 30*time.Second)}, behind: 30 * time.Second, unbegun: 1},
		"a child of a parent that is still read":              {stream: shards{closed, child}, facts: facts{fact("a", 50*time.Second)}, behind: 10 * time.Second, unbegun: 1},
		"a child that nobody reads, beside one that is":       {stream: shards{closed, child, b}, facts: facts{done("a", 30*time.Second), fact("b", 59*time.Second)}, behind: 30 * time.Second, unbegun: 1},
		"a grandchild counts from the last that is known":     {stream: shards{grandchild, closed, child}, facts: facts{done("a", 30*time.Second)}, behind: 30 * time.Second, unbegun: 2},
		"a child of a parent that was trimmed when done":      {stream: shards{child}, facts: facts{done("a", 30*time.Second)}, behind: 30 * time.Second, unbegun: 1},
		"a child of a parent closed before the migration":     {stream: shards{closed, child}, facts: facts{before}, behind: time.Minute, unbegun: 1},
		"a new root":                  {stream: shards{b}, behind: time.Minute, unbegun: 1},
		"done, and its child is read": {stream: shards{closed, child}, facts: facts{done("a", time.Second), fact("c", 59*time.Second)}, behind: time.Second},
		"nothing is open":             {stream: shards{closed}, facts: facts{done("a", time.Second)}, behind: never, unknown: "no shard that is open"},
		"an empty list":               {behind: never, unknown: "no shard that is open"},
		"a gap":                       {stream: shards{a, b}, facts: facts{gap, fact("b", 59*time.Second)}, behind: never, gaps: 1, unknown: "gap"},
		"a shard that is gone, and nobody has noticed": {stream: shards{b}, facts: facts{fact("a", 50*time.Second), fact("b", 59*time.Second)}, behind: never, gaps: 1, unknown: "gap"},
		"a child of what is gone and was never read":   {stream: shards{child, b}, facts: facts{fact("b", 59*time.Second)}, behind: never, unbegun: 1, gaps: 1, unknown: "gap"},
		"turned off, and nobody has noticed":           {stream: shards{{ID: "a", End: events.PositionAt(9), Last: true}}, facts: facts{done("a", 50*time.Second)}, behind: never, gaps: 1, unknown: "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			r := readingOf(t, apply.FromStream)
			r.stream, r.shards = c.stream, map[string]checkpoint.ShardFact{}
			for _, f := range c.facts {
				r.shards[f.Shard] = f
			}
			got := r.fold().Capture
			require.Len(t, got.Gaps, c.gaps)
			require.Equal(t, c.unbegun, got.Unbegun)
			if c.behind == never {
				require.Nil(t, got.BehindSeconds)
				require.Nil(t, got.RetentionLeftSeconds)
				require.Zero(t, got.Confirmed)
				require.Contains(t, got.Unknown, c.unknown)
				return
			}
			require.Empty(t, got.Unknown)
			require.NotNil(t, got.BehindSeconds)
			require.Equal(t, c.behind.Seconds(), *got.BehindSeconds)
			require.Equal(t, (retention - c.behind).Seconds(), *got.RetentionLeftSeconds)
		})
	}
}

// Partitions without an owner are those with work: parts of an open shard, of a segment that is not done, and all that is
// applied.
func TestFoldUnowned(t *testing.T) {
	r := readingOf(t, apply.FromStream)
	r.stream = []capture.Shard{{ID: "a"}, {ID: "e", Parent: "done"}, {ID: "done"}}
	r.shards = map[string]checkpoint.ShardFact{"done": {Generation: 1, Shard: "done", Done: true}}
	part := func(shard string) int { return events.PartitionOf([]byte(shard), 4) }
	require.NotEqual(t, part("a"), part("e"), "the test needs two parts")
	r.segments = []checkpoint.SegmentFact{{Generation: 1, Segment: 1, Total: 2, Done: true}}
	r.members["orders"] = []kafka.Member{
		{Holds: map[string][]int{"orders.live": {0, 1}}}, {Holds: map[string][]int{"orders.snapshot": {1}}},
	}
	r.members["orders.capture"] = []kafka.Member{{Holds: map[string][]int{"orders.work": {part("a")}}}}
	require.Equal(t, map[string][]string{
		"orders": {"orders.snapshot/0"}, "orders.capture": {events.TopicPartition{Topic: "orders.work", Partition: part("e")}.String()},
		"orders.snapshot": {"orders.work/0"},
	}, r.fold().Unowned)

	r.state.Closed = &checkpoint.Closed{Generation: 1}
	require.Empty(t, r.fold().Unowned["orders.snapshot"], "the snapshot is closed")
	r.state.Restarted = &checkpoint.Restarted{Generation: 2}
	require.Equal(t, []string{"orders.work/0"}, r.fold().Unowned["orders.snapshot"], "somebody has to look for the rows that vanished")
}

// A lag is what is published and not applied, of each partition alone.
func TestFoldApplied(t *testing.T) {
	r := readingOf(t, apply.FromApp)
	r.ends = map[string]map[int]int64{"orders.snapshot": {0: 10, 1: 20}, "orders.live": {0: 7, 1: 3}}
	fact := func(topic string, partition int, offset int64, gap string) checkpoint.AppliedFact {
		return checkpoint.AppliedFact{Topic: topic, Partition: partition, Offset: offset, Counts: checkpoint.Counts{Applied: offset}, Gap: gap}
	}
	r.applied = []checkpoint.AppliedFact{
		fact("orders.snapshot", 1, 15, ""), fact("orders.live", 0, 2, "records 2 to 4 are gone"), fact("orders.live", 1, 9, ""),
	}
	s := r.fold()
	require.EqualValues(t, 15, s.SnapshotLag, "of the partition without a fact nothing is applied")
	require.EqualValues(t, 5, s.LiveLag)
	require.EqualValues(t, 26, s.Counts.Applied)
	require.Equal(t, []string{
		"orders.live/0 at 2: records 2 to 4 are gone",
		"orders.live/1 ends at 3, and everything before 9 was applied: the brokers have lost acknowledged records",
	}, s.Stopped)
}
