package checkpoint

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Facts is one worker's view of the facts log, and writes that worker's own. Safe for concurrent use.
type Facts struct {
	log     Log
	formats formats
	writer  string                    // unique to this process
	turn    atomic.Int64              // distinguishes the names under which this process writes
	renewed atomic.Pointer[time.Time] // when it took the last of them; nil for the first
	stale   time.Duration             // how old another writer's fact must be before it may be cleared
	writing chan struct{}             // holds one token: appends of this writer are one after the other

	reading chan struct{} // holds one token, which guards next
	next    int64
	read    atomic.Pointer[time.Time] // when the last reading began; nil before the first

	mu       sync.Mutex                                 // held across no I/O
	segments map[string]map[string]Written[SegmentFact] // by subject, by writer
	shards   map[string]map[string]Written[ShardFact]
	applied  map[string]map[string]Written[AppliedFact]
	workers  map[string]map[string]Written[WorkerFact]
}

// NewFacts returns a view that is empty until Refresh. The writer's name must belong to this process alone,
// for ever: a name used twice would let one process erase what the other knows. stale is the migration's grace.
func NewFacts(log Log, writer string, stale time.Duration) *Facts {
	return &Facts{
		log: log, formats: factFormats, writer: writer, stale: stale, writing: make(chan struct{}, 1), reading: make(chan struct{}, 1),
		segments: map[string]map[string]Written[SegmentFact]{},
		shards:   map[string]map[string]Written[ShardFact]{},
		applied:  map[string]map[string]Written[AppliedFact]{},
		workers:  map[string]map[string]Written[WorkerFact]{},
	}
}

// Renew lets this process write under a name that it has not used before. A worker calls it when it begins an
// assignment: another owner may be about to clear what was written during an earlier one.
func (f *Facts) Renew() {
	f.turn.Add(1)
	f.renewed.Store(new(time.Now()))
}

func (f *Facts) name() string { return f.writer + "." + strconv.FormatInt(f.turn.Load(), 10) }

// Refresh reads what has been appended since the last time.
func (f *Facts) Refresh(ctx context.Context) error {
	select {
	case f.reading <- struct{}{}:
		defer func() { <-f.reading }()
	case <-ctx.Done():
		return fmt.Errorf("read facts: %w", context.Cause(ctx))
	}
	began := time.Now()
	next, err := f.log.Read(ctx, f.next, func(e Entry) error {
		if err := f.fold(e); err != nil {
			return err
		}
		f.next = e.Offset + 1
		return nil
	})
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	f.next = next
	f.read.Store(&began)
	return nil
}

// Age is how long ago the view was the log's: when the last Refresh that succeeded began. Before the first it is as
// long as it can be.
func (f *Facts) Age() time.Duration {
	began := f.read.Load()
	if began == nil {
		return math.MaxInt64
	}
	return since(*began)
}

// factFormats are the kinds of fact that this build knows: what the subject of their keys begins with.
var factFormats = formats{"segment": {number: 1}, "shard": {number: 1}, "applied": {number: 1}, "worker": {number: 1}}

// kindOfSubject is what the subject of a key begins with.
func kindOfSubject(subject string) string {
	kind, _, _ := strings.Cut(subject, "/")
	return kind
}

