package checkpoint

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events"
)

func drawShardFact(t *rapid.T) ShardFact {
	f := ShardFact{
		Generation: rapid.Uint32Range(1, 3).Draw(t, "generation"), Shard: "shardId-1", Parent: rapid.SampledFrom([]string{"", "shardId-0"}).Draw(t, "parent"),
		Records: rapid.Int64Range(0, 3).Draw(t, "records"), Done: rapid.Bool().Draw(t, "done"), Before: rapid.Bool().Draw(t, "before"),
		Gap:     rapid.SampledFrom([]string{"", "trimmed", "lost <\"&\u2028>"}).Draw(t, "gap"),
		Stopped: rapid.SampledFrom([]string{"", "not understood"}).Draw(t, "stopped"),
		Behind:  time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "behind")),
	}
	if rapid.Bool().Draw(t, "published") {
		f.Position = events.PositionAt(rapid.Uint64Range(0, 3).Draw(t, "position"))
	}
	if rapid.Bool().Draw(t, "described") {
		f.Start = events.PositionAt(rapid.Uint64().Draw(t, "start"))
	}
	if rapid.Bool().Draw(t, "confirmed") {
		f.Confirmed = time.Unix(rapid.Int64Range(0, 2).Draw(t, "at"), rapid.Int64Range(0, 1).Draw(t, "ns")).UTC()
	}
	return f
}

func drawSegmentFact(t *rapid.T) SegmentFact {
	f := SegmentFact{
		Generation: rapid.Uint32Range(1, 3).Draw(t, "generation"), Segment: 3, Total: 8, Done: rapid.Bool().Draw(t, "done"),
		Pages: rapid.Int64Range(0, 3).Draw(t, "pages"), Items: rapid.Int64Range(0, 3).Draw(t, "items"),
	}
	if rapid.Bool().Draw(t, "key") {
		f.LastKey = json.RawMessage(rapid.SampledFrom([]string{`{"pk":{"S":"a"}}`, `{"pk":{"B":"AA=="},"sk":{"N":"1E125"}}`, `{"pk":{"S":"é😀\u0000"}}`}).Draw(t, "last key"))
	}
	return f
}

func drawWorkerFact(t *rapid.T) WorkerFact {
	moment := func(name string) time.Time { return time.Unix(rapid.Int64Range(0, 2).Draw(t, name), 0).UTC() }
	f := WorkerFact{
		Process: "p", Roles: []string{"apply"}, Build: rapid.String().Draw(t, "build"), Started: moment("started"), Confirmed: moment("confirmed"),
	}
	if rapid.Bool().Draw(t, "has ended") {
		f.Ended = moment("ended")
	}
	if rapid.Bool().Draw(t, "failed") {
		f.Error = &WorkerError{Text: rapid.String().Draw(t, "text"), Class: "fatal", Reason: rapid.SampledFrom([]string{"", "gap"}).Draw(t, "reason")}
	}
	return f
}

// further is a strict weak order: the furthest fact is well defined up to facts of equal progress.
func TestFurtherIsAStrictWeakOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strictWeakOrder(t, drawShardFact(t), drawShardFact(t), drawShardFact(t))
		strictWeakOrder(t, drawSegmentFact(t), drawSegmentFact(t), drawSegmentFact(t))
		strictWeakOrder(t, drawWorkerFact(t), drawWorkerFact(t), drawWorkerFact(t))
	})
}

func strictWeakOrder[F further[F]](t *rapid.T, a, b, c F) {
	require.False(t, a.further(a))
	require.False(t, a.further(b) && b.further(a))
	if a.further(b) && b.further(c) {
		require.True(t, a.further(c))
	}
	equal := func(x, y F) bool { return !x.further(y) && !y.further(x) }
	if equal(a, b) && equal(b, c) {
		require.True(t, equal(a, c))
	}
}

// Invariant 6: in whatever order, how often and in whatever groups facts are merged, the result is as far, and none of
// them is further.
func TestMergeIsCommutativeAssociativeIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mergesToOne(t, rapid.SliceOfN(rapid.Custom(drawShardFact), 1, 8).Draw(t, "shards"))
		mergesToOne(t, rapid.SliceOfN(rapid.Custom(drawSegmentFact), 1, 8).Draw(t, "segments"))
		mergesToOne(t, rapid.SliceOfN(rapid.Custom(drawWorkerFact), 1, 8).Draw(t, "workers"))
	})
}

func mergesToOne[F further[F]](t *rapid.T, facts []F) {
	of := func(facts ...F) F {
		byWriter := map[string]Written[F]{}
		for i, f := range facts {
			byWriter[fmt.Sprint("writer", i)] = Written[F]{Fact: f}
		}
		best, ok := Furthest(byWriter)
		require.True(t, ok)
		return best
	}
	same := func(a, b F) { require.True(t, !a.further(b) && !b.further(a), "%+v, %+v", a, b) }
	best := of(facts...)
	for _, f := range facts {
		require.False(t, f.further(best))
	}
	same(best, of(rapid.Permutation(facts).Draw(t, "order")...))
	same(best, of(append(facts, facts...)...))
	cut := rapid.IntRange(1, len(facts)).Draw(t, "cut")
	if cut < len(facts) {
		same(best, of(of(facts[:cut]...), of(facts[cut:]...)))
	}
	same(best, of(best, best))
}

