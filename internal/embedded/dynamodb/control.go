package dynamodb

import (
	"fmt"
	"strconv"
	"time"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// streamOf is the enabled stream of a table, locked; call its mu.Unlock.
func (s *Server) streamOf(name string) (*stream, error) {
	t, err := s.table(name)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.stream == nil {
		return nil, fmt.Errorf("table %s has no enabled stream", name)
	}
	t.stream.mu.Lock()
	return t.stream, nil
}

// OpenShards lists the ids of the open shards of a table's enabled stream, the oldest first.
func (s *Server) OpenShards(table string) ([]string, error) {
	st, err := s.streamOf(table)
	if err != nil {
		return nil, err
	}
	defer st.mu.Unlock()
	var ids []string
	for _, sh := range st.shards {
		if sh.open() {
			ids = append(ids, sh.id)
		}
	}
	return ids, nil
}

// SplitShard closes an open shard; two new ones go on, each with half of its keys.
func (s *Server) SplitShard(table, id string) error { return s.roll(table, id, 2) }

// CloseShard closes an open shard; one new one goes on with all of its keys, as happens every few hours.
func (s *Server) CloseShard(table, id string) error { return s.roll(table, id, 1) }

func (s *Server) roll(table, id string, children int) error {
	st, err := s.streamOf(table)
	if err != nil {
		return err
	}
	defer st.mu.Unlock()
	sh := st.shard(id)
	if sh == nil || !sh.open() {
		return fmt.Errorf("table %s has no open shard %s", table, id)
	}
	st.roll(sh, children)
	return nil
}

// roll needs the stream's lock, which a writer needs too: no record can fall between parent and child.
func (st *stream) roll(sh *shard, children int) {
	st.closeShard(sh)
	if children == 1 || sh.low == sh.high {
		st.addShard(sh.id, sh.low, sh.high)
		return
	}
	middle := sh.low + (sh.high-sh.low)/2
	st.addShard(sh.id, sh.low, middle)
	st.addShard(sh.id, middle+1, sh.high)
}

// SplitAll splits every open shard of a table's enabled stream.
func (s *Server) SplitAll(table string) error {
	st, err := s.streamOf(table)
	if err != nil {
		return err
	}
	defer st.mu.Unlock()
	for _, sh := range append([]*shard(nil), st.shards...) {
		if sh.open() {
			st.roll(sh, 2)
		}
	}
	return nil
}

// TrimBefore forgets the stream records from before a time, in all streams, and the closed shards left empty.
// Records older than 24 hours of the Clock go by themselves.
func (s *Server) TrimBefore(t time.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.streams {
		st.mu.Lock()
		st.trim(t)
		st.mu.Unlock()
	}
}

// Expire deletes the items of a table whose time to live has passed, and returns how many. Their stream records carry
// the service's identity. Nothing expires by itself.
func (s *Server) Expire(name string) (int, error) {
	t, err := s.table(name)
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var expired []*row
	t.rows.ascend(place{}, func(r *row) bool {
		v := expression.MustParseItem(r.raw)[t.ttl]
		at, err := strconv.ParseInt(v.Text, 10, 64)
		if t.ttl != "" && v.Kind == expression.Num && err == nil && at < s.now().Unix() {
			expired = append(expired, r)
		}
		return true
	})
	for _, r := range expired {
		t.store(r, nil, true, &usage{}) // nobody pays
	}
	return len(expired), nil
}