// fold takes one entry into the view. A fact that this build cannot read stops the worker, unless the fact itself says that
// it may be left out: without it a capture could start too early or a scan too late (invariant 6).
func (f *Facts) fold(e Entry) error {
	subject, writer, ok := strings.Cut(string(e.Key), "@")
	if !ok {
		return fmt.Errorf("fact at offset %d: key %q names no writer", e.Offset, e.Key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch kindOfSubject(subject) {
	case "segment":
		return foldFact(f.formats, f.segments, subject, writer, e, SegmentFact.subject)
	case "shard":
		return foldFact(f.formats, f.shards, subject, writer, e, ShardFact.subject)
	case "applied":
		return foldFact(f.formats, f.applied, subject, writer, e, AppliedFact.subject)
	case "worker":
		return foldFact(f.formats, f.workers, subject, writer, e, WorkerFact.subject)
	default:
		return unknownFact(f.formats, subject, writer, e)
	}
}

// unknownFact takes a fact of a kind that this build does not know, which leaves nothing in the view. Its erasure says nothing
// about what it was: what a build had to know it has read before, and stopped.
func unknownFact(known formats, subject, writer string, e Entry) error {
	if e.Value == nil {
		return nil
	}
	if _, err := known.decodeFact(kindOfSubject(subject), e.Value, &struct{}{}); err != nil {
		return fmt.Errorf("fact %s@%s at offset %d: %w", subject, writer, e.Offset, err)
	}
	return nil
}

func foldFact[F further[F]](
	known formats, facts map[string]map[string]Written[F], subject, writer string, e Entry, subjectOf func(F) string,
) error {
	if e.Value == nil {
		delete(facts[subject], writer)
		return nil
	}
	var fact F
	read, err := known.decodeFact(kindOfSubject(subject), e.Value, &fact)
	if err != nil {
		return fmt.Errorf("fact %s@%s at offset %d: %w", subject, writer, e.Offset, err)
	}
	if !read {
		return nil // it says that older builds may go on without it
	}
	if about := subjectOf(fact); about != subject {
		return fmt.Errorf("fact %s@%s at offset %d: it is about %s", subject, writer, e.Offset, about)
	}
	if facts[subject] == nil {
		facts[subject] = map[string]Written[F]{}
	}
	// Invariant 6: the view may hold a further one already, put there by a write that a reading of older entries
	// overlapped.
	if known, ok := facts[subject][writer]; ok && known.Fact.further(fact) {
		fact = known.Fact
	}
	facts[subject][writer] = Written[F]{fact, time.Now()}
	return nil
}

// Segment returns the furthest fact about a segment in this generation; false when there is none.
func (f *Facts) Segment(generation uint32, segment, total int) (SegmentFact, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Furthest(f.segments[segmentSubject(generation, segment, total)])
}

// Segments returns the furthest fact of every segment of a generation that has one.
func (f *Facts) Segments(generation uint32) []SegmentFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []SegmentFact
	for _, facts := range f.segments {
		if best, ok := Furthest(facts); ok && best.Generation == generation {
			all = append(all, best)
		}
	}
	return all
}

// Shard returns the furthest fact about a shard in this generation; false when there is none.
func (f *Facts) Shard(generation uint32, id string) (ShardFact, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Furthest(f.shards[shardSubject(generation, id)])
}

// Shards returns the furthest fact of every shard known, by the shard's id.
func (f *Facts) Shards(generation uint32) map[string]ShardFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]ShardFact, len(f.shards))
	for _, facts := range f.shards {
		if best, ok := Furthest(facts); ok && best.Generation == generation {
			all[best.Shard] = best
		}
	}
	return all
}

// Applied returns the furthest fact of every partition of an epoch that has one. Where there is none, nothing of the
// partition has been applied in the epoch: the facts log is complete, as its topic's identity and settings say.
func (f *Facts) Applied(epoch int) []AppliedFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []AppliedFact
	for _, facts := range f.applied {
		if best, ok := Furthest(facts); ok && best.Epoch == epoch {
			all = append(all, best)
		}
	}
	return all
}

// Progress says of each subject that is published or applied in part, or was found to have a gap, that it is, in words; so
// it is empty when there is no fact but the start of capture, of whatever generation.
func (f *Facts) Progress() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for subject, facts := range f.segments {
		if _, ok := Furthest(facts); ok {
			all = append(all, "there is a fact about "+subject)
		}
	}
	for subject, facts := range f.shards {
		best, ok := Furthest(facts)
		if ok && (best.Records > 0 || best.Position != "" || best.Done || best.Gap != "") {
			all = append(all, "there is a fact about "+subject+" that is more than its start")
		}
	}
	for subject, facts := range f.applied {
		if _, ok := Furthest(facts); ok {
			all = append(all, "there is a fact about "+subject)
		}
	}
	slices.Sort(all)
	return all
}

// WriteSegments appends facts of this writer; it returns once they are durable and in the view.
func (f *Facts) WriteSegments(ctx context.Context, facts ...SegmentFact) error {
	return writeFacts(ctx, f, f.segments, facts, SegmentFact.subject)
}

// WriteShards appends facts of this writer; it returns once they are durable and in the view.
func (f *Facts) WriteShards(ctx context.Context, facts ...ShardFact) error {
	return writeFacts(ctx, f, f.shards, facts, ShardFact.subject)
}