// view is an empty view of facts.
func view() *Facts { return NewFacts(nil, "reader", time.Minute) }

// What is written is what is read, and what is read twice is as if it were read once.
func TestFactsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := view()
		shard, segment, worker := drawShardFact(t), drawSegmentFact(t), drawWorkerFact(t)
		for _, e := range []struct {
			subject string
			fact    any
		}{{shard.subject(), shard}, {segment.subject(), segment}, {worker.subject(), worker}, {shard.subject(), shard}} {
			value, err := json.Marshal(e.fact)
			require.NoError(t, err)
			require.NoError(t, f.fold(Entry{Key: []byte(e.subject + "@w.0"), Value: value}))
		}
		require.Equal(t, map[string]ShardFact{shard.Shard: shard}, f.Shards(shard.Generation))
		got, ok := f.Segment(segment.Generation, segment.Segment, segment.Total)
		require.True(t, ok)
		require.Equal(t, segment, got)
		require.Equal(t, map[string]WorkerFact{"p": worker}, f.Workers())
	})
}

// Invariant 6: folding the facts of one writer in any order keeps the furthest.
func TestFoldKeepsTheFurthest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := view()
		var best *ShardFact
		for range rapid.IntRange(1, 6).Draw(t, "facts") {
			fact := drawShardFact(t)
			fact.Generation = 1
			value, err := json.Marshal(fact)
			require.NoError(t, err)
			require.NoError(t, f.fold(Entry{Key: []byte(fact.subject() + "@w.0"), Value: value}))
			if best == nil || fact.further(*best) {
				best = &fact
			}
			got := f.Shards(1)[fact.Shard]
			require.False(t, best.further(got) || got.further(*best))
		}
	})
}

func FuzzFact(f *testing.F) {
	for key, value := range map[string]string{
		"shard/1/s@w.0":       `{"generation":1,"shard":"s","position":"0000000000000000000000000000000000000042","records":7,"confirmed":"2026-01-01T00:00:00Z","behind":5}`,
		"shard/1/s@w.1":       `{"generation":1,"shard":"s","records":0,"before":true}`,
		"shard/1/s@w.2":       `{"generation":1,"shard":"s","records":0,"gap":"trimmed","done":true}`,
		"segment/1/8/3@w.0":   `{"generation":1,"segment":3,"total":8,"pages":4,"items":40,"last_key":{"pk":{"S":"x"}},"done":true}`,
		"segment/1/8/3@w.1":   `{"generation":1,"segment":3,"total":8,"pages":4,"items":40,"last_key":null}`,
		"segment/-1/8/3@w":    `{"generation":-1,"segment":3,"total":8}`,
		"shard/1/s":           `{}`,
		"shard/@w":            `null`,
		"@":                   ``,
		"shard/1/@@w":         `{"generation":1,"shard":"@"}`,
		"shard/1/s@w.3":       `{"generation":1,"shard":"s","records":0}{}`,
		"shard/1/s@w.4":       `{"Generation":1,"SHARD":"s"}`,
		"shard/4294967295/@w": `{"generation":4294967295}`,
		"shard/1/s@w.5":       `{"format":2,"optional":true,"fact":{"generation":1,"shard":"s","lag":7}}`,
		"shard/1/s@w.6":       `{"format":2,"needs":"v9","fact":{"generation":1,"shard":"s"}}`,
		"lease/1@w.0":         `{"format":2,"optional":true,"fact":{"holder":"x"}}`,
		"applied/0/t/1@w.0":   `{"epoch":0,"topic":"t","partition":1,"offset":7}`,
		"worker/p@w.0":        `{"process":"p","roles":null,"build":"","started":"2026-01-01T00:00:00Z","confirmed":"2026-01-01T00:00:00Z"}`,
		"shard/1/\xff@w":      "{\"generation\":1,\"shard\":\"\xff\"}",
	} {
		f.Add([]byte(key), []byte(value), false)
	}
	f.Add([]byte("shard/1/s@w.0"), []byte(nil), true)
	f.Fuzz(func(t *testing.T, key, value []byte, null bool) {
		facts := view()
		if null {
			value = nil
		}
		if err := facts.fold(Entry{Key: key, Value: value, Offset: 7}); err != nil {
			require.ErrorContains(t, err, "offset 7")
			require.Empty(t, facts.segments)
			require.Empty(t, facts.shards)
			return // refused
		}
		if value == nil {
			return // an erasure
		}
		subject, writer, _ := strings.Cut(string(key), "@")
		kind := kindOfSubject(subject)
		if _, known := factFormats[kind]; !known {
			var e envelope
			require.NoError(t, json.Unmarshal(value, &e))
			require.True(t, e.Optional, "only what says so is left out")
			return
		}
		again, err := folded(t, facts, kind, subject, writer)
		if err != nil {
			return // a duration or a time that was never written by us
		}
		other := view()
		require.NoError(t, other.fold(Entry{Key: key, Value: again}), "%s", again)
		_, err = folded(t, other, kind, subject, writer)
		require.NoError(t, err)
	})
}

