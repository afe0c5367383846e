package walk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// page is one of a fake table.
type page struct {
	segment, number int
	items           int
	last            []byte
	units           float64
}

func (p page) Extent() Extent { return Extent{Last: p.last, Units: p.units, Items: p.items} }

func (p page) name() string { return fmt.Sprintf("%d/%d", p.segment, p.number) }

// table is a fake one: for each segment, how many items its pages have. The key that a page ends with is its number.
type table struct {
	segments [][]int
	// before is asked before each read; its error is returned instead. May be nil.
	before func(ctx context.Context, segment, number int) error

	mu      sync.Mutex
	read    []string // pages, in the order of their reads
	visited map[string]int
	open    map[int]int // by segment: pages that were read, and are not visited
	most    map[int]int // of open
}

func newTable(segments ...[]int) *table {
	return &table{segments: segments, visited: map[string]int{}, open: map[int]int{}, most: map[int]int{}}
}

func (s *table) scan(ctx context.Context, segment, total int, after []byte) (page, error) {
	if total != len(s.segments) {
		return page{}, fmt.Errorf("of %d segments", total)
	}
	number := 0
	if after != nil {
		last, err := strconv.Atoi(string(after))
		if err != nil {
			return page{}, err
		}
		number = last + 1
	}
	if s.before != nil {
		if err := s.before(ctx, segment, number); err != nil {
			return page{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := page{segment: segment, number: number, items: s.segments[segment][number], units: 10}
	if number+1 < len(s.segments[segment]) {
		p.last = []byte(strconv.Itoa(number))
	}
	s.read = append(s.read, p.name())
	s.open[segment]++
	s.most[segment] = max(s.most[segment], s.open[segment])
	return p, nil
}

func (s *table) visit(_ context.Context, _ Place, p page) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visited[p.name()]++
	s.open[p.segment]--
	return nil
}

// walk is one over the table.
func (s *table) walk(change ...func(*Walk[page])) Walk[page] {
	w := Walk[page]{Table: "the old table", Source: s.scan, Visit: s.visit}
	for _, f := range change {
		f(&w)
	}
	return w
}

// once is every page, visited once.
func (s *table) once() map[string]int {
	all := map[string]int{}
	for segment, pages := range s.segments {
		for number := range pages {
			all[page{segment: segment, number: number}.name()] = 1
		}
	}
	return all
}

var three = [][]int{{3, 0, 0, 2}, {0}, {0, 0, 5}} // with empty pages at the beginning, in the middle and at the end

func TestAWalkVisitsAllPagesOfAllSegmentsOnce(t *testing.T) {
	for _, atOnce := range []int{0, 1, 2} {
		for _, inFlight := range []int{0, 1, 3} {
			synctest.Test(t, func(t *testing.T) {
				s := newTable(three...)
				places := map[int]Place{}
				require.NoError(t, s.walk(func(w *Walk[page]) {
					w.AtOnce, w.PagesInFlight = atOnce, inFlight
					w.Finished = func(p Place) { places[p.Segment] = p }
				}).Run(t.Context(), All(3)))
				require.Equal(t, s.once(), s.visited)
				require.Equal(t, map[int]Place{
					0: {Segment: 0, Total: 3, Done: true, Pages: 4, Items: 5},
					1: {Segment: 1, Total: 3, Done: true, Pages: 1},
					2: {Segment: 2, Total: 3, Done: true, Pages: 3, Items: 5},
				}, places)
			})
		}
	}
}

func TestAWalkWithOneSegmentAtOnceGoesInTheOrderOfItsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(three...)
		places := All(3)
		slices.Reverse(places)
		require.NoError(t, s.walk(func(w *Walk[page]) { w.AtOnce = 1 }).Run(t.Context(), places))
		require.Equal(t, []string{"2/0", "2/1", "2/2", "1/0", "0/0", "0/1", "0/2", "0/3"}, s.read)
	})
}

func TestAWalkGoesOnFromAPlaceInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(three...)
		var last Place
		require.NoError(t, s.walk(func(w *Walk[page]) { w.Finished = func(p Place) { last = p } }).Run(t.Context(), []Place{
			{Segment: 0, Total: 3, After: []byte("1"), Pages: 2, Items: 3},
			{Segment: 2, Total: 3, Done: true, Pages: 3, Items: 5},
		}))
		require.Equal(t, map[string]int{"0/2": 1, "0/3": 1}, s.visited, "what is done is not read, nor is what nobody asked for")
		require.Equal(t, Place{Segment: 0, Total: 3, Done: true, Pages: 4, Items: 5}, last, "the counts go on too")
	})
}

// An answer that was lost in the middle, many times: nothing is visited twice, and nothing is left out.
func TestAPageThatFailsIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable(three...)
		failed, told := map[string]int{}, 0
		s.before = func(_ context.Context, segment, number int) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			name := page{segment: segment, number: number}.name()
			if failed[name]++; failed[name] <= 3 {
				return &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "scan"}
			}
			return nil
		}
		require.NoError(t, s.walk(func(w *Walk[page]) {
			w.AtOnce = 1
			w.Notify = func(error, time.Duration) { told++ }
		}).Run(t.Context(), All(3)))
		require.Equal(t, s.once(), s.visited)
		require.Equal(t, 3*8, told)
	})
}

func TestPagesInFlightAreBounded(t *testing.T) {
	for _, most := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := newTable(make([]int, 50), make([]int, 50))
			require.NoError(t, s.walk(func(w *Walk[page]) {
				w.PagesInFlight = most
				w.Visit = func(ctx context.Context, to Place, p page) error {
					time.Sleep(time.Second)
					return s.visit(ctx, to, p)
				}
			}).Run(t.Context(), All(2)))
			require.Equal(t, s.once(), s.visited)
			require.Equal(t, map[int]int{0: most, 1: most}, s.most)
		})
	}
}

// A page that overtakes another one moves no place: what was told before it is true.
func TestAPlaceWaitsForThePagesBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTable([]int{1, 1, 1, 1})
		var told []int64
		began := time.Now()
		require.NoError(t, s.walk(func(w *Walk[page]) {
			w.PagesInFlight = 3
			w.Visit = func(_ context.Context, _ Place, p page) error {
				if p.number == 0 {
					time.Sleep(time.Minute)
				}
				return nil
			}
			w.Finished = func(p Place) {
				require.Equal(t, time.Minute, time.Since(began), "all waited for the first")
				told = append(told, p.Pages)
			}
		}).Run(t.Context(), All(1)))
		require.Equal(t, []int64{3, 4}, told)
	})
}

// One segment is throttled, and all of them slow down.
func TestThrottlingSlowsAllSegments(t *testing.T) {
	elapsed := func(throttled int, as fault.Throttle) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newTable(make([]int, 200), make([]int, 200), make([]int, 200), make([]int, 200))
			s.before = func(context.Context, int, int) error {
				time.Sleep(10 * time.Millisecond)
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(s.read) > 100 && throttled > 0 {
					throttled--
					return &fault.Error{Class: fault.Retry, Throttle: as, What: "scan"}
				}
				return nil
			}
			began := time.Now()
			require.NoError(t, s.walk().Run(t.Context(), All(4)))
			require.Equal(t, s.once(), s.visited)
			took = time.Since(began)
		})
		return took
	}
	require.Equal(t, 2*time.Second, elapsed(0, fault.TableThrottled), "four pages every 10 ms")
	require.Greater(t, elapsed(1, fault.TableThrottled), 5*time.Second, "one refusal bounds the rate of all")
	require.Less(t, elapsed(1, fault.RangeThrottled), 5*time.Second, "a range is its segment's own matter")
}

