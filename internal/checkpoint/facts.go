package checkpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
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
	// Confirmed is when a read of the shard last returned everything after Position; behind is the age of what it returned.
	Confirmed time.Time     `json:"confirmed,omitzero"`
	Behind    time.Duration `json:"behind,omitempty"`
}

// further orders facts about one shard by what is published; with equal progress the one confirmed later.
func (f ShardFact) further(o ShardFact) bool {
	return cmp.Or(cmp.Compare(f.Generation, o.Generation), boolCompare(f.Done, o.Done), cmp.Compare(f.Position, o.Position),
		f.Confirmed.Compare(o.Confirmed)) > 0
}

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

// written is a fact under the key that names its writer.
type written[F any] struct {
	fact F
	at   time.Time // the log's time
}

// Facts is one worker's view of the facts log, and its pen. Safe for concurrent use.
type Facts struct {
	log    Log
	writer string        // unique to this process
	stale  time.Duration // how old another writer's fact must be before it may be cleared
	pen    chan struct{} // holds one token: appends of this writer are one after the other

	mu       sync.Mutex
	next     int64
	segments map[string]map[string]written[SegmentFact] // by subject, by writer
	shards   map[string]map[string]written[ShardFact]
}

// NewFacts returns a view that is empty until Refresh. The writer's name must belong to this process alone,
// for ever: a name used twice would let one process erase what the other knows. stale is the migration's grace.
func NewFacts(log Log, writer string, stale time.Duration) *Facts {
	return &Facts{
		log: log, writer: writer, stale: stale, pen: make(chan struct{}, 1),
		segments: map[string]map[string]written[SegmentFact]{},
		shards:   map[string]map[string]written[ShardFact]{},
	}
}

// Refresh reads what has been appended since the last time.
func (f *Facts) Refresh(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next, err := f.log.Read(ctx, f.next, f.fold)
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	f.next = next
	return nil
}

// fold takes one entry into the view. An entry that cannot be read stops the worker: skipping it could
// make a capture start too early or a scan too late (invariant 6).
func (f *Facts) fold(e Entry) error {
	f.next = e.Offset + 1
	subject, writer, ok := strings.Cut(string(e.Key), "@")
	if !ok {
		return fmt.Errorf("fact at offset %d: key %q names no writer", e.Offset, e.Key)
	}
	switch {
	case strings.HasPrefix(subject, "segment/"):
		return foldFact(f.segments, subject, writer, e)
	case strings.HasPrefix(subject, "shard/"):
		return foldFact(f.shards, subject, writer, e)
	}
	return fmt.Errorf("fact at offset %d: unknown kind of key %q", e.Offset, e.Key)
}

func foldFact[F any](facts map[string]map[string]written[F], subject, writer string, e Entry) error {
	if e.Value == nil {
		delete(facts[subject], writer)
		return nil
	}
	var fact F
	dec := json.NewDecoder(bytes.NewReader(e.Value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&fact); err != nil {
		return fmt.Errorf("fact %s@%s at offset %d: %w", subject, writer, e.Offset, err)
	}
	if facts[subject] == nil {
		facts[subject] = map[string]written[F]{}
	}
	facts[subject][writer] = written[F]{fact, e.Time}
	return nil
}

// merge returns the furthest of the facts about one subject.
//
// Invariant 6: a late write of a stale worker is one more true statement, and changes nothing.
func merge[F interface{ further(F) bool }](facts map[string]written[F]) (best F, ok bool) {
	for _, w := range facts {
		if !ok || w.fact.further(best) {
			best, ok = w.fact, true
		}
	}
	return best, ok
}

// Segment returns the furthest fact about a segment in this generation; false when there is none.
func (f *Facts) Segment(generation uint32, segment, total int) (SegmentFact, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	best, ok := merge(f.segments[segmentSubject(generation, segment, total)])
	return best, ok
}

// Segments returns the furthest fact of every segment of a generation that has one.
func (f *Facts) Segments(generation uint32) []SegmentFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []SegmentFact
	for _, facts := range f.segments {
		if best, ok := merge(facts); ok && best.Generation == generation {
			all = append(all, best)
		}
	}
	return all
}