// folded is the only fact in the view, as it would be written again.
func folded(t *testing.T, f *Facts, kind, subject, writer string) ([]byte, error) {
	require.Equal(t, 1, len(f.segments)+len(f.shards)+len(f.applied)+len(f.workers), "folded, and not left out")
	switch kind {
	case "segment":
		return foldedFact(t, f.segments, subject, writer, SegmentFact.subject)
	case "shard":
		return foldedFact(t, f.shards, subject, writer, ShardFact.subject)
	case "applied":
		return foldedFact(t, f.applied, subject, writer, AppliedFact.subject)
	}
	return foldedFact(t, f.workers, subject, writer, WorkerFact.subject)
}

func foldedFact[F any](t *testing.T, view map[string]map[string]Written[F], subject, writer string, subjectOf func(F) string) ([]byte, error) {
	require.Contains(t, view[subject], writer)
	fact := view[subject][writer].Fact
	require.Equal(t, subject, subjectOf(fact))
	return json.Marshal(fact)
}

// An entry of the control log is taken, or it lost and says what is known, or it is an error; never a panic.
func FuzzControlEntry(f *testing.F) {
	for _, seed := range []string{
		`{"after":0,"at":"2026-01-01T00:00:00Z","by":"me","created":{"generation":1,"config":{"a":"b"},"key_schema":[{"name":"pk","type":"S"}],"partitions":12,"work_partitions":64,"segments":64,"estimated_items":1}}`,
		`{"after":1,"at":"2026-01-01T00:00:00Z","by":"me","closed":{"generation":1,"ends":{"0":10,"1":0}}}`, `{"after":2,"swept":{"removed":1,"left":2,"fallback_reads_off":true}}`,
		`{"after":1,"closed":{"generation":1,"ends":{"x":1}}}`, `{"after":1,"closed":{"generation":1,"ends":null}}`, `{"after":1,"swept":null}`, `{"after":-1,"created":{}}`, `{"after":1e99}`, `null`, ``,
		`{"after":1,"format":2,"optional":true,"paused":{}}`, `{"after":1,"format":2,"needs":"v9","paused":{}}`, `{"after":1,"format":2,"optional":true,"closed":{"generation":1,"why":"x"}}`,
		`{"after":1,"closed":{},"swept":{}}`, `{"reopened":{}}`, `{"after":7,"swept":{}} {}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	begin := ControlEntry{Created: &Created{Generation: 1}}
	f.Fuzz(func(t *testing.T, value []byte, created bool) {
		c := NewControl(nil, "reader")
		if created {
			state, accepted, err := c.state.Fold(begin)
			require.NoError(t, err)
			require.True(t, accepted)
			c.state = state
		}
		before := c.state
		accepted, err := c.fold(Entry{Value: value, Offset: 7})
		if err != nil || !accepted {
			require.Equal(t, before, c.state)
			require.False(t, accepted)
		} else {
			require.Equal(t, before.Accepted+1, c.state.Accepted)
			require.False(t, c.state.PastClose(0, -1) && c.state.Closed == nil)
		}
		if err == nil {
			entry, err := controlFormats.decodeEntry(value)
			require.NoError(t, err)
			require.True(t, !accepted || c.state.Created != nil || entry.Optional)
			require.Equal(t, accepted, entry.After == before.Accepted)
		}
	})
}

func TestControlEntriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.MapOf(rapid.IntRange(0, 10_000), rapid.Int64Range(0, 1<<62)).Draw(t, "ends")
		e := ControlEntry{
			After: rapid.IntRange(0, 9).Draw(t, "after"), At: time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "at"), 0).UTC(), By: rapid.String().Draw(t, "by"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			e.Created = &Created{
				Generation: rapid.Uint32().Draw(t, "generation"), Config: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "config"),
				KeySchema: events.KeySchema{{Name: rapid.String().Draw(t, "name"), Type: "S"}}, Segments: rapid.Int().Draw(t, "segments"), KeepExisting: rapid.Bool().Draw(t, "keep"),
			}
		case 1:
			e.Closed = &Closed{Generation: 1, Ends: ends}
		default:
			e.Swept = &Swept{Removed: rapid.Int64().Draw(t, "removed"), Left: rapid.Int64().Draw(t, "left"), Updated: rapid.Int64().Draw(t, "updated"), FallbackReadsOff: rapid.Bool().Draw(t, "off")}
		}
		value, err := json.Marshal(e)
		require.NoError(t, err)
		var got ControlEntry
		require.NoError(t, decode(value, &got))
		require.Equal(t, e, got)
	})
}
