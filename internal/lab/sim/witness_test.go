package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// witness sees everything that is durable, and nothing else: the streams of both tables, the topics, the committed
// offsets and the facts. It keeps what it has seen, so that it notices what must never happen between two looks.
type witness struct {
	world *world
	old   *tape // changes of the old table
	new   *tape // changes of the new table: every write that took effect

	ledger    map[events.Key]*entry
	records   map[events.TopicPartition][]events.Record // as read so far
	checked   map[events.TopicPartition]int             // how many of them are known to be durable downstream
	published map[string]bool                           // key and version of every record of .live
	segments  map[int]checkpoint.SegmentFact            // the furthest that a fresh reader has seen
	shards    map[string]checkpoint.ShardFact

	epoch     int                             // of replays
	frontiers map[events.TopicPartition]int64 // how far the partitions were applied in it, as a fresh reader has seen

	generation uint32             // whose facts these are
	closed     []checkpoint.State // of the generations before, at their ends
	latest     checkpoint.State
	updated    map[string]bool // markers that the application updates in the new table, which keeps their versions
	replaying  bool            // everything is applied again: a swept row may come and go until that is done
}

// entry is the history of one key in the new table.
type entry struct {
	highest events.Version // stored since everything was last applied again
	ever    events.Version // ever stored
	known   bool           // something was stored
	image   string         // what is there now, canonical; "" when it is absent
	marker  bool           // what is there now is one
	written int            // form none: how many of the application's writes it has seen
}

func newWitness(w *world) *witness {
	v := &witness{
		world: w, ledger: map[events.Key]*entry{}, records: map[events.TopicPartition][]events.Record{}, checked: map[events.TopicPartition]int{},
		published: map[string]bool{}, segments: map[int]checkpoint.SegmentFact{}, shards: map[string]checkpoint.ShardFact{},
	}
	v.old, v.new = newTape(w, oldTable), newTape(w, newTable)
	return v
}

// replay notes that everything is applied again. What was swept before may be written again, in its order.
func (v *witness) replay() {
	v.audit()
	v.replaying = true
	v.checked = map[events.TopicPartition]int{}
	for _, e := range v.ledger {
		if e.image == "" && !e.marker {
			e.highest = events.Version{}
		}
	}
}

// rest notes that all is applied.
func (v *witness) rest() { v.replaying = false }

// audit holds what the workers say to be done against what is.
func (v *witness) audit() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := v.look(ctx); err != nil {
		v.world.fail("the witness cannot see: %v", err)
	}
}

func (v *witness) look(ctx context.Context) error {
	if v.world.cluster.TopicInfo(v.world.topics.Control) == nil {
		return nil // not created yet
	}
	// What is claimed is read before what is: what is done later only adds to it.
	committed := v.committed()
	facts, err := v.facts(ctx)
	if err != nil {
		return err
	}
	if err := v.read(ctx); err != nil {
		return err
	}
	state, err := v.state(ctx) // younger than the facts: in a new epoch they say nothing
	if err != nil || state.Generation() == 0 {
		return err
	}
	if state.Generation() != v.generation {
		if v.generation != 0 {
			v.closed = append(v.closed, v.latest)
		}
		v.generation, v.segments, v.shards = state.Generation(), map[int]checkpoint.SegmentFact{}, map[string]checkpoint.ShardFact{}
	}
	v.latest = state
	v.checkFacts(facts)
	if err := v.checkCommitted(ctx, v.applied(facts, state.Epoch)); err != nil {
		return err
	}
	return v.checkCommitted(ctx, committed)
}

// applied is how far the partitions are applied, as the facts say. They never fall within an epoch.
func (v *witness) applied(facts *checkpoint.Facts, epoch int) map[events.TopicPartition]int64 {
	if epoch != v.epoch {
		v.epoch, v.frontiers = epoch, map[events.TopicPartition]int64{}
	}
	now := map[events.TopicPartition]int64{}
	for _, f := range facts.Applied(epoch) {
		now[events.TopicPartition{Topic: f.Topic, Partition: f.Partition}] = f.Offset
	}
	for id, was := range v.frontiers {
		if now[id] < was {
			v.world.fail("invariant 6: %s was applied to %d, and the facts say %d", id, was, now[id])
		}
	}
	v.frontiers = now
	return now
}

