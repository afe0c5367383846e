package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// obscure holds a change that old builds do not understand.
type obscure struct {
	*fakeStream
	key   string
	old   atomic.Bool
	tries atomic.Int64
}

func (o *obscure) Records(ctx context.Context, iterator string) (Page, error) {
	page, err := o.fakeStream.Records(ctx, iterator)
	for _, c := range page.Changes {
		if o.old.Load() && strings.Contains(string(c.Key), o.key) {
			o.tries.Add(1)
			return Page{}, &fault.Error{Class: fault.Fatal, Reason: "stream", What: "unknown event name", Err: ErrUnreadable}
		}
	}
	return page, err
}

// halting is a shard s of five changes, the last of which is odd, that has a child; and another shard.
func halting(t *testing.T, odd string) (*fakeStream, *checkpointtest.Log) {
	t.Helper()
	stream, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}, {ID: "other", Start: at(1)}}}, &checkpointtest.Log{}
	start(t, stream, log)
	for i := range 4 {
		stream.add("s", fmt.Sprint("k", i), i+1)
	}
	stream.add("s", odd, 5)
	stream.shards[0].End = at(5)
	stream.shards = append(stream.shards, Shard{ID: "child", Parent: "s", Start: at(6)})
	stream.add("child", "child", 6)
	return stream, log
}

// A record that cannot be understood stops its shard, and not for good: a newer build reads on.
func TestUnreadableRecordStopsItsShardUntilANewerBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, log := halting(t, "odd")
		stream, out, said := &obscure{fakeStream: inner, key: "odd"}, &topic{}, &errorLines{}
		stream.old.Store(true)
		w := newWorker(stream, out, log, "old")
		w.Logger = slog.New(slog.NewTextHandler(said, nil))
		time.AfterFunc(2*time.Minute, func() { inner.add("other", "late", 1) })
		runFor(t, 3*time.Minute+30*time.Second, w)
		require.Contains(t, strings.Join(out.keys, " "), "late", "the other shard goes on")
		require.NotContains(t, strings.Join(out.keys, " "), "child")
		require.Equal(t, 4, said.count("level=ERROR"), said.text())
		require.EqualValues(t, 4, stream.tries.Load(), "it is tried again every minute")
		fact := readFacts(t, log)["s"]
		require.Equal(t, at(3), fact.Position)
		require.Contains(t, fact.Stopped, "shard s cannot be captured further than sequence number 3: unknown event name")
		require.Empty(t, fact.Gap)
		require.False(t, fact.Done)

		stream.old.Store(false)
		runFor(t, time.Minute, newWorker(stream, out, log, "new"))
		fact = readFacts(t, log)["s"]
		require.True(t, fact.Done)
		require.Empty(t, fact.Stopped)
		require.Contains(t, strings.Join(out.keys, " "), "odd")
		require.Contains(t, strings.Join(out.keys, " "), "child")
	})
}

// What the stream forgets while a shard is stopped is a gap.
func TestStoppedShardBecomesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, log := halting(t, "odd")
		stream := &obscure{fakeStream: inner, key: "odd"}
		stream.old.Store(true)
		time.AfterFunc(90*time.Second, func() {
			inner.mu.Lock()
			defer inner.mu.Unlock()
			inner.trimmed = map[string]int{"s": 5}
		})
		runFor(t, 3*time.Minute, newWorker(stream, &topic{}, log, "a"))
		fact := readFacts(t, log)["s"]
		require.Contains(t, fact.Gap, "no longer has its changes after sequence number 3")
		require.Empty(t, fact.Stopped)
	})
}