// Shards returns the furthest fact of every shard known, by the shard's id.
func (f *Facts) Shards(generation uint32) map[string]ShardFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]ShardFact, len(f.shards))
	for _, facts := range f.shards {
		if best, ok := merge(facts); ok && best.Generation == generation {
			all[best.Shard] = best
		}
	}
	return all
}

// WriteSegments appends facts of this writer; it returns once they are durable and in the view.
func (f *Facts) WriteSegments(ctx context.Context, facts ...SegmentFact) error {
	return writeFacts(ctx, f, f.segments, facts, func(s SegmentFact) string {
		return segmentSubject(s.Generation, s.Segment, s.Total)
	})
}

// WriteShards appends facts of this writer; it returns once they are durable and in the view.
func (f *Facts) WriteShards(ctx context.Context, facts ...ShardFact) error {
	return writeFacts(ctx, f, f.shards, facts, func(s ShardFact) string {
		return "shard/" + strconv.Itoa(int(s.Generation)) + "/" + s.Shard
	})
}

func segmentSubject(generation uint32, segment, total int) string {
	return fmt.Sprintf("segment/%d/%d/%d", generation, total, segment)
}

func writeFacts[F interface{ further(F) bool }](
	ctx context.Context, f *Facts, view map[string]map[string]written[F], facts []F, subject func(F) string,
) error {
	if len(facts) == 0 {
		return nil
	}
	select {
	case f.pen <- struct{}{}:
		defer func() { <-f.pen }()
	case <-ctx.Done():
		return fmt.Errorf("write facts: %w", context.Cause(ctx))
	}
	facts = advancing(f, view, facts, subject)
	if len(facts) == 0 {
		return nil
	}
	entries := make([]Entry, 0, len(facts))
	for _, fact := range facts {
		value, err := json.Marshal(fact)
		if err != nil {
			return fmt.Errorf("encode fact %s: %w", subject(fact), err)
		}
		entries = append(entries, Entry{Key: []byte(subject(fact) + "@" + f.writer), Value: value})
	}
	if err := f.log.Append(ctx, entries...); err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	now := time.Now()
	f.mu.Lock()
	var clear []Entry
	for _, fact := range facts {
		s := subject(fact)
		if view[s] == nil {
			view[s] = map[string]written[F]{}
		}
		view[s][f.writer] = written[F]{fact, now}
		clear = append(clear, superseded(s, f.writer, fact, view[s], now.Add(-f.stale))...)
	}
	f.mu.Unlock()
	if len(clear) == 0 {
		return nil
	}
	if err := f.log.Append(ctx, clear...); err != nil {
		return fmt.Errorf("clear superseded facts: %w", err)
	}
	return nil
}

// advancing keeps the facts that are further than what this writer has said already. A key holds one fact of a
// writer, so a late goroutine's shorter one would replace a further one (invariant 6); what it says is true
// already, so leaving it out loses nothing.
func advancing[F interface{ further(F) bool }](
	f *Facts, view map[string]map[string]written[F], facts []F, subject func(F) string,
) []F {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keep []F
	for _, fact := range facts {
		if mine, ok := view[subject(fact)][f.writer]; !ok || fact.further(mine.fact) {
			keep = append(keep, fact)
		}
	}
	return keep
}

// superseded lists the erasures of other writers' facts about one subject. Two things must hold: ours, now
// durable, is as far; and the other has not written since before. A writer that still lives writes more often
// than that, and one that was frozen for longer stops by itself before it writes again: so nothing further
// than ours can arrive before the erasure and be lost by it (invariant 6).
func superseded[F interface{ further(F) bool }](subject, writer string, ours F, facts map[string]written[F], before time.Time) []Entry {
	var clear []Entry
	for other, w := range facts {
		if other == writer || w.fact.further(ours) || w.at.After(before) {
			continue // kept: a fact too many is harmless
		}
		clear = append(clear, Entry{Key: []byte(subject + "@" + other)})
	}
	return clear
}
