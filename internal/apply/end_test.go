package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

func TestRefusingDLQStopsTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), events.Record{Key: []byte("garbage")})
		w.letterFault = func(context.Context, events.Record) error { return errTooLarge }
		err := w.run().wait()
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, "orders.live/0@0")
		require.Zero(t, w.progress[liveAt(0)].Offset)
	})
}

func TestFatalStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for n := range uint64(100) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("k50") {
				return false, errDenied
			}
			return true, nil
		}
		err := w.run(one).wait()
		require.ErrorIs(t, err, errDenied)
		require.ErrorContains(t, err, "k50")
		require.Equal(t, int64(50), w.progress[liveAt(0)].Offset, "what is done before is committed, and no more")
	})
}

func TestUnclassifiedErrorStaysFatalWhenTheLastCommitFailsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("b", 1, "v"))
		w.commitErr = &fault.Error{Class: fault.Retry, What: "commit"}
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("b") {
				return false, errors.New("something that no adapter knows")
			}
			return true, nil
		}
		err := w.run(one).wait()
		require.ErrorContains(t, err, "something that no adapter knows")
		require.Equal(t, fault.Fatal, fault.Of(err))
	})
}

// A coordinator that moves while the group hands out partitions anew must not end the worker: it only costs work.
func TestLastCommitThatMayBeTriedAgainEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.commitErr = &fault.Error{Class: fault.Retry, Reason: "kafka-16", What: "commit"}
		r := w.run(one)
		time.Sleep(time.Minute)
		require.NoError(t, r.stop())
		require.Zero(t, w.progress[liveAt(0)].Offset)
	})
}

func TestLastCommitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.commitErr = &fault.Error{Class: fault.Retry, Reason: "kafka-16", What: "commit"}
		r := w.run(one)
		time.Sleep(time.Minute)
		time.AfterFunc(time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.commitErr = nil
		})
		require.NoError(t, r.stop())
		require.Equal(t, int64(1), w.progress[liveAt(0)].Offset)
	})
}

func TestDeletedOffsetStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.start[liveAt(0)] = 1
		err := w.run().wait()
		require.ErrorContains(t, err, "offset 0 of orders.live/0 is deleted")
		require.Equal(t, fault.Fatal, fault.Of(err))
	})
}

// A partition that has lost records stops where it is; the others go on, and it is made known.
func TestAGapStopsItsPartitionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("b", 2, "v"))
		w.append(liveAt(1), change("c", 3, "v"))
		w.progress[liveAt(0)] = Progress{Offset: 0}
		w.start[liveAt(0)] = 1
		told := map[events.TopicPartition]Progress{}
		c := w.config()
		c.Gap = func(_ context.Context, id events.TopicPartition, at Progress) error {
			told[id] = at
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Run(ctx, w.assigned(), w.commit) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		w.append(liveAt(1), change("d", 4, "v"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, told, 1)
		require.True(t, told[liveAt(0)].Lost)
		require.Contains(t, told[liveAt(0)].Gap, "offset 0 of orders.live/0 is deleted")
		require.Equal(t, int64(2), w.progress[liveAt(1)].Offset, "the others go on")
		require.Zero(t, w.progress[liveAt(0)].Offset, "nothing is skipped")
		require.NotContains(t, w.table, `{"pk":{"S":"b"}}`, "nor is what comes after the gap")
		cancel()
		require.NoError(t, <-ended)
	})
}

// A record that the dlq refuses for good stops its partition; what is behind it is not committed, and the others go on.
func TestARecordThatTheDLQRefusesStopsItsPartitionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bad := change("a", 1, "v")
		bad.Key = []byte("no key")
		w.append(liveAt(0), bad)
		w.append(liveAt(0), change("b", 2, "v"))
		w.append(liveAt(1), change("c", 3, "v"))
		w.letterFault = func(context.Context, events.Record) error {
			return &fault.Error{Class: fault.Record, What: "append to the dlq", Err: errors.New("too large")}
		}
		stopped := map[events.TopicPartition]string{}
		c := w.config()
		c.Gap = func(_ context.Context, id events.TopicPartition, at Progress) error {
			require.Zero(t, at.Offset)
			require.False(t, at.Lost, "whoever comes next may try it again")
			stopped[id] = at.Gap
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Run(ctx, w.assigned(), w.commit) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, stopped, 1)
		require.Contains(t, stopped[liveAt(0)], "the dlq refuses record orders.live/0@0")
		require.Zero(t, w.progress[liveAt(0)].Offset, "nothing is committed past it")
		require.Equal(t, int64(1), w.progress[liveAt(1)].Offset, "the others go on")
		cancel()
		require.NoError(t, <-ended)
	})
}

