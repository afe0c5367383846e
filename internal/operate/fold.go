package operate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// retention is how long DynamoDB keeps a stream record.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const retention = 24 * time.Hour

// fold makes a status of what was read, without the verdict and without rates. It is pure.
func (r *reading) fold() *Status {
	s := &Status{
		Name: r.config.Name, Phase: r.state.Phase(), From: r.from(), At: r.at, Generation: r.state.Generation(), Began: r.state.Began,
		Swept: r.state.Removed, DeadLetters: r.dead, Expiry: r.expiry,
		Members: map[string][]Member{}, Workers: foldWorkers(r.workers), TopicProblems: append([]string{}, r.unknown...),
	}
	if r.topicErr != nil {
		s.TopicProblems = append([]string{r.topicErr.Error()}, s.TopicProblems...)
		s.TopicsRefused = fault.Of(r.topicErr) != fault.Retry || errors.Is(r.topicErr, kafka.ErrTopicMissing)
	}
	for group, members := range r.members {
		s.Members[group] = foldMembers(members, r.workers)
	}
	s.Unowned = r.unowned()
	r.foldSnapshot(s)
	r.foldApplied(s)
	if s.From == apply.FromStream {
		s.Capture = r.foldCapture()
		if len(gapsOf(r.shards)) > 0 {
			s.Restart = assembly.RestartCommand(r.config)
		}
	}
	s.Marking = r.foldMarking()
	return s
}

func (r *reading) foldSnapshot(s *Status) {
	s.Segments.Total, s.Rows.Total = int64(r.state.Created.Segments), r.state.EstimatedItems()
	for _, f := range r.segments {
		s.Rows.Done += f.Items
		if f.Done {
			s.Segments.Done++
		}
	}
}

// foldApplied counts what is published and not applied. A partition that is applied beyond its end takes nothing from the
// others' lag: its records are gone.
func (r *reading) foldApplied(s *Status) {
	s.Stopped = []string{}
	applied := map[events.TopicPartition]int64{}
	var counts checkpoint.Counts
	for _, f := range r.applied {
		id := events.TopicPartition{Topic: f.Topic, Partition: f.Partition}
		applied[id], counts = f.Offset, counts.Add(f.Counts)
		switch end, known := r.ends[id.Topic][id.Partition]; {
		case f.Gap != "":
			s.Stopped = append(s.Stopped, fmt.Sprintf("%s at %d: %s", id, f.Offset, f.Gap))
		case known && end < f.Offset:
			s.Stopped = append(s.Stopped, fmt.Sprintf("%s ends at %d, and everything before %d was applied: the brokers have lost acknowledged records", id, end, f.Offset))
		}
	}
	slices.Sort(s.Stopped)
	lag := func(topic string) (total int64) {
		for partition, end := range r.ends[topic] {
			total += max(0, end-applied[events.TopicPartition{Topic: topic, Partition: partition}])
		}
		return total
	}
	s.SnapshotLag, s.LiveLag, s.Counts = lag(r.topics.Snapshot), lag(r.topics.Live), Counts(counts)
}

// foldMarking leaves the grace out: of that only the process that searches knows, for it counts it on its own clock.
func (r *reading) foldMarking() *Marking {
	switch {
	case !r.state.Searches():
		return nil
	case r.state.Marked != nil:
		return &Marking{Done: true, Marked: r.state.Marked.Marked, Kept: r.state.Marked.Kept}
	}
	committed := map[int]int64{}
	for _, f := range r.applied {
		if f.Topic == r.topics.Snapshot {
			committed[f.Partition] = f.Offset
		}
	}
	unmet := snapshot.Unmet(r.state, committed, r.config.Grace, r.config.Grace)
	return &Marking{Waiting: unmet, Searching: len(r.members[assembly.SnapshotRole.Group(r.config.Name)]) > 0}
}

// foldCapture counts from the oldest moment before which every shard that the stream has is known to be captured: also one
// that nobody has begun to read, and one whose reader is gone.
func (r *reading) foldCapture() *Capture {
	c := &Capture{Gaps: append([]string{}, gapsOf(r.shards)...), Stopped: append([]string{}, stoppedOf(r.shards)...)}
	var highest events.Position
	for _, f := range r.shards {
		c.Records += f.Records
		highest = max(highest, f.Position)
	}
	c.Position = highest.Number()
	if r.streamErr != nil {
		c.Unknown = fmt.Sprintf("the stream could not be asked for its shards: %v", r.streamErr)
		return c
	}
	_, gaps := capture.Plan(r.stream, r.shards, r.state.Generation())
	if c.Gaps = []string{}; len(gaps) > 0 {
		for _, gap := range gaps {
			c.Gaps = append(c.Gaps, gap.Gap)
		}
		c.Unknown = "the stream has a gap"
	}
	for _, s := range r.stream {
		r.foldShard(c, s)
	}
	switch {
	case c.Unknown != "":
		c.Confirmed = time.Time{}
	case c.Confirmed.IsZero():
		c.Unknown = "the stream lists no shard that is open"
	default:
		behind := max(0, r.at.Sub(c.Confirmed))
		c.BehindSeconds = new(behind.Seconds())
		c.RetentionLeftSeconds = new(max(0, retention-behind).Seconds())
	}
	return c
}

// foldShard takes one shard that the stream lists into the capture.
func (r *reading) foldShard(c *Capture, s capture.Shard) {
	fact, known := r.shards[s.ID]
	if known && (fact.Done || fact.Before) {
		return // nothing more to come from it
	}
	c.Shards++
	switch {
	case !known:
		c.Unbegun++
	case !fact.Confirmed.IsZero():
		c.Reading++
	}
	until, why := r.capturedUntil(s)
	if why != "" {
		c.Unknown = cmp.Or(c.Unknown, why)
		return
	}
	if c.Confirmed.IsZero() || until.Before(c.Confirmed) {
		c.Confirmed = until
	}
}

