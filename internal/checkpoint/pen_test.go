package checkpoint_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// paper is what a pen writes on.
type paper struct {
	mu     sync.Mutex
	slow   time.Duration
	fail   error
	fails  int // how many writes fail; below zero: all
	writes [][]int
	told   []error
}

func (p *paper) write(ctx context.Context, facts ...int) error {
	select {
	case <-time.After(p.slow):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != 0 {
		p.fails--
		return p.fail
	}
	p.writes = append(p.writes, facts)
	return nil
}

func (p *paper) notify(err error, _ time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, err)
}

func TestPenKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paper := &paper{slow: time.Second, fail: away, fails: 1}
		pen := checkpoint.NewPen(paper.write, paper.notify)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- pen.Run(ctx) }()
		for i := range 100 {
			pen.Put("s", i)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		cancel()
		require.NoError(t, <-ended)
		require.Less(t, len(paper.writes), 20, "newer facts take the place of those that wait")
		require.Equal(t, []int{99}, paper.writes[len(paper.writes)-1])
		require.Equal(t, []error{away}, paper.told)
	})
}

// What is put just before the end is written still.
func TestPenWritesAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paper := &paper{fail: away, fails: 2}
		pen := checkpoint.NewPen(paper.write, paper.notify)
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 3 {
			pen.Put(strconv.Itoa(i), i)
		}
		cancel()
		require.NoError(t, pen.Run(ctx))
		require.Len(t, paper.writes, 1)
		require.ElementsMatch(t, []int{0, 1, 2}, paper.writes[0])
	})
}

// A log that is away does not keep a worker from ending; the facts are lost, and only work with them.
func TestPenGivesUpAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paper := &paper{fail: away, fails: -1}
		pen := checkpoint.NewPen(paper.write, paper.notify)
		ctx, cancel := context.WithCancel(t.Context())
		pen.Put("s", 1)
		cancel()
		began := time.Now()
		require.NoError(t, pen.Run(ctx))
		require.Less(t, time.Since(began), time.Minute)
		require.ErrorIs(t, paper.told[len(paper.told)-1], away)
	})
}

func TestPenStopsOnWhatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &fault.Error{Class: fault.Fatal, Reason: "broken", What: "write", Err: errors.New("too old")}
		paper := &paper{fail: broken, fails: -1}
		pen := checkpoint.NewPen(paper.write, paper.notify)
		pen.Put("s", 1)
		require.ErrorIs(t, pen.Run(t.Context()), broken)
	})
}