// What is under way when a partition stops is still done and committed, and says with it that the partition has stopped.
func TestWhatIsUnderWayDoesNotHideAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return time.Second }
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("b", 2, "v"))
		c := w.config()
		c.Gap = func(context.Context, events.TopicPartition, Progress) error { return nil }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Run(ctx, w.assigned(), w.commit) }()
		time.Sleep(50 * time.Millisecond) // both are being written
		w.mu.Lock()
		w.start[liveAt(0)] = 5
		w.mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, int64(2), w.progress[liveAt(0)].Offset)
		require.True(t, w.progress[liveAt(0)].Lost)
		require.Contains(t, w.progress[liveAt(0)].Gap, "offset 2 of orders.live/0 is deleted")
		cancel()
		require.NoError(t, <-ended)
	})
}

// A partition that has lost records is never fetched again, whatever its log holds by then; its worker says so.
func TestALostPartitionIsNotFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("b", 2, "v"))
		w.append(liveAt(1), change("c", 3, "v"))
		w.progress[liveAt(0)] = Progress{Offset: 1, Gap: "it ended before 1, and 1 was applied", Lost: true}
		told := map[events.TopicPartition]Progress{}
		c := w.config()
		c.Gap = func(_ context.Context, id events.TopicPartition, at Progress) error {
			told[id] = at
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Run(ctx, w.assigned(), w.commit) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, map[events.TopicPartition]Progress{liveAt(0): {Offset: 1, Gap: "it ended before 1, and 1 was applied", Lost: true}}, told)
		require.NotContains(t, w.table, `{"pk":{"S":"b"}}`)
		require.Contains(t, w.table, `{"pk":{"S":"c"}}`)
		cancel()
		require.NoError(t, <-ended)
	})
}

// A record that the dlq refuses stops its partition, and takes no memory from the others for as long as it waits.
func TestRefusedRecordsKeepNoRoomFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		bad := change("a", 1, strings.Repeat("v", 40<<10))
		bad.Key = []byte("no key")
		w.append(liveAt(0), bad)
		w.append(liveAt(1), change("c", 3, "v"))
		w.letterFault = func(context.Context, events.Record) error {
			return &fault.Error{Class: fault.Record, What: "append to the dlq", Err: errors.New("too large")}
		}
		c := w.config()
		c.MaxBytes = 128 << 10
		c.Gap = func(context.Context, events.TopicPartition, Progress) error { return nil }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- New(c).Run(ctx, w.assigned(), w.commit) }()
		time.Sleep(time.Hour)
		w.append(liveAt(1), change("d", 4, "v"))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, int64(2), w.progress[liveAt(1)].Offset)
		cancel()
		require.NoError(t, <-ended)
	})
}

// Only the end of the context makes an ended worker a success.
func TestCanceledErrorOfAnotherIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.logs[liveAt(0)] = nil
		w.fetchErr = &fault.Error{Class: fault.Fatal, What: "fetch", Err: context.Canceled}
		require.ErrorContains(t, w.run().wait(), "fetch")
	})
}

func TestStaleControlStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.stale = &fault.Error{Class: fault.Fatal, Reason: "control-unread", What: "the control log could not be read"}
		require.ErrorIs(t, w.run().wait(), w.stale)
		require.Empty(t, w.calls, "nothing is written by who may not know of the close")
	})
}

func TestFencedCommitEndsWithoutError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		tries := 0
		err := New(w.config()).Run(t.Context(), w.assigned(), func(context.Context, map[events.TopicPartition]Progress) error {
			tries++
			return fmt.Errorf("commit: %w", ErrFenced)
		})
		require.NoError(t, err)
		require.Equal(t, 1, tries, "who is fenced does not commit again")
	})
}

func TestFatalIsToldAlthoughTheGroupHasMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.append(liveAt(0), change("b", 1, "v"))
		w.commitErr = ErrFenced
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("b") {
				return false, errDenied
			}
			return true, nil
		}
		require.ErrorIs(t, w.run(one).wait(), errDenied)
	})
}

func TestCommitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.append(liveAt(0), change("a", 1, "v"))
		w.commitErr = &fault.Error{Class: fault.Retry, What: "commit"}
		r := w.run(func(c *Config) { c.Logger = nil })
		time.Sleep(time.Second)
		w.mu.Lock()
		require.Zero(t, w.commits)
		w.commitErr = nil
		w.mu.Unlock()
		r.finish()

		w.append(liveAt(0), change("b", 1, "v"))
		w.commitErr = &fault.Error{Class: fault.Fatal, What: "commit refused"}
		require.ErrorContains(t, w.run().wait(), "commit refused")
	})
}

func TestLastCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return time.Second }
		w.append(liveAt(0), change("a", 1, "v"))
		r := w.run(func(c *Config) { c.CommitEvery = time.Hour })
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, r.stop())
		require.Len(t, w.table, 1, "the call under way is finished")
		require.Equal(t, int64(1), w.progress[liveAt(0)].Offset, "and committed")
	})
}