// A walk that shares its Reads takes no more than they give.
func TestWalksShareAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := NewReads(100)
		began := time.Now()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				s := newTable(make([]int, 100))
				require.NoError(t, s.walk(func(w *Walk[page]) { w.Reads = reads }).Run(t.Context(), All(1)))
			})
		}
		both.Wait()
		require.InDelta(t, 20, time.Since(began).Seconds(), 2, "200 pages of 10 units, 100 units a second")
	})
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	for name, c := range map[string]struct {
		read  func(context.Context) error
		visit func(context.Context) error
	}{
		"while it reads": {read: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}},
		"while it retries": {read: func(context.Context) error { return &fault.Error{Class: fault.Retry, What: "scan"} }},
		"while it visits": {visit: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}},
		"while a visitor does not listen": {visit: func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := errors.New("told to end")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(told) })
				s := newTable(three...)
				if c.read != nil {
					s.before = func(ctx context.Context, _, _ int) error { return c.read(ctx) }
				}
				err := s.walk(func(w *Walk[page]) {
					if c.visit != nil {
						w.Visit = func(ctx context.Context, _ Place, _ page) error { return c.visit(ctx) }
					}
				}).Run(ctx, All(3))
				require.ErrorIs(t, err, told, "a walk that has not come to its end does not say so")
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := newTable(three...)
		require.ErrorIs(t, s.walk().Run(ctx, All(3)), context.Canceled)
		require.Empty(t, s.read)
		require.NoError(t, s.walk().Run(ctx, nil), "nothing was to be done, and that is done")
	})
}

// An error that is not worth a retry ends all segments, and says where it was; after it nothing is visited any more.
func TestAFatalErrorEndsAll(t *testing.T) {
	broken := &fault.Error{Class: fault.Fatal, Reason: "refused", What: "scan"}
	synctest.Test(t, func(t *testing.T) {
		s := newTable(make([]int, 1000), make([]int, 1000), make([]int, 1000))
		s.before = func(_ context.Context, segment, number int) error {
			if segment == 1 && number == 7 {
				return broken
			}
			time.Sleep(time.Second)
			return nil
		}
		err := s.walk().Run(t.Context(), All(3))
		require.ErrorIs(t, err, broken)
		require.Equal(t, "segment 1 of 3 of the old table: scan", err.Error())
		require.Less(t, len(s.read), 30)
	})
	synctest.Test(t, func(t *testing.T) {
		s := newTable(make([]int, 1000), make([]int, 1000), make([]int, 1000))
		visits := 0
		err := s.walk(func(w *Walk[page]) {
			w.AtOnce = 1
			w.Visit = func(context.Context, Place, page) error {
				if visits++; visits == 7 {
					return broken
				}
				return nil
			}
		}).Run(t.Context(), All(3))
		require.Equal(t, broken, err, "what a visitor says is left as it is")
		require.Equal(t, 7, visits)
	})
}

