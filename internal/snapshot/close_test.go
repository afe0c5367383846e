package snapshot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
)

// Three workers' closers, one close, and that only when every segment of this generation is done.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control, log := &checkpointtest.Log{}, &checkpointtest.Log{}
		_, err := checkpoint.NewControl(control, "create").Append(t.Context(),
			checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 2, Segments: 2}})
		require.NoError(t, err)
		pen := checkpoint.NewFacts(log, "w", time.Minute)
		done := func(generation uint32, segment, total int) {
			require.NoError(t, pen.WriteSegments(t.Context(), checkpoint.SegmentFact{Generation: generation, Segment: segment, Total: total, Done: true}))
		}
		var (
			all    sync.WaitGroup
			mu     sync.Mutex
			asked  int
			closed int
		)
		for _, name := range []string{"a", "b", "c"} {
			c := &Closer{
				Facts: checkpoint.NewFacts(log, name, time.Minute), Control: checkpoint.NewControl(control, name), Generation: 2, Segments: 2,
				Ends: func(context.Context) (map[int]int64, error) {
					mu.Lock()
					defer mu.Unlock()
					if asked++; asked == 1 {
						return nil, moment
					}
					return map[int]int64{0: 7}, nil
				},
			}
			all.Go(func() {
				require.NoError(t, c.Run(t.Context()))
				mu.Lock()
				defer mu.Unlock()
				closed++
			})
		}
		done(2, 0, 2)
		done(1, 1, 2) // of another generation
		done(2, 1, 4) // of another cut
		time.Sleep(time.Minute)
		require.Zero(t, asked)
		require.Zero(t, closed)
		done(2, 1, 2)
		all.Wait()
		require.Equal(t, 3, closed)
		state, err := checkpoint.NewControl(control, "reader").Refresh(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[int]int64{0: 7}, state.Closed.Ends)
		require.Equal(t, 2, state.Accepted)
	})
}

func TestCloseEndsWithErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no such topic")
		control, log := &checkpointtest.Log{}, &checkpointtest.Log{}
		_, err := checkpoint.NewControl(control, "create").Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1}})
		require.NoError(t, err)
		c := &Closer{
			Facts: checkpoint.NewFacts(log, "a", time.Minute), Control: checkpoint.NewControl(control, "a"), Generation: 1,
			Ends: func(context.Context) (map[int]int64, error) { return nil, broken },
		}
		require.ErrorIs(t, c.Run(t.Context()), broken)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, c.Run(ctx))
	})
}

// A closer of the generation before closes nothing, although all of its segments are done.
func TestCloserOfAnOlderGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control, log := &checkpointtest.Log{}, &checkpointtest.Log{}
		operator := checkpoint.NewControl(control, "operator")
		_, err := operator.Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1, Segments: 1}})
		require.NoError(t, err)
		facts := checkpoint.NewFacts(log, "w", time.Minute)
		require.NoError(t, facts.WriteSegments(t.Context(), checkpoint.SegmentFact{Generation: 1, Total: 1, Done: true}))
		c := &Closer{
			Facts: facts, Control: checkpoint.NewControl(control, "a"), Generation: 1, Segments: 1,
			Ends: func(ctx context.Context) (map[int]int64, error) { // the restart comes just before the close
				_, err := operator.Append(ctx, checkpoint.ControlEntry{Restarted: &checkpoint.Restarted{Generation: 2}})
				return map[int]int64{0: 7}, err
			},
		}
		require.ErrorIs(t, c.Run(t.Context()), checkpoint.ErrNewGeneration)
		state, err := operator.Refresh(t.Context())
		require.NoError(t, err)
		require.Nil(t, state.Closed)
	})
}

// The answer to the close is lost: there is one close, and its closer says so once.
func TestCloseWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		control, log := &checkpointtest.Log{}, &checkpointtest.Log{}
		_, err := checkpoint.NewControl(control, "operator").Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1, Segments: 1}})
		require.NoError(t, err)
		facts := checkpoint.NewFacts(log, "w", time.Minute)
		require.NoError(t, facts.WriteSegments(t.Context(), checkpoint.SegmentFact{Generation: 1, Total: 1, Done: true}))
		control.LoseAcks(1)
		var lines bytes.Buffer
		c := &Closer{
			Facts: facts, Control: checkpoint.NewControl(control, "a"), Generation: 1, Segments: 1, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
			Ends: func(context.Context) (map[int]int64, error) { return map[int]int64{0: 7}, nil },
		}
		require.NoError(t, c.Run(t.Context()))
		require.Equal(t, 1, strings.Count(lines.String(), "the snapshot is closed"), lines.String())
		require.Len(t, control.Entries(), 2)
	})
}
