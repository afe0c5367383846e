package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// fakeStream is a strict stream: an iterator names a shard and an index, and a position that it does not hold is an
// error.
type fakeStream struct {
	mu      sync.Mutex
	shards  []Shard
	changes map[string][]Change
	trimmed map[string]int // how many changes at the front of a shard are gone
	expire  func() bool    // whether the next iterator is refused
	fail    func() bool    // whether the next call fails for a moment
}

var moment = &fault.Error{Class: fault.Retry, Reason: "away", What: "read", Err: errors.New("a moment")}

func (s *fakeStream) failed() error {
	if s.fail != nil && s.fail() {
		return moment
	}
	return nil
}

func (s *fakeStream) Shards(context.Context) ([]Shard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shards), s.failed()
}

func (s *fakeStream) Iterator(_ context.Context, shard string, from From) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.shards, func(x Shard) bool { return x.ID == shard }) {
		return "", ErrNoShard
	}
	changes, first := s.changes[shard], s.trimmed[shard]
	i := 0
	switch {
	case from.After != "":
		i = 1 + slices.IndexFunc(changes, func(c Change) bool { return c.Position == from.After })
		if i < first || i == 0 {
			return "", ErrTrimmed
		}
	case from.Oldest:
		i = first
	case from.At != "":
		// The first record at or after it; a place before what was trimmed last is gone.
		if first > 0 && from.At <= changes[first-1].Position {
			return "", ErrTrimmed
		}
		i = slices.IndexFunc(changes, func(c Change) bool { return c.Position >= from.At })
		if i < 0 {
			i = len(changes)
		}
	case first > 0:
		return "", ErrTrimmed
	}
	return fmt.Sprintf("%s/%d", shard, i), s.failed()
}

func (s *fakeStream) Records(_ context.Context, iterator string) (Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failed(); err != nil {
		return Page{}, err
	}
	if s.expire != nil && s.expire() {
		return Page{}, ErrExpired
	}
	shard, index, _ := strings.Cut(iterator, "/")
	from, err := strconv.Atoi(index)
	if err != nil {
		return Page{}, err
	}
	if from < s.trimmed[shard] {
		return Page{}, ErrTrimmed
	}
	changes := s.changes[shard]
	to := min(len(changes), from+3)
	next := fmt.Sprintf("%s/%d", shard, to)
	closed := slices.ContainsFunc(s.shards, func(x Shard) bool { return x.ID == shard && x.End != "" })
	if closed && to == len(changes) {
		next = ""
	}
	return Page{Changes: changes[from:to], Next: next}, nil
}

func (s *fakeStream) add(shard, key string, position int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == nil {
		s.changes = map[string][]Change{}
	}
	s.changes[shard] = append(s.changes[shard], Change{
		Key: events.Key(fmt.Sprintf(`{"pk":{"S":%q}}`, key)), Op: events.Write, Item: fmt.Appendf(nil, `{"pk":{"S":%q}}`, key),
		Position: at(uint64(position)), Time: time.Now(),
	})
}

// topic is what was published, in its order.
type topic struct {
	mu   sync.Mutex
	keys []string
	seen []string // key@position
	fail func() bool
	dead []string
}

func (p *topic) publish(ctx context.Context, records []events.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fail := p.fail != nil && p.fail()
	for i, r := range records {
		if fail && i >= len(records)/2 {
			return moment // a part of them is there
		}
		version, _ := r.Header(events.HeaderVersion)
		p.keys = append(p.keys, string(r.Key))
		p.seen = append(p.seen, string(r.Key)+"@"+version)
	}
	return nil
}

func (p *topic) deadLetter(_ context.Context, raw []byte, why *events.Invalid, where string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = append(p.dead, fmt.Sprintf("%s %s %s", where, raw, why.Reason))
	return nil
}

type always struct{}

func (always) Fresh() error { return nil }

func newWorker(s Stream, p *topic, log checkpoint.Log, name string) *Worker {
	return New(Config{
		Stream: s, Publish: p.publish, DeadLetter: p.deadLetter, Facts: checkpoint.NewFacts(log, name, time.Minute),
		Watch: always{}, Generation: 1, Grace: 10 * time.Minute, Lineage: time.Second,
	})
}

func start(t *testing.T, s Stream, log checkpoint.Log) {
	t.Helper()
	_, err := Start(t.Context(), s, checkpoint.NewFacts(log, "create", time.Minute), 1)
	require.NoError(t, err)
}

// runFor lets workers, which share the partitions, run for a while.
func runFor(t *testing.T, d time.Duration, workers ...*Worker) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i, w := range workers {
		var mine []int
		for p := range 8 {
			if p%len(workers) == i {
				mine = append(mine, p)
			}
		}
		all.Go(func() { require.NoError(t, w.Run(ctx, mine, 8)) })
	}
	time.Sleep(d)
	cancel()
	all.Wait()
}