// A table of little capacity is read for as long as that takes; one that does not answer is given up.
func TestPatienceIsForAPageThatDoesNotAnswer(t *testing.T) {
	patient := func(w *Walk[page]) { w.Patience = 30 * time.Second }
	noAnswer := &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "scan"}
	for _, as := range []fault.Throttle{fault.TableThrottled, fault.RangeThrottled, fault.UnnamedThrottled} {
		synctest.Test(t, func(t *testing.T) {
			s, began := newTable(three...), time.Now()
			throttled := &fault.Error{Class: fault.Retry, Throttle: as, Reason: "throttled", What: "scan"}
			s.before = func(context.Context, int, int) error {
				if time.Since(began) < 5*time.Minute {
					return throttled
				}
				return nil
			}
			require.NoError(t, s.walk(patient).Run(t.Context(), All(3)))
			require.Equal(t, s.once(), s.visited)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s.before = func(context.Context, int, int) error { return throttled }
			require.ErrorIs(t, s.walk(patient).Run(ctx, All(3)), context.DeadlineExceeded)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s, began := newTable(three...), time.Now()
		s.before = func(context.Context, int, int) error { return noAnswer }
		err := s.walk(patient).Run(t.Context(), All(3))
		require.ErrorContains(t, err, "gave up after 30s")
		require.ErrorIs(t, err, noAnswer)
		require.GreaterOrEqual(t, time.Since(began), 30*time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		s, began := newTable([]int{0, 0, 0, 0}), time.Now()
		reads := NewReads(1) // so that each page waits for ten seconds, and the one that fails waits for its turn too
		failures := 0
		s.before = func(_ context.Context, _, number int) error {
			if number == 2 && failures < 2 {
				failures++
				_, _ = reads.Lookup(t.Context(), func() (bool, float64, error) { return true, 100, nil }) // another's, meanwhile
				return noAnswer
			}
			return nil
		}
		require.NoError(t, s.walk(patient, func(w *Walk[page]) { w.Reads = reads }).Run(t.Context(), All(1)))
		require.Greater(t, time.Since(began), 2*time.Minute, "the wait for a turn is not a failure")
	})
}

// plan is a table, and a walk over it that is killed again and again.
type plan struct {
	segments         [][]int
	atOnce, inFlight int
	kills            []int // after so many reads and visits
	seed             uint64
}

// Whenever a walk is killed, what it had told is safe to go on from: in the end every page was visited, and no place ever
// said more than that.
func TestTheToldPlacesAreSafeToGoOnFrom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := plan{
			segments: rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 3), 1, 12), 1, 5).Draw(rt, "segments"),
			atOnce:   rapid.IntRange(1, 4).Draw(rt, "at once"), inFlight: rapid.IntRange(1, 4).Draw(rt, "in flight"),
			kills: rapid.SliceOfN(rapid.IntRange(0, 60), 0, 6).Draw(rt, "kills"), seed: rapid.Uint64().Draw(rt, "seed"),
		}
		var err error
		synctest.Test(t, func(t *testing.T) { err = p.play(t.Context()) })
		require.NoError(rt, err)
	})
}

func (p plan) play(ctx context.Context) error {
	s := newTable(p.segments...)
	rng := rand.New(rand.NewPCG(p.seed, 1))
	places := All(len(p.segments))
	var problems []error
	for _, after := range append(p.kills, 1<<30) {
		ctx, kill := context.WithCancel(ctx)
		step := func(what string) error { // a read or a visit takes a moment, and may be the last thing that happens
			s.mu.Lock()
			if after--; after < 0 {
				kill()
			}
			moment, failed := time.Duration(rng.IntN(1000))*time.Millisecond, rng.IntN(6) == 0
			s.mu.Unlock()
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(moment):
			}
			if failed && what == "read" {
				return &fault.Error{Class: fault.Retry, What: "scan"}
			}
			return nil
		}
		s.before = func(context.Context, int, int) error { return step("read") }
		err := s.walk(func(w *Walk[page]) {
			w.AtOnce, w.PagesInFlight = p.atOnce, p.inFlight
			w.Visit = func(ctx context.Context, to Place, page page) error {
				if err := step("visit"); err != nil {
					return err
				}
				return s.visit(ctx, to, page)
			}
			w.Finished = func(at Place) {
				problems = append(problems, s.covered(at))
				places[at.Segment] = at
			}
		}).Run(ctx, slices.Clone(places))
		kill()
		if err == nil {
			for segment, at := range places {
				if !at.Done || at.Pages != int64(len(p.segments[segment])) {
					problems = append(problems, fmt.Errorf("the walk has come to its end, and segment %d is at %+v", segment, at))
				}
			}
			return errors.Join(problems...)
		}
		if !errors.Is(err, context.Canceled) {
			problems = append(problems, err)
		}
	}
	return errors.Join(append(problems, errors.New("it does not come to its end"))...)
}

// covered reports a place that says more than was visited.
func (s *table) covered(at Place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := int64(0)
	for number := range int(at.Pages) {
		items += int64(s.segments[at.Segment][number])
		if s.visited[page{segment: at.Segment, number: number}.name()] == 0 {
			return fmt.Errorf("%+v was told, and page %d was not visited", at, number)
		}
	}
	if items != at.Items {
		return fmt.Errorf("%+v was told, and there are %d items before it", at, items)
	}
	return nil
}
