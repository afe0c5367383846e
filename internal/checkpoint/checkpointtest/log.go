// Package checkpointtest is a checkpoint.Log in memory, for tests.
package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Log is a log in memory. It may be told to fail, to take entries without saying so, and to compact.
type Log struct {
	mu      sync.Mutex
	entries []checkpoint.Entry
	next    int64
	fail    error
	lost    int
}

var _ checkpoint.Log = (*Log)(nil)

// ErrLost is what Append returns when it took the entries and the acknowledgement was lost.
var ErrLost = &fault.Error{Class: fault.Retry, Reason: "lost", What: "append", Err: errors.New("the connection was cut")}

// Fail lets every call fail with err from now on; nil ends that.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// LoseAcks lets the next n appends succeed and return ErrLost.
func (l *Log) LoseAcks(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = n
}

// Append implements checkpoint.Log.
func (l *Log) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cause(ctx, l.fail); err != nil {
		return err
	}
	for _, e := range entries {
		l.entries = append(l.entries, checkpoint.Entry{
			Offset: l.next, Time: time.Now(), Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value),
		})
		l.next++
	}
	if l.lost > 0 {
		l.lost--
		return ErrLost
	}
	return nil
}

// Read implements checkpoint.Log.
func (l *Log) Read(ctx context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	l.mu.Lock()
	err, entries, next := cause(ctx, l.fail), slices.Clone(l.entries), l.next
	l.mu.Unlock()
	if err != nil {
		return from, err
	}
	for _, e := range entries {
		if e.Offset < from {
			continue // read before
		}
		if err := visit(e); err != nil {
			return from, err
		}
	}
	return next, nil
}

func cause(ctx context.Context, fail error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fail
}

// Compact leaves the last entry of each key, as a compacted topic may at any time. The very last entry stays, even an
// erasure.
func (l *Log) Compact() {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]int64{}
	for _, e := range l.entries {
		last[string(e.Key)] = e.Offset
	}
	l.entries = slices.DeleteFunc(l.entries, func(e checkpoint.Entry) bool {
		return last[string(e.Key)] != e.Offset || e.Value == nil && e.Offset < l.next-1
	})
}

// Entries is what the log holds.
func (l *Log) Entries() []checkpoint.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}