// Two workers that are ended at random, whose publishing and whose stream fail now and then, over a forest that splits
// on the way: everything is published at least once, and for each key in its order, counting first arrivals.
func TestEveryChangeInOrder(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			var dice sync.Mutex
			sometimes := func() bool { dice.Lock(); defer dice.Unlock(); return rng.IntN(12) == 0 }
			stream, out, log := &fakeStream{expire: sometimes, fail: sometimes}, &topic{fail: sometimes}, &checkpointtest.Log{}
			const roots = 5
			for i := range roots {
				stream.shards = append(stream.shards, Shard{ID: fmt.Sprintf("g0-%d", i), Start: at(1)})
			}
			start(t, stream, log)
			position, want := 1, map[string][]string{}
			for step := range 6 {
				for range 40 {
					root := rng.IntN(roots)
					position++
					key := fmt.Sprintf("k%d-%d", root, rng.IntN(3)) // a key stays with its root's line
					stream.add(fmt.Sprintf("g%d-%d", step, root), key, position)
					canonical := fmt.Sprintf(`{"pk":{"S":%q}}`, key)
					version := events.Version{Generation: 1, Class: events.Live, Position: at(uint64(position))}
					want[canonical] = append(want[canonical], canonical+"@"+version.String())
				}
				runFor(t, time.Duration(rng.Int64N(int64(8*time.Second))),
					newWorker(stream, out, log, fmt.Sprintf("a%d", step)), newWorker(stream, out, log, fmt.Sprintf("b%d", step)))
				log.Compact()
				stream.mu.Lock()
				for i := range roots { // the shards split: a child each
					old := slices.IndexFunc(stream.shards, func(s Shard) bool { return s.ID == fmt.Sprintf("g%d-%d", step, i) })
					stream.shards[old].End = at(uint64(position))
					stream.shards = append(stream.shards, Shard{ID: fmt.Sprintf("g%d-%d", step+1, i), Parent: stream.shards[old].ID, Start: at(uint64(position + 1))})
				}
				stream.mu.Unlock()
			}
			runFor(t, 10*time.Minute, newWorker(stream, out, log, "last"))
			for key, versions := range want {
				var first []string
				for i, k := range out.keys {
					if k == key && !slices.Contains(first, out.seen[i]) {
						first = append(first, out.seen[i])
					}
				}
				require.Equal(t, versions, first, "seed %d", seed)
			}
		})
	}
}

// What is not acknowledged is not in a fact, so the next worker publishes it again.
func TestFactsSayNoMoreThanWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &checkpointtest.Log{}
		start(t, stream, log)
		for i := range 10 {
			stream.add("s", "k", i+1)
		}
		out := &topic{fail: func() bool { return true }}
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		facts := checkpoint.NewFacts(log, "reader", time.Minute)
		require.NoError(t, facts.Refresh(t.Context()))
		require.Empty(t, facts.Shards(1)["s"].Position)
		require.NotEmpty(t, out.seen, "it has tried")
	})
}

// A gap stops its shard and what descends from it, for this worker and for those that follow; another shard goes on.
func TestGapStopsItsShardOnly(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeStream)
		want   string
		shard  string
	}{
		"trimmed behind the position": {func(s *fakeStream) { s.trimmed = map[string]int{"s": 6} }, "no longer has its changes after sequence number 4", "s"},
		"the shard is gone":           {func(s *fakeStream) { s.shards = s.shards[1:] }, "shard s is gone from the stream", "s"},
		"a parent came and went": {func(s *fakeStream) {
			s.shards = append(s.shards, Shard{ID: "grandchild", Parent: "child", Start: at(50)})
		}, "begins after shard child", "grandchild"},
		"the stream was turned off": {func(s *fakeStream) {
			s.shards[0].End, s.shards[0].Last = at(8), true
		}, "turned off after shard s", "s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}, {ID: "other", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
				start(t, stream, log)
				for i := range 4 {
					stream.add("s", "k", i+1)
				}
				runFor(t, time.Minute, newWorker(stream, out, log, "a"))
				for i := range 4 {
					stream.add("s", "k", i+5)
				}
				c.change(stream)
				if !stream.shards[0].Last { // nothing follows such a one
					stream.shards = append(stream.shards, Shard{ID: "heir", Parent: c.shard, Start: at(60)})
					stream.add("heir", "heir", 60)
				}
				for n, name := range []string{"b", "c"} { // the next one does not go on either
					said, w := &errorLines{}, newWorker(stream, out, log, name)
					w.GapAdvice, w.Logger = "call somebody", slog.New(slog.NewTextHandler(said, nil))
					key := fmt.Sprint("other-", n)
					stream.add("other", key, n+1)
					runFor(t, 3*time.Minute+30*time.Second, w)
					require.Contains(t, strings.Join(out.keys, " "), key, "the other shard goes on")
					require.NotContains(t, strings.Join(out.keys, " "), "heir")
					require.Equal(t, 4, said.count("level=ERROR"), "once, and again every minute: %s", said.text())
					require.Equal(t, 4, said.count(c.want))
					require.Equal(t, 4, said.count("call somebody"))
				}
				facts := readFacts(t, log)
				for shard, f := range facts {
					require.Equal(t, shard == c.shard, f.Gap != "", "the status can tell: %+v", f)
				}
				require.Contains(t, facts[c.shard].Gap, c.want)
			})
		})
	}
}

