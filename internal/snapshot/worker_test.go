package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
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

var moment = &fault.Error{Class: fault.Retry, Reason: "away", What: "read", Err: errors.New("a moment")}

// table is a source with pages of three rows, and a topic whose acknowledgements come in any order. Item is the row's
// key.
type table struct {
	mu        sync.Mutex
	rng       *rand.Rand
	rows      int // of each segment
	published map[string]int
	dead      map[string]int
	scans     int
	stuck     string // a row whose publishing never ends
}

func newTable(seed uint64, rows int) *table {
	return &table{rng: rand.New(rand.NewPCG(seed, 4)), rows: rows, published: map[string]int{}, dead: map[string]int{}}
}

func (s *table) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func rowKey(segment, n int) string { return fmt.Sprintf(`{"pk":{"S":"%d-%d"}}`, segment, n) }

func (s *table) Scan(ctx context.Context, segment, _ int, after []byte) (Page, error) {
	if ctx.Err() != nil {
		return Page{}, context.Cause(ctx)
	}
	if s.roll(10) == 0 {
		return Page{}, moment
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scans++
	from := 0
	if after != nil {
		var err error
		if from, err = strconv.Atoi(string(after)); err != nil {
			return Page{}, err
		}
	}
	page := Page{Units: 3}
	for n := from; n < min(from+3, s.rows); n++ {
		key := rowKey(segment, n)
		if n%7 == 5 {
			page.Bad = append(page.Bad, BadRow{Item: []byte(key), Err: &events.Invalid{Reason: events.KeyMismatch}})
		} else {
			page.Rows = append(page.Rows, Row{Key: events.Key(key), Item: []byte(key)})
		}
	}
	if from+3 < s.rows {
		page.Last = []byte(strconv.Itoa(from + 3))
	}
	return page, nil
}

func (s *table) publish(ctx context.Context, records []events.Record) error {
	select {
	case <-time.After(time.Duration(s.roll(200)) * time.Millisecond): // so acknowledgements overtake each other
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.roll(10) == 0 {
		return moment
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		if string(r.Key) == s.stuck {
			return moment
		}
	}
	for _, r := range records {
		s.published[string(r.Key)]++
	}
	return nil
}

func (s *table) deadLetter(_ context.Context, item []byte, _ *events.Invalid, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead[string(item)]++
	return nil
}

type always struct{}

func (always) Fresh() error { return nil }

func (s *table) worker(log checkpoint.Log, name string, segments int) *Worker {
	return New(Config{
		Source: s, Publish: s.publish, DeadLetter: s.deadLetter, Facts: checkpoint.NewFacts(log, name, time.Minute),
		Watch: always{}, Generation: 1, Segments: segments, AtOnce: 3,
	})
}

func runFor(t *testing.T, d time.Duration, w *Worker, partitions ...int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, w.Run(ctx, partitions, 2))
}

func facts(t *testing.T, log checkpoint.Log) *checkpoint.Facts {
	t.Helper()
	f := checkpoint.NewFacts(log, "reader", time.Minute)
	require.NoError(t, f.Refresh(t.Context()))
	return f
}

// Workers come and go at any moment. In the end every row is published or in the dlq, and no fact ever said more than
// that.
func TestEveryRowIsPublished(t *testing.T) {
	const segments, rows = 6, 50
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			table, log := newTable(seed, rows), &checkpointtest.Log{}
			arrived := func(segment, n int) bool {
				return table.published[rowKey(segment, n)]+table.dead[rowKey(segment, n)] > 0
			}
			for i := 0; ; i++ {
				require.Less(t, i, 1000, "it does not come to its end")
				runFor(t, time.Duration(table.roll(3000))*time.Millisecond, table.worker(log, fmt.Sprint("w", i), segments), i%2)
				done := 0
				for _, f := range facts(t, log).Segments(1) {
					for n := range int(f.Items) {
						require.True(t, arrived(f.Segment, n), "seed %d segment %d row %d", seed, f.Segment, n)
					}
					if f.Done {
						require.EqualValues(t, rows, f.Items)
						done++
					}
				}
				if done == segments {
					break
				}
			}
			for s := range segments {
				for n := range rows {
					require.True(t, arrived(s, n))
				}
			}
			require.Len(t, table.dead, segments*7, "n mod 7 is 5")
			// A worker that finds nothing to do reads nothing.
			scans := table.scans
			runFor(t, time.Minute, table.worker(log, "late", segments), 0, 1)
			require.Equal(t, scans, table.scans)
		})
	}
}

// Invariant 2 and 8: a page that is not acknowledged holds the fact back, and only a few more are read.
func TestStuckPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, log := newTable(1, 3000), &checkpointtest.Log{}
		table.stuck = rowKey(0, 31) // in the eleventh page
		runFor(t, time.Hour, table.worker(log, "a", 1), 0)
		fact, ok := facts(t, log).Segment(1, 0, 1)
		require.True(t, ok)
		require.EqualValues(t, 10, fact.Pages)
		require.EqualValues(t, 30, fact.Items)
		require.Equal(t, "30", string(fact.LastKey))
		require.LessOrEqual(t, table.scans, 15)
		require.Zero(t, table.published[rowKey(0, 31)])
	})
}

type stale struct{}

func (stale) Fresh() error {
	return &fault.Error{Class: fault.Fatal, Reason: "control-unread", What: "the control log could not be read"}
}

func TestWorkerThatIsCutOffPublishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, log := newTable(1, 30), &checkpointtest.Log{}
		w := table.worker(log, "a", 1)
		w.Watch = stale{}
		require.ErrorContains(t, w.Run(t.Context(), []int{0}, 1), "control log could not be read")
		require.Empty(t, table.published)
		require.Empty(t, log.Entries())
	})
}