// read goes on with everything that grows.
func (v *witness) read(ctx context.Context) error {
	for _, topic := range []string{v.world.topics.Snapshot, v.world.topics.Live, v.world.topics.DLQ} {
		for _, p := range v.world.cluster.PartitionInfos(topic) {
			if err := v.readTopic(ctx, events.TopicPartition{Topic: topic, Partition: int(p.Partition)}, p.HighWatermark); err != nil {
				return err
			}
		}
	}
	changes, err := v.new.read(ctx)
	for _, c := range changes {
		v.stored(c)
	}
	_, errOld := v.old.read(ctx)
	return errors.Join(err, errOld)
}

func (v *witness) readTopic(ctx context.Context, id events.TopicPartition, end int64) error {
	for next := int64(len(v.records[id])); next < end; next = int64(len(v.records[id])) {
		batch, err := v.world.broker.Fetch(ctx, id, next, 1<<20)
		if err != nil {
			if ctx.Err() == nil {
				time.Sleep(100 * time.Millisecond) // brokers have their troubles with the witness too
				continue
			}
			return err
		}
		for _, r := range batch.Records {
			v.records[id] = append(v.records[id], r)
			if version, ok := r.Header(events.HeaderVersion); ok && id.Topic == v.world.topics.Live {
				v.published[string(r.Key)+version] = true
			}
		}
	}
	return nil
}

// committed are the offsets of the applier's group.
func (v *witness) committed() map[events.TopicPartition]int64 {
	all := map[events.TopicPartition]int64{}
	if info := v.world.cluster.GroupInfo(migrationName); info != nil {
		for topic, partitions := range info.Commits {
			for p, c := range partitions {
				all[events.TopicPartition{Topic: topic, Partition: int(p)}] = c.Offset
			}
		}
	}
	return all
}

// facts are what a process that starts now would know.
func (v *witness) facts(ctx context.Context) (*checkpoint.Facts, error) {
	facts := checkpoint.NewFacts(v.world.broker.Log(v.world.topics.Facts), "witness", v.world.plan.grace)
	return facts, patiently(ctx, func() error { return facts.Refresh(ctx) })
}

func (v *witness) state(ctx context.Context) (state checkpoint.State, err error) {
	control := checkpoint.NewControl(v.world.broker.Log(v.world.topics.Control), "witness")
	err = patiently(ctx, func() error {
		state, err = control.Refresh(ctx)
		return err
	})
	return state, err
}