// capturedUntil is the moment before which no change of a shard is missing; why says that it is unknown. A shard that nobody
// has begun to read began no earlier than the last moment at which its parent was known to be read; and nothing that was
// written before the generation began is captured, for the snapshot holds it.
func (r *reading) capturedUntil(s capture.Shard) (until time.Time, why string) {
	listed := make(map[string]capture.Shard, len(r.stream))
	for _, s := range r.stream {
		listed[s.ID] = s
	}
	for id, steps := s.ID, 0; steps <= len(listed); steps++ {
		if fact, known := r.shards[id]; known {
			return r.confirmed(fact)
		}
		at, ok := listed[id]
		if !ok {
			return time.Time{}, fmt.Sprintf("shard %s begins after shard %s, which the stream no longer has and which was never read", s.ID, id)
		}
		if at.Parent == "" {
			return r.confirmed(checkpoint.ShardFact{Shard: id})
		}
		id = at.Parent
	}
	return time.Time{}, fmt.Sprintf("the parents of shard %s have no beginning", s.ID)
}

// confirmed is what a fact says of the moment before which its shard is captured: without a confirmation that is when the
// generation began.
func (r *reading) confirmed(fact checkpoint.ShardFact) (until time.Time, why string) {
	switch {
	case fact.Gap != "":
		return time.Time{}, "the stream has a gap"
	case !fact.Confirmed.IsZero():
		return fact.Confirmed, ""
	case r.state.Began.IsZero():
		return time.Time{}, "nobody knows when the generation began"
	}
	return r.state.Began, ""
}

// unowned are the partitions with work that no member holds, by group. A group without members is in it too.
func (r *reading) unowned() map[string][]string {
	unowned := map[string][]string{}
	for role, topics := range r.work() {
		group := role.Group(r.config.Name)
		unowned[group] = []string{}
		for topic, partitions := range topics {
			held := heldBy(r.members[group], topic)
			for partition := range partitions {
				if !held[partition] {
					unowned[group] = append(unowned[group], events.TopicPartition{Topic: topic, Partition: partition}.String())
				}
			}
		}
		slices.SortFunc(unowned[group], func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	}
	return unowned
}

// work is the partitions for which there is something to do, by role and topic: for who applies all of them; for capture the
// parts with a shard that is open; for the snapshot the parts with a segment that is not done, and the one of the search for
// vanished rows.
func (r *reading) work() map[assembly.Role]map[string]map[int]bool {
	created := r.state.Created
	snapshots, captures, applies := map[int]bool{}, map[int]bool{}, map[int]bool{}
	switch r.state.Phase() {
	case checkpoint.Copying:
		done := map[int]bool{}
		for _, f := range r.segments {
			done[f.Segment] = f.Done
		}
		for segment := range created.Segments {
			if !done[segment] {
				snapshots[segment%created.WorkPartitions] = true
			}
		}
	case checkpoint.Marking:
		snapshots[assembly.SearchPartition] = true
	case checkpoint.NotCreated, checkpoint.Streaming:
	}
	for _, s := range r.stream {
		if fact := r.shards[s.ID]; !fact.Done && !fact.Before {
			captures[events.PartitionOf([]byte(s.ID), created.WorkPartitions)] = true
		}
	}
	for partition := range created.Partitions {
		applies[partition] = true
	}
	applied := map[string]map[int]bool{r.topics.Snapshot: applies}
	if r.from() != apply.FromNone {
		applied[r.topics.Live] = applies
	}
	return map[assembly.Role]map[string]map[int]bool{
		assembly.SnapshotRole: {r.topics.Work: snapshots}, assembly.CaptureRole: {r.topics.Work: captures}, assembly.ApplyRole: applied,
	}
}

func heldBy(members []kafka.Member, topic string) map[int]bool {
	held := map[int]bool{}
	for _, m := range members {
		for _, partition := range m.Holds[topic] {
			held[partition] = true
		}
	}
	return held
}

func foldMembers(members []kafka.Member, workers map[string]checkpoint.WorkerFact) []Member {
	all := make([]Member, len(members))
	for i, m := range members {
		all[i] = Member{Process: m.Client, Host: m.Host, Build: workers[m.Client].Build, Partitions: m.Partitions}
	}
	return all
}

func foldWorkers(facts map[string]checkpoint.WorkerFact) []Worker {
	all := make([]Worker, 0, len(facts))
	for _, process := range slices.Sorted(maps.Keys(facts)) {
		f := facts[process]
		all = append(all, Worker{
			Process: f.Process, Roles: f.Roles, Build: f.Build, Started: f.Started, Confirmed: f.Confirmed, Ended: f.Ended, Error: f.Error,
		})
	}
	slices.SortStableFunc(all, func(a, b Worker) int { return b.heard().Compare(a.heard()) })
	return all
}

// stoppedOf says which shards have stopped without a gap, in words.
func stoppedOf(shards map[string]checkpoint.ShardFact) (stopped []string) {
	for _, fact := range shards {
		if fact.Gap == "" && fact.Stopped != "" {
			stopped = append(stopped, fact.Stopped)
		}
	}
	slices.Sort(stopped)
	return stopped
}

// gapsOf are the gaps that these facts tell of, in words.
func gapsOf(shards map[string]checkpoint.ShardFact) (gaps []string) {
	for _, fact := range shards {
		if fact.Gap != "" {
			gaps = append(gaps, fact.Gap)
		}
	}
	slices.Sort(gaps)
	return gaps
}