// A change that neither the topic nor the dlq takes stops its shard, until it is taken.
func TestRefusedChangeStopsItsShardOnly(t *testing.T) {
	refusal := &fault.Error{Class: fault.Record, Reason: "MessageSizeTooLarge", What: "append a record of about 3000000 bytes"}
	denial := &fault.Error{Class: fault.Fatal, Reason: "TopicAuthorizationFailed", What: "append to the dlq"}
	for name, bad := range map[string]bool{"too large for the topic": false, "refused by the dlq": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream, log := halting(t, "odd")
				if bad {
					stream.changes["s"][4].Bad, stream.changes["s"][4].Raw = &events.Invalid{Reason: events.KeyMismatch}, []byte("raw")
				}
				out, taken := &topic{}, atomic.Bool{}
				w := newWorker(stream, out, log, "a")
				w.Publish = func(ctx context.Context, records []events.Record) error {
					for _, r := range records {
						if strings.Contains(string(r.Key), "odd") && !taken.Load() {
							return refusal
						}
					}
					return out.publish(ctx, records)
				}
				w.DeadLetter = func(ctx context.Context, raw []byte, why *events.Invalid, where string) error {
					if !taken.Load() {
						return denial
					}
					return out.deadLetter(ctx, raw, why, where)
				}
				time.AfterFunc(2*time.Minute, func() {
					stream.add("other", "late", 1)
				})
				var stopped checkpoint.ShardFact
				time.AfterFunc(150*time.Second, func() {
					stopped = readFacts(t, log)["s"]
					taken.Store(true)
				})
				runFor(t, 4*time.Minute, w)
				require.Contains(t, stopped.Stopped, "cannot be captured further than sequence number 3")
				require.False(t, stopped.Done)
				require.Contains(t, strings.Join(out.keys, " "), "late")
				fact := readFacts(t, log)["s"]
				require.True(t, fact.Done, "it goes on by itself once it can")
				require.Empty(t, fact.Stopped)
				require.EqualValues(t, 5, fact.Records)
			})
		})
	}
}

// What concerns all shards still ends the worker.
func TestErrorOfTheTopicEndsCapture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, log := halting(t, "odd")
		w := newWorker(stream, &topic{}, log, "a")
		w.Publish = func(context.Context, []events.Record) error {
			return &fault.Error{Class: fault.Fatal, Reason: "TopicAuthorizationFailed", What: "append", Err: errors.New("denied")}
		}
		require.ErrorContains(t, w.Run(t.Context(), []int{0, 1, 2, 3, 4, 5, 6, 7}, 8), "denied")
	})
}

// What this capture cannot have any more, another one has published: there is no gap.
func TestTrimmedBehindAnotherCaptureIsNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, log := &fakeStream{shards: []Shard{{ID: "s", Start: at(1)}}}, &checkpointtest.Log{}
		start(t, stream, log)
		for n := range 12 {
			stream.add("s", "k", n+1)
		}
		behind := &answering{fakeStream: stream, first: func() {
			say(t, log, 9, false) // after this one has read the facts
			stream.mu.Lock()
			defer stream.mu.Unlock()
			stream.trimmed = map[string]int{"s": 9}
		}}
		out := &topic{}
		runFor(t, time.Minute, newWorker(behind, out, log, "a"))
		fact := readFacts(t, log)["s"]
		require.Empty(t, fact.Gap)
		require.Equal(t, at(12), fact.Position)
		require.Len(t, out.seen, 3)
	})
}

// answering calls first before the first iterator is answered.
type answering struct {
	*fakeStream
	first func()
	asked atomic.Bool
}

func (a *answering) Iterator(ctx context.Context, shard string, from From) (string, error) {
	if a.asked.CompareAndSwap(false, true) {
		a.first()
	}
	return a.fakeStream.Iterator(ctx, shard, from)
}

// A stream that was turned off stops all its shards; they are counted, not all named.
func TestManyHaltsAreSaidInFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, log, said := &fakeStream{}, &checkpointtest.Log{}, &errorLines{}
		for n := range 100 {
			stream.shards = append(stream.shards, Shard{ID: fmt.Sprintf("s%03d", n), Start: at(1)})
		}
		start(t, stream, log)
		for n := range stream.shards {
			stream.shards[n].End, stream.shards[n].Last = at(1), true
		}
		w := newWorker(stream, &topic{}, log, "a")
		w.Logger = slog.New(slog.NewTextHandler(said, nil))
		runFor(t, 5*time.Minute+30*time.Second, w)
		for shard, f := range readFacts(t, log) {
			require.Contains(t, f.Gap, "turned off after shard "+shard)
		}
		require.LessOrEqual(t, said.count("level=ERROR"), 100+5*(maxNamed+1))
		require.GreaterOrEqual(t, said.count("level=ERROR"), 5*(maxNamed+1))
	})
}