// patiently tries again while ctx lives.
func patiently(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// stored takes one change of the new table into the ledger, and judges it.
func (v *witness) stored(c capture.Change) {
	e := v.ledger[c.Key]
	if e == nil {
		e = &entry{}
		v.ledger[c.Key] = e
	}
	if c.Op == events.Delete {
		v.removed(c.Key, e)
		return
	}
	item := map[string]json.RawMessage{}
	if err := json.Unmarshal(c.Item, &item); err != nil {
		v.world.fail("the new table holds %s: %v", c.Item, err)
		return
	}
	version, deleted := textOf(item[nameVersion]), item[nameDeleted]
	for _, name := range []string{nameVersion, nameDeleted, nameShard, nameTombstone} {
		delete(item, name)
	}
	plain, _ := json.Marshal(item) //nolint:errchkjson // it was decoded a moment ago
	before := *e
	e.image, e.marker, e.known = canonical(plain), deleted != nil, true
	switch owned := v.world.model.owned[string(c.Key)]; {
	case v.world.plan.from == apply.FromNone:
		v.redirected(c, before, e)
	case owned != "":
		if before.known || e.image != owned || version != "" {
			v.world.fail("invariant 10: the application's own item %s became %s", c.Key, c.Item)
		}
	default:
		v.versioned(c, e, version)
	}
}

const (
	nameVersion   = "crossfade_version"
	nameDeleted   = "crossfade_deleted"
	nameShard     = "crossfade_shard"
	nameTombstone = "crossfade_tombstone"
)

// textOf is the text of a value of type S; "" when there is none.
func textOf(value json.RawMessage) string {
	var s struct{ S string }
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s.S
}

// versioned judges a write that carries a version: each is higher than whatever the key has ever held.
func (v *witness) versioned(c capture.Change, e *entry, text string) {
	version, err := events.ParseVersion(text)
	if err != nil {
		v.world.fail("invariant 1: %s was stored without a version: %s", c.Key, c.Item)
		return
	}
	if v.updated[string(c.Key)] && version == e.highest {
		return // it is the application's update, or a sweep has put it back
	}
	if version.Compare(e.highest) <= 0 {
		v.world.fail("invariant 1 or 5: %s was stored as version %s after %s", c.Key, version, e.highest)
	}
	e.highest = version
	if version.Compare(e.ever) > 0 {
		e.ever = version
	}
}

// redirected judges a write of the form none: a copied row only where nothing has ever been, and the application's.
func (v *witness) redirected(c capture.Change, before entry, e *entry) {
	m := v.world.model
	m.mu.Lock()
	defer m.mu.Unlock()
	writes := m.writes[string(c.Key)]
	switch {
	case e.written < len(writes) && (e.marker && writes[e.written] == "" || e.image == writes[e.written]):
		e.written++
	case !before.known && e.image == m.old[string(c.Key)]:
	default:
		v.world.fail("invariant 1 or 10: %s became %s, which is neither the row nor the application's (seen %d of its %d writes)",
			c.Key, c.Item, e.written, len(writes))
	}
}

// removed judges a removal: only the sweep removes, and only markers.
func (v *witness) removed(key events.Key, e *entry) {
	v.world.mu.Lock()
	swept := v.world.launched[sweeper] > 0
	v.world.mu.Unlock()
	if !e.marker || !swept {
		v.world.fail("invariant 5: %s was removed, which was %s (marker %t)", key, e.image, e.marker)
	}
	e.image, e.marker = "", false
	if v.replaying {
		e.highest = events.Version{}
	}
}

// checkFacts: no fact regresses for a fresh reader, and none says more than what is published.
func (v *witness) checkFacts(facts *checkpoint.Facts) {
	for _, f := range facts.Segments(v.generation) {
		was := v.segments[f.Segment]
		if f.Pages < was.Pages || was.Done && !f.Done {
			v.world.fail("invariant 6: segment %d went back from %+v to %+v", f.Segment, was, f)
		}
		v.segments[f.Segment] = f
		// Each page has been published at least once, and none of its rows is in another page.
		if rows := v.rowsOf(fmt.Sprintf("%d/%d", f.Segment, f.Total)); int64(rows) < f.Items {
			v.world.fail("invariant 2: the fact of segment %d says %d rows (done %t), and %d are in the snapshot topic", f.Segment, f.Items, f.Done, rows)
		}
	}
	now := facts.Shards(v.generation)
	for id, was := range v.shards {
		if f := now[id]; f.Position < was.Position || was.Done && !f.Done {
			v.world.fail("invariant 6: shard %s went back from %+v to %+v", id, was, f)
		}
	}
	v.shards = now
	for id, f := range now {
		if f.Before {
			continue // it was closed before the migration
		}
		for _, c := range v.old.shard(id) {
			if c.Position > f.Position && !f.Done {
				break
			}
			if c.Position < f.Start {
				continue // it is older than the generation, whose snapshot has it
			}
			version := events.Version{Generation: v.generation, Class: events.Live, Position: c.Position}
			if !v.published[string(c.Key)+version.String()] {
				v.world.fail("invariant 2: the fact of shard %s says %s (done %t), and %s of %s is not in the live topic",
					id, f.Position.Number(), f.Done, c.Position.Number(), c.Key)
				return
			}
		}
	}
}

// rowsOf is how many rows of a segment, in this generation, the snapshot topic has.
func (v *witness) rowsOf(source string) int {
	keys := map[string]bool{}
	for id, records := range v.records {
		for _, r := range records {
			from, _ := r.Header(events.HeaderSource)
			if version, valid := v.version(r); id.Topic == v.world.topics.Snapshot && from == source && valid && version.Generation == v.generation {
				keys[string(r.Key)] = true
			}
		}
	}
	return len(keys)
}

// checkCommitted: every record below a committed offset is in the new table, in the dlq, or one to be dropped.
func (v *witness) checkCommitted(ctx context.Context, committed map[events.TopicPartition]int64) error {
	state, err := v.state(ctx)
	if err != nil {
		return err
	}
	dead := v.dead()
	for id, offset := range committed {
		records := v.records[id]
		for v.checked[id] < int(offset) && v.checked[id] < len(records) {
			r := records[v.checked[id]]
			if !v.durable(r, state, dead) {
				v.world.fail("invariant 2: %s is committed to %d, and %d (%s, headers %s) is not durable: the table has had %+v", id, offset, r.Offset, r.Key, r.Headers, v.ledger[events.Key(r.Key)])
				return nil
			}
			v.checked[id]++
		}
	}
	return nil
}

// place names a record.
func place(topic string, partition int, offset int64) string {
	return fmt.Sprintf("%s/%d@%d", topic, partition, offset)
}

// dead are the places of the records in the dlq.
func (v *witness) dead() map[string]bool {
	all := map[string]bool{}
	for _, r := range v.records[events.TopicPartition{Topic: v.world.topics.DLQ}] {
		topic, _ := r.Header(kafka.HeaderTopic)
		partition, _ := r.Header(kafka.HeaderPartition)
		offset, _ := r.Header(kafka.HeaderOffset)
		n, _ := strconv.Atoi(partition)
		at, _ := strconv.ParseInt(offset, 10, 64)
		all[place(topic, n, at)] = true
	}
	return all
}

func (v *witness) durable(r events.Record, state checkpoint.State, dead map[string]bool) bool {
	if v.droppable(r, state) || dead[place(r.Topic, r.Partition, r.Offset)] {
		return true
	}
	if _, poison := r.Header(headerPoison); poison {
		return false
	}
	e := v.ledger[events.Key(r.Key)]
	if e == nil {
		return false
	}
	version, hasVersion := v.version(r)
	return !hasVersion || v.world.plan.from == apply.FromNone || v.world.model.owned[string(r.Key)] != "" || e.ever.Compare(version) >= 0
}

// droppable reports whether an applier may have left a record out: it is of a generation before, whose place the
// snapshot of the current one has taken, or came after the close of its own, or of one before if it does not say.
func (v *witness) droppable(r events.Record, state checkpoint.State) bool {
	_, says := r.Header(events.HeaderVersion)
	version, valid := v.version(r)
	if says && valid && version.Generation < state.Generation() {
		return true
	}
	if r.Topic != v.world.topics.Snapshot {
		return false
	}
	return state.PastClose(r.Partition, r.Offset) || (!says || !valid) &&
		slices.ContainsFunc(v.closed, func(s checkpoint.State) bool { return s.PastClose(r.Partition, r.Offset) })
}

// version is the one that a record carries or that its place gives it.
func (v *witness) version(r events.Record) (events.Version, bool) {
	if text, ok := r.Header(events.HeaderVersion); ok {
		version, err := events.ParseVersion(text)
		return version, err == nil
	}
	version := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(uint64(r.Offset))}
	if text, ok := r.Header(events.HeaderPosition); ok {
		n, _ := strconv.ParseUint(text, 10, 64)
		version.Position = events.PositionAt(n)
	}
	return version, true
}