// errorLines is what a worker has logged.
type errorLines struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (l *errorLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

func (l *errorLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *errorLines) count(part string) (lines int) {
	for line := range strings.Lines(l.text()) {
		if strings.Contains(line, part) {
			lines++
		}
	}
	return lines
}

func readFacts(t *testing.T, log checkpoint.Log) map[string]checkpoint.ShardFact {
	t.Helper()
	facts := checkpoint.NewFacts(log, "reader", time.Minute)
	require.NoError(t, facts.Refresh(t.Context()))
	return facts.Shards(1)
}

// A shard that was seen empty not long ago cannot have lost anything, whatever its iterator says.
func TestTrimmedButSeenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		start(t, stream, log)
		forgotten := true
		stream.changes = map[string][]Change{}
		w := newWorker(&forgetful{fakeStream: stream, when: func() bool {
			was := forgotten && len(stream.changes["s"]) > 0
			forgotten = forgotten && !was
			return was
		}}, out, log, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx, []int{0, 1, 2, 3, 4, 5, 6, 7}, 8) }()
		time.Sleep(10 * time.Second)
		stream.add("s", "k", 1)
		time.Sleep(10 * time.Second)
		cancel()
		require.NoError(t, <-ended)
		require.Len(t, out.seen, 1)
		require.False(t, forgotten)
	})
}

// forgetful answers one reading with ErrTrimmed.
type forgetful struct {
	*fakeStream
	when func() bool
}

func (f *forgetful) Records(ctx context.Context, iterator string) (Page, error) {
	f.mu.Lock()
	forget := f.when()
	f.mu.Unlock()
	if forget {
		return Page{}, ErrTrimmed
	}
	return f.fakeStream.Records(ctx, iterator)
}

func TestBadChangeGoesToTheDLQ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1), End: at(3)}}}, &topic{}, &checkpointtest.Log{}
		for i := range 3 {
			stream.add("s", "k", i+1)
		}
		stream.changes["s"][1].Bad, stream.changes["s"][1].Raw = &events.Invalid{Reason: events.KeyMismatch}, []byte("raw")
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		require.Equal(t, []string{"s raw " + string(events.KeyMismatch)}, out.dead)
		require.Len(t, out.seen, 2)
		facts := checkpoint.NewFacts(log, "reader", time.Minute)
		require.NoError(t, facts.Refresh(t.Context()))
		require.True(t, facts.Shards(1)["s"].Done)
		require.EqualValues(t, 3, facts.Shards(1)["s"].Records)
	})
}

func TestStart(t *testing.T) {
	log := &checkpointtest.Log{}
	stream := &fakeStream{shards: []Shard{{ID: "old", Start: at(1), End: at(5)}, {ID: "open", Parent: "old", Start: at(6)}}}
	create := func() (int, map[string]checkpoint.ShardFact) {
		facts := checkpoint.NewFacts(log, "create", time.Minute)
		require.NoError(t, facts.Refresh(t.Context()))
		open, err := Start(t.Context(), stream, facts, 1)
		require.NoError(t, err)
		return open, facts.Shards(1)
	}
	open, facts := create()
	require.Equal(t, 1, open)
	require.True(t, facts["old"].Before)
	require.Equal(t, checkpoint.ShardFact{Generation: 1, Shard: "open", Parent: "old", Start: at(6)}, facts["open"])
	stream.shards[1].End = at(9) // it closes; a second create does not take its start back
	_, again := create()
	require.False(t, again["open"].Before)
}

// An open shard may have lost its beginning when the migration is created: nothing that is needed.
func TestStartOfATrimmedShard(t *testing.T) {
	for name, c := range map[string]struct {
		left int // records that the shard still has at the start
		wait time.Duration
		gap  bool
	}{
		"some left":               {left: 4},
		"some left, late":         {left: 4, wait: 5 * time.Hour},
		"none left":               {left: 0},
		"none left, and too late": {left: 0, wait: 5 * time.Hour, gap: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
				for i := range 10 {
					stream.add("s", "k", i+1)
				}
				stream.trimmed = map[string]int{"s": 10 - c.left}
				start(t, stream, log)
				stream.add("s", "k", 11)
				time.Sleep(c.wait)
				runFor(t, time.Minute, newWorker(stream, out, log, "a"))
				require.Equal(t, c.gap, readFacts(t, log)["s"].Gap != "")
				if c.gap {
					require.Empty(t, out.seen)
					return
				}
				require.Len(t, out.seen, c.left+1, "what was left, and all that came after")
			})
		})
	}
}

// A start is a place: what is trimmed behind it later is a gap.
func TestTrimmedAfterTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, out, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &topic{}, &checkpointtest.Log{}
		for i := range 10 {
			stream.add("s", "k", i+1)
		}
		stream.trimmed = map[string]int{"s": 6}
		start(t, stream, log)
		stream.trimmed = map[string]int{"s": 8}
		runFor(t, time.Minute, newWorker(stream, out, log, "a"))
		require.Contains(t, readFacts(t, log)["s"].Gap, "no longer has its changes")
		require.Empty(t, out.seen)
	})
}
