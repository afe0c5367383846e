package checkpoint

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
)

// SegmentFact says that a segment is published, and acknowledged by Kafka, up to and including LastKey.
type SegmentFact struct {
	Generation uint32 `json:"generation"`
	Segment    int    `json:"segment"`
	Total      int    `json:"total"` // a last key belongs to one (segment, total) pair
	Pages      int64  `json:"pages"` // published from the segment's start
	Items      int64  `json:"items"`
	// LastKey is the scan's LastEvaluatedKey as DynamoDB JSON: where the next page starts. Null before the first page.
	LastKey json.RawMessage `json:"last_key,omitempty"`
	Done    bool            `json:"done,omitempty"`
}

// further orders facts about one segment. Each of them is true; the further one saves more work.
func (f SegmentFact) further(o SegmentFact) bool {
	return cmp.Or(cmp.Compare(f.Generation, o.Generation), boolCompare(f.Done, o.Done), cmp.Compare(f.Pages, o.Pages),
		cmp.Compare(f.Items, o.Items)) > 0
}

// supersedes reports whether facts that are no further may be erased. Nothing is further than done; before that, the other
// worker may be silent for as long as a page takes, and write a further one while its name is erased (invariant 6).
func (f SegmentFact) supersedes() bool { return f.Done }

func (f SegmentFact) settles() bool { return false }

// ShardFact says that a shard is published, and acknowledged by Kafka, up to and including Position.
type ShardFact struct {
	Generation uint32          `json:"generation"`
	Shard      string          `json:"shard"`
	Parent     string          `json:"parent,omitempty"`
	Start      events.Position `json:"start,omitempty"`    // the shard's first sequence number, as the stream described it
	Position   events.Position `json:"position,omitempty"` // empty: nothing published yet
	Records    int64           `json:"records"`            // published from the start
	Done       bool            `json:"done,omitempty"`     // the shard is closed and published to its end
	// Before marks a shard that was closed when the migration was created: never read, and not a gap.
	Before bool `json:"before,omitempty"`
	// Gap, when not empty, says what the stream lost; capture of this shard has stopped (invariant 4).
	Gap string `json:"gap,omitempty"`
	// Stopped, when not empty, says why capture could not get past Position. Unlike a gap it forbids nothing: the shard is
	// tried again, by a newer build too, and whoever gets further leaves it behind.
	Stopped string `json:"stopped,omitempty"`
	// Confirmed is the moment before which every change of the shard is published: when a read of it last returned nothing
	// more, by the capture's clock, or the time of the last change that one returned, if that is later. A done shard keeps
	// it: its children began no earlier. Behind is the age of what was returned.
	Confirmed time.Time     `json:"confirmed,omitzero"`
	Behind    time.Duration `json:"behind,omitempty"`
}

// further orders facts about one shard by what is published; with equal progress a gap stays, then what
// stopped it, and else the one confirmed later counts. Of two creates at once, one may have seen the shard open and the
// other closed: then it is read, for the earlier one may have been the start.
func (f ShardFact) further(o ShardFact) bool {
	return cmp.Or(cmp.Compare(f.Generation, o.Generation), boolCompare(o.Before, f.Before), boolCompare(f.Done, o.Done),
		cmp.Compare(f.Position, o.Position), boolCompare(f.Gap != "", o.Gap != ""), boolCompare(f.Stopped != "", o.Stopped != ""),
		f.Confirmed.Compare(o.Confirmed)) > 0
}

// AppliedFact says that every record of a partition below Offset is durable in the new table or in the dlq. The brokers
// forget the committed offsets of a group that has had no member for offsets.retention.minutes, 7 days by default, and
// anybody may set them elsewhere; this is what workers go on from and what the sweep relies on (invariant 11).
// https://kafka.apache.org/documentation/#brokerconfigs_offsets.retention.minutes
type AppliedFact struct {
	Epoch     int    `json:"epoch"` // of replays: State.Epoch
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Counts    Counts `json:"counts,omitzero"`
	// Gap, when not empty, says why applying the partition has stopped here: what it has lost (invariant 4), or which record
	// the dlq refuses (9). That one each worker tries again; a fact that is further takes it away.
	Gap string `json:"gap,omitempty"`
	// Lost says that the gap is a loss: in this epoch the partition is never fetched further, whatever its log holds by then.
	Lost bool `json:"lost,omitempty"`
}

// further orders facts about one partition by what is applied; with equal progress a loss stays, and a gap.
func (f AppliedFact) further(o AppliedFact) bool {
	return cmp.Or(cmp.Compare(f.Epoch, o.Epoch), cmp.Compare(f.Offset, o.Offset), boolCompare(f.Lost, o.Lost), boolCompare(f.Gap != "", o.Gap != "")) > 0
}

// supersedes reports whether facts that are no further may be erased: whoever reads a shard confirms it every few seconds,
// and one that is silent for longer has stopped.
func (f ShardFact) supersedes() bool { return true }

func (f ShardFact) settles() bool { return false }

// supersedes reports whether facts that are no further may be erased: each follows a commit that the brokers have accepted,
// and they accept none from who is no member any more.
func (f AppliedFact) supersedes() bool { return true }

// settles reports that only a writer may erase which has had its assignment for a grace: an owner may be silent for as long
// as nothing is to be applied, and its last fact may arrive while the next one begins.
func (f AppliedFact) settles() bool { return true }

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// Written is a fact under the key that names its writer.
type Written[F any] struct {
	Fact F
	At   time.Time // when this process learned of it: no other clock is asked
}

// further is what two facts about one subject have in common.
type further[F any] interface {
	further(o F) bool
	supersedes() bool
	settles() bool
}

// Furthest returns the furthest of the facts about one subject, by writer.
//
// Invariant 6: a late write of a stale worker is one more true statement, and changes nothing.
func Furthest[F further[F]](facts map[string]Written[F]) (best F, ok bool) {
	for _, w := range facts {
		if !ok || w.Fact.further(best) {
			best, ok = w.Fact, true
		}
	}
	return best, ok
}

// Superseded lists the other writers whose facts about one subject may be erased, now that ours is durable. Three things
// must hold: ours is as far; the other has not written since before; and of a segment, ours is its end. A name is used for
// one assignment only, whose owner confirms a shard more often than that or has lost it; one that was frozen for longer
// stops by itself before it writes again: so nothing further than ours can arrive before the erasure and be lost by
// it (invariant 6).
func Superseded[F further[F]](writer string, ours F, facts map[string]Written[F], before time.Time) []string {
	if !ours.supersedes() {
		return nil
	}
	var erase []string
	for other, w := range facts {
		if other == writer || w.Fact.further(ours) || w.At.After(before) {
			continue // kept: a fact too many is harmless
		}
		erase = append(erase, other)
	}
	slices.Sort(erase)
	return erase
}
