package dynamodb

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// retention is how long a stream keeps its records.
const retention = 24 * time.Hour

// stream is one stream of a table. A table that enables its stream again gets another one.
type stream struct {
	server     *Server
	table      *table
	arn, label string
	view       string // NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES or KEYS_ONLY
	created    time.Time

	mu       sync.Mutex
	shards   []*shard // in the order of their creation, so that a parent is before its children
	disabled time.Time
}

// shard is one shard: a range of the hash space during a time.
type shard struct {
	id, parent string
	low, high  uint64 // the hashes, both included
	start, end uint64 // sequence numbers; end is 0 while open, then above every record's
	closed     time.Time
	records    []record
	trimmed    uint64 // the sequence number of the last record that is gone
}

// record is one change.
type record struct {
	number   uint64
	at       time.Time
	old, new *row // nil where the item was not there
	ttl      bool
}

func (sh *shard) open() bool { return sh.end == 0 }

// setStream turns the stream of t on or off. It needs the server's lock, and the table's.
func (s *Server) setStream(t *table, spec *streamSpecification) error {
	switch {
	case spec == nil:
		return nil
	case !spec.StreamEnabled:
		if spec.StreamViewType != "" {
			return validation(wrongValues + "StreamViewType cannot be specified while StreamEnabled is false")
		}
		if t.stream == nil && t.id != "" && s.tables[t.name] == t {
			return validation("Table already has its stream disabled: TableName: %s", t.name)
		}
		s.disableStream(t)
		return nil
	case t.stream != nil:
		return validation("Table already has an enabled stream: TableName: %s", t.name)
	case !slices.Contains([]string{"NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"}, spec.StreamViewType):
		return validation(wrongValues+"StreamViewType is required and must be one of NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY, not %q", spec.StreamViewType)
	}
	now := s.now()
	st := &stream{server: s, table: t, view: spec.StreamViewType, created: now}
	s.streams = slices.DeleteFunc(s.streams, func(o *stream) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.gone(now.Add(-retention))
	})
	label := now.UTC()
	for slices.ContainsFunc(s.streams, func(o *stream) bool { return o.table.name == t.name && o.label == labelOf(label) }) {
		label = label.Add(time.Millisecond) // two streams within one moment of the clock
	}
	st.label = labelOf(label)
	st.arn = s.tableARN(t.name) + "/stream/" + st.label
	n := uint64(s.options.Shards) //nolint:gosec // at least 1
	width := math.MaxUint64/n + 1
	for i := range n {
		high := (i+1)*width - 1
		if i == n-1 {
			high = math.MaxUint64
		}
		st.addShard("", i*width, high)
	}
	t.stream, t.latest = st, st
	s.streams = append(s.streams, st)
	return nil
}

func labelOf(t time.Time) string { return t.Format("2006-01-02T15:04:05.000") }

// disableStream closes all shards of the table's stream, if it has one. It needs the table's lock.
func (s *Server) disableStream(t *table) {
	if t.stream == nil {
		return
	}
	st := t.stream
	t.stream = nil
	st.mu.Lock()
	defer st.mu.Unlock()
	st.disabled = s.now()
	for _, sh := range st.shards {
		st.closeShard(sh)
	}
}

// addShard opens a shard. It needs the stream's lock, as the next three do.
func (st *stream) addShard(parent string, low, high uint64) {
	start := st.server.sequence.next()
	id := fmt.Sprintf("shardId-%020d-%08x", st.server.now().UnixMilli(), start)
	st.shards = append(st.shards, &shard{id: id, parent: parent, low: low, high: high, start: start})
}

func (st *stream) closeShard(sh *shard) {
	if sh.open() {
		sh.end, sh.closed = st.server.sequence.next(), st.server.now()
	}
}

func (st *stream) shard(id string) *shard {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// trim forgets records before a time, and closed shards that hold nothing after it.
func (st *stream) trim(before time.Time) {
	st.shards = slices.DeleteFunc(st.shards, func(sh *shard) bool {
		n := 0
		for n < len(sh.records) && sh.records[n].at.Before(before) {
			n++
		}
		if n > 0 {
			sh.trimmed = sh.records[n-1].number
			sh.records = sh.records[n:]
		}
		return !sh.open() && len(sh.records) == 0 && sh.closed.Before(before)
	})
}

// append adds a change of a row. It is called under the table's lock, so that the records of a key have the order
// of its changes; a change that changes nothing leaves no record.
func (st *stream) append(old, new *row, ttl bool) {
	if old == nil && new == nil || old != nil && new != nil && sameContent(old, new) {
		return
	}
	hash := uint64(0)
	if old != nil {
		hash = old.hash
	} else {
		hash = new.hash
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, sh := range slices.Backward(st.shards) {
		if sh.open() && sh.low <= hash && hash <= sh.high {
			now := st.server.now()
			sh.records = append(sh.records, record{number: st.server.sequence.next(), at: now, old: old, new: new, ttl: ttl})
			if before := now.Add(-retention); sh.records[0].at.Before(before) {
				st.trim(before)
			}
			return
		}
	}
	panic("dynamodb: no open shard for a hash") // the open shards cover the hash space
}

// sameContent compares by value: 1 and 1.0 inside a list are different bytes and the same item.
func sameContent(a, b *row) bool {
	if string(a.raw) == string(b.raw) {
		return true
	}
	return expression.MustParseItem(a.raw).Equal(expression.MustParseItem(b.raw))
}