// WriteApplied appends facts of this writer; it returns once they are durable and in the view.
func (f *Facts) WriteApplied(ctx context.Context, facts ...AppliedFact) error {
	return writeFacts(ctx, f, f.applied, facts, AppliedFact.subject)
}

func (f SegmentFact) subject() string { return segmentSubject(f.Generation, f.Segment, f.Total) }

func (f ShardFact) subject() string {
	return shardSubject(f.Generation, f.Shard)
}

// A topic's name holds neither a slash nor an @.
// https://kafka.apache.org/documentation/#topicconfigs
func (f AppliedFact) subject() string {
	return fmt.Sprintf("applied/%d/%s/%d", f.Epoch, f.Topic, f.Partition)
}

func shardSubject(generation uint32, shard string) string {
	return fmt.Sprintf("shard/%d/%s", generation, shard)
}

func segmentSubject(generation uint32, segment, total int) string {
	return fmt.Sprintf("segment/%d/%d/%d", generation, total, segment)
}

func writeFacts[F further[F]](
	ctx context.Context, f *Facts, view map[string]map[string]Written[F], facts []F, subject func(F) string,
) error {
	if len(facts) == 0 {
		return nil
	}
	select {
	case f.writing <- struct{}{}:
		defer func() { <-f.writing }()
	case <-ctx.Done():
		return fmt.Errorf("write facts: %w", context.Cause(ctx))
	}
	name := f.name()
	facts = advancing(f, view, facts, subject, name)
	if len(facts) == 0 {
		return nil
	}
	entries := make([]Entry, 0, len(facts))
	for _, fact := range facts {
		value, err := f.formats.encodeFact(kindOfSubject(subject(fact)), fact)
		if err != nil {
			return fmt.Errorf("encode fact %s: %w", subject(fact), err)
		}
		entries = append(entries, Entry{Key: []byte(subject(fact) + "@" + name), Value: value})
	}
	if err := f.log.Append(ctx, entries...); err != nil {
		// Invariant 6: what failed may arrive later than what is written next. Under the same name it would replace it.
		f.Renew()
		return fmt.Errorf("write facts: %w", err)
	}
	note(f, view, facts, subject, name)
	return clearSuperseded(ctx, f, view, facts, subject, name)
}

// advancing keeps the facts that are further than what this writer has said already under this name. A key holds one
// fact, so a late goroutine's shorter one would replace a further one (invariant 6); what it says is true already, so
// leaving it out loses nothing.
func advancing[F further[F]](
	f *Facts, view map[string]map[string]Written[F], facts []F, subject func(F) string, name string,
) []F {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keep []F
	for _, fact := range facts {
		if mine, ok := view[subject(fact)][name]; !ok || fact.further(mine.Fact) {
			keep = append(keep, fact)
		}
	}
	return keep
}

// note takes durable facts of this writer into the view.
func note[F any](f *Facts, view map[string]map[string]Written[F], facts []F, subject func(F) string, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, fact := range facts {
		s := subject(fact)
		if view[s] == nil {
			view[s] = map[string]Written[F]{}
		}
		view[s][name] = Written[F]{fact, now}
	}
}

// clearSuperseded erases what these facts, durable now, have made superfluous.
func clearSuperseded[F further[F]](
	ctx context.Context, f *Facts, view map[string]map[string]Written[F], facts []F, subject func(F) string, name string,
) error {
	list := func() (erase []Entry) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, fact := range facts {
			if begun := f.renewed.Load(); fact.settles() && begun != nil && since(*begun) <= f.stale {
				continue // a fact too many is harmless
			}
			s := subject(fact)
			for _, other := range Superseded(name, fact, view[s], time.Now().Add(-f.stale)) {
				erase = append(erase, Entry{Key: []byte(s + "@" + other)})
			}
		}
		return erase
	}
	if len(list()) == 0 {
		return nil
	}
	if err := f.Refresh(ctx); err != nil { // the others may have written since
		return fmt.Errorf("clear superseded facts: %w", err)
	}
	erase := list()
	if len(erase) == 0 {
		return nil
	}
	if err := f.log.Append(ctx, erase...); err != nil {
		return fmt.Errorf("clear superseded facts: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range erase {
		s, writer, _ := strings.Cut(string(e.Key), "@")
		delete(view[s], writer)
	}
	return nil
}