// tape is the changes of a table, by shard.
type tape struct {
	stream *dynamodb.Stream
	next   map[string]string // iterators
	done   map[string]bool
	all    map[string][]capture.Change
}

func newTape(w *world, table string) *tape {
	t := w.table(table)
	d, err := t.Describe(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return &tape{stream: dynamodb.NewStream(t, d.Stream, d.KeySchema), next: map[string]string{}, done: map[string]bool{}, all: map[string][]capture.Change{}}
}

// read returns the changes since the last time; of a key in their order.
func (t *tape) read(ctx context.Context) (changes []capture.Change, err error) {
	shards, err := t.stream.Shards(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range shards {
		for !t.done[s.ID] {
			page, err := t.page(ctx, s.ID)
			if err != nil {
				return changes, err
			}
			t.next[s.ID], t.done[s.ID] = page.Next, page.Next == ""
			t.all[s.ID] = append(t.all[s.ID], page.Changes...)
			changes = append(changes, page.Changes...)
			if len(page.Changes) == 0 {
				break
			}
		}
	}
	return changes, nil
}

func (t *tape) page(ctx context.Context, shard string) (capture.Page, error) {
	if t.next[shard] != "" {
		page, err := t.stream.Records(ctx, t.next[shard])
		if !errors.Is(err, capture.ErrExpired) {
			return page, err
		}
	}
	from := capture.From{Oldest: true}
	if seen := t.all[shard]; len(seen) > 0 {
		from.After = seen[len(seen)-1].Position
	}
	iterator, err := t.stream.Iterator(ctx, shard, from)
	if err != nil {
		return capture.Page{}, err
	}
	return t.stream.Records(ctx, iterator)
}

// shard is what a shard has held so far.
func (t *tape) shard(id string) []capture.Change { return slices.Clip(t.all[id]) }
