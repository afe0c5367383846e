package apply

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// in puts a record at a place.
func in(id events.TopicPartition, offset int64, r events.Record) events.Record {
	r.TopicPartition, r.Offset = id, offset
	return r
}

func decide(rules Rules, r events.Record) (events.Event, Outcome, error) {
	state := checkpoint.State{Created: &checkpoint.Created{Generation: 1}}
	return rules.Decide(events.NewDecoder(schema), r, state)
}

func requireReason(t *testing.T, err error, want events.Reason) {
	t.Helper()
	invalid, ok := errors.AsType[*events.Invalid](err)
	require.True(t, ok, "%v is no *Invalid", err)
	require.Equal(t, want, invalid.Reason, err.Error())
}

func versioned(r events.Record, v events.Version) events.Record {
	r.Headers = append(r.Headers, events.Header{Key: events.HeaderVersion, Value: []byte(v.String())})
	return r
}

func TestDecideRefuses(t *testing.T) {
	rules := newWorld(t).rules
	reserved := read("a", "v")
	reserved.Value = []byte(`{"pk":{"S":"a"},"crossfade_v\u0065rsion":{"N":"1"}}`)
	plain := events.Record{Key: []byte(keyOf("a")), Value: item("a", "v").Raw}
	for _, c := range []struct {
		name string
		at   events.TopicPartition
		r    events.Record
		want events.Reason
	}{
		{"garbage in the snapshot", snapshotAt(0), events.Record{Key: []byte("?")}, events.KeyMismatch},
		{"a garbage item", snapshotAt(0), events.Record{Key: []byte(keyOf("a")), Value: []byte("?")}, events.Undecodable},
		{"a snapshot record without version", snapshotAt(0), plain, events.Undecodable},
		{"a snapshot record with a live version", snapshotAt(0), change("a", 1, "v"), events.Undecodable},
		{"a delete in the snapshot", snapshotAt(0), versioned(events.Record{Key: []byte(keyOf("a"))}, events.Version{Generation: 1}), events.Undecodable},
		{"a change without version", liveAt(0), plain, events.Undecodable},
		{"a change with a snapshot version", liveAt(0), read("a", "v"), events.Undecodable},
		{"a reserved attribute, escaped", snapshotAt(0), reserved, events.Reserved},
	} {
		_, dropped, err := decide(rules, in(c.at, 0, c.r))
		require.Zero(t, dropped, c.name)
		requireReason(t, err, c.want)
	}
	_, _, err := decide(rules, in(events.TopicPartition{Topic: "other"}, 0, plain))
	require.Equal(t, fault.Fatal, fault.Of(err), "a topic that nobody assigned is no record's fault: %v", err)
}

func TestDecideAppOffsets(t *testing.T) {
	rules := newWorld(t).rules
	rules.From = FromApp
	home := liveAt(events.PartitionOf([]byte(keyOf("a")), rules.LivePartitions))
	other := liveAt((home.Partition + 1) % rules.LivePartitions)
	plain := events.Record{Key: []byte(keyOf("a")), Value: item("a", "v").Raw}

	e, _, err := decide(rules, in(home, 42, plain))
	require.NoError(t, err)
	require.Equal(t, liveVersion(42), e.Version)
	require.Equal(t, events.Write, e.Op)

	_, _, err = decide(rules, in(other, 42, plain))
	requireReason(t, err, events.Misplaced)

	spaced := plain
	spaced.Key = []byte(strings.ReplaceAll(string(plain.Key), ":", ": "))
	for p := range rules.LivePartitions {
		_, _, err = decide(rules, in(liveAt(p), 42, spaced))
		requireReason(t, err, events.Misplaced)
	}

	_, _, err = decide(rules, in(home, 42, versioned(plain, liveVersion(9))))
	requireReason(t, err, events.Undecodable)

	tombstone := events.Record{Key: plain.Key, Headers: []events.Header{{Key: events.HeaderOp, Value: []byte("tombstone")}}}
	e, _, err = decide(rules, in(home, 43, tombstone))
	require.NoError(t, err)
	require.Equal(t, events.Tombstone, e.Op)
	require.Equal(t, liveVersion(43), e.Version)
}

func TestDecideAppPositions(t *testing.T) {
	rules := newWorld(t).rules
	rules.From, rules.PositionHeader = FromApp, true
	plain := events.Record{Key: []byte(` {"pk" : {"S":"a"}}`), Value: item("a", "v").Raw}

	_, _, err := decide(rules, in(liveAt(0), 42, plain))
	requireReason(t, err, events.Misplaced)

	plain.Headers = []events.Header{{Key: events.HeaderPosition, Value: []byte("7")}}
	for p := range rules.LivePartitions {
		e, _, err := decide(rules, in(liveAt(p), 42, plain))
		require.NoError(t, err, "a position orders changes whatever partition they come in")
		require.Equal(t, liveVersion(7), e.Version)
		require.Equal(t, keyOf("a"), e.Key)
	}
}

func TestDecideNone(t *testing.T) {
	rules := newWorld(t).rules
	rules.From = FromNone
	e, _, err := decide(rules, in(snapshotAt(0), 0, read("a", "v")))
	require.NoError(t, err)
	require.Equal(t, string(item("a", "v").Raw), string(e.Item.Raw), "byte for byte")
	_, _, err = decide(rules, in(liveAt(0), 0, change("a", 1, "v")))
	require.Equal(t, fault.Fatal, fault.Of(err), "the form none has no live changes")
}

func TestDecideStampsTheRerun(t *testing.T) {
	rules := newWorld(t).rules
	rules.Rerun = 7
	e, _, err := decide(rules, in(liveAt(0), 0, change("a", 1, "v")))
	require.NoError(t, err)
	require.Equal(t, uint16(7), e.Version.Rerun)
	require.Positive(t, e.Version.Compare(liveVersion(1)))
}

func TestDecideClose(t *testing.T) {
	rules := newWorld(t).rules
	d := events.NewDecoder(schema)
	state := checkpoint.State{Created: &checkpoint.Created{Generation: 1}, Closed: closedAt(10)}
	for _, c := range []struct {
		at     events.TopicPartition
		offset int64
		r      events.Record
		want   Outcome
	}{
		{snapshotAt(0), 9, read("a", "v"), 0},
		{snapshotAt(0), 10, read("a", "v"), PastClose},
		{snapshotAt(0), 11, events.Record{Key: []byte("garbage")}, PastClose},
		{snapshotAt(1), 0, read("a", "v"), PastClose}, // a partition that had no record at the close
		{liveAt(0), 99, change("a", 1, "v"), 0},
	} {
		_, dropped, err := rules.Decide(d, in(c.at, c.offset, c.r), state)
		require.NoError(t, err)
		require.Equal(t, c.want, dropped, "%s@%d", c.at, c.offset)
	}
}

func TestDecideGenerations(t *testing.T) {
	rules := newWorld(t).rules
	d := events.NewDecoder(schema)
	state := checkpoint.State{Created: &checkpoint.Created{Generation: 2}}
	_, dropped, err := rules.Decide(d, in(liveAt(0), 0, change("a", 1, "v")), state)
	require.NoError(t, err)
	require.Equal(t, OldGen, dropped)

	newer := versioned(change("a", 1, "v"), events.Version{Generation: 3, Class: events.Live, Position: events.PositionAt(0)})
	_, dropped, err = rules.Decide(d, in(liveAt(0), 0, newer), state)
	require.Zero(t, dropped)
	require.Equal(t, fault.Retry, fault.Of(err))
}

// The snapshot of the next generation is published behind the close of this one, and to an applier that has not read of
// the restart yet it must not look like a zombie's.
func TestSnapshotOfTheNextGenerationIsNotPastTheClose(t *testing.T) {
	rules := newWorld(t).rules
	d := events.NewDecoder(schema)
	state := checkpoint.State{Created: &checkpoint.Created{Generation: 1}, Closed: closedAt(10)}
	next := events.Encode(events.Event{Key: keyOf("a"), Op: events.Write, Version: events.Version{Generation: 2}, Item: item("a", "v")})
	_, dropped, err := rules.Decide(d, in(snapshotAt(0), 10, next), state)
	require.Zero(t, dropped)
	require.Equal(t, fault.Retry, fault.Of(err))
}

func TestAppForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rules.From = FromApp
		home := events.PartitionOf([]byte(keyOf("a")), w.rules.LivePartitions)
		for n := range 5 {
			w.append(liveAt(home), events.Record{Key: []byte(keyOf("a")), Value: item("a", fmt.Sprint(n)).Raw})
		}
		w.append(liveAt((home+1)%4), events.Record{Key: []byte(keyOf("a")), Value: item("a", "astray").Raw})
		w.append(snapshotAt(0), read("a", "read"))
		w.run().finish()
		require.Equal(t, row{liveVersion(4).String(), events.Write, string(item("a", "4").Raw)}, w.table[string(keyOf("a"))])
		require.Equal(t, map[string]events.Reason{fmt.Sprintf("orders.live/%d@0", (home+1)%4): events.Misplaced}, w.letters)
	})
}

func TestDeadRecordsOfEveryReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reserved := read("r", "v")
		reserved.Value = []byte(`{"pk":{"S":"r"},"crossfade_version":{"S":"x"}}`)
		w.append(snapshotAt(0), read("a", "v"))
		w.append(snapshotAt(0), reserved)
		w.append(snapshotAt(0), events.Record{Key: []byte("garbage"), Value: []byte("garbage")})
		w.append(snapshotAt(0), events.Record{Key: []byte(keyOf("u")), Value: []byte("garbage")})
		w.append(snapshotAt(0), read("b", "v"))
		w.run(one).finish()
		require.Equal(t, map[string]events.Reason{
			"orders.snapshot/0@1": events.Reserved, "orders.snapshot/0@2": events.KeyMismatch, "orders.snapshot/0@3": events.Undecodable,
		}, w.letters)
		require.Len(t, w.table, 2)
		require.Equal(t, Counts{Applied: 2, Dead: 3}, w.counts())
	})
}

func TestCloseOvertakesWaitingRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return time.Second }
		for n := range 100 {
			w.append(snapshotAt(0), read(fmt.Sprintf("s%d", n), "v"))
		}
		r := w.run(one)
		time.Sleep(500 * time.Millisecond) // the first batch is under way, the others wait, decoded
		w.mu.Lock()
		w.state.Closed = closedAt(40)
		w.mu.Unlock()
		r.finish()
		require.Equal(t, Counts{Applied: 40, PastClose: 60}, w.counts())
		require.Len(t, w.table, 40)
	})
}

func TestNewGenerationOvertakesWaitingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.latency = func() time.Duration { return time.Second }
		for n := range uint64(5) {
			w.append(liveAt(0), change(fmt.Sprintf("k%d", n), n, "v"))
		}
		r := w.run(one)
		time.Sleep(500 * time.Millisecond)
		w.mu.Lock()
		w.state.Created = &checkpoint.Created{Generation: 2}
		w.mu.Unlock()
		r.finish()
		require.Equal(t, Counts{Applied: 1, OldGen: 4}, w.counts())
	})
}

func TestNewerGenerationWaitsForTheControlLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		v := events.Version{Generation: 2, Class: events.Live, Position: events.PositionAt(1)}
		w.append(liveAt(0), events.Encode(events.Event{Key: keyOf("a"), Op: events.Delete, Version: v}))
		w.append(liveAt(1), change("b", 1, "v"))
		r := w.run()
		time.Sleep(time.Minute)
		w.mu.Lock()
		require.Len(t, w.table, 1, "the other partition goes on")
		require.Zero(t, w.progress[liveAt(0)].Offset)
		w.state.Created = &checkpoint.Created{Generation: 2}
		w.mu.Unlock()
		r.finish()
		require.Equal(t, row{v.String(), events.Delete, ""}, w.table[string(keyOf("a"))])

		w.append(liveAt(0), events.Encode(events.Event{Key: keyOf("a"), Op: events.Delete, Version: events.Version{Generation: 3, Class: events.Live, Position: events.PositionAt(1)}}))
		r = w.run()
		time.Sleep(time.Minute)
		require.NoError(t, r.stop(), "who waits for it can be stopped")
		require.Equal(t, int64(1), w.progress[liveAt(0)].Offset)
	})
}

func closedAt(end int64) *checkpoint.Closed {
	return &checkpoint.Closed{Generation: 1, Ends: map[int]int64{0: end}}
}

// The application's events are of the generation that the migration began with; a lower one would lose to what an earlier
// migration left in the table.
func TestApplicationsEventsAreOfTheCurrentGeneration(t *testing.T) {
	rules := newWorld(t).rules
	rules.From = FromApp
	home := liveAt(events.PartitionOf([]byte(keyOf("a")), rules.LivePartitions))
	record := in(home, 42, events.Record{Key: []byte(keyOf("a")), Value: item("a", "v").Raw})
	state := checkpoint.State{Created: &checkpoint.Created{Generation: 7}}
	e, dropped, err := rules.Decide(events.NewDecoder(schema), record, state)
	require.NoError(t, err)
	require.Zero(t, dropped)
	require.Equal(t, events.Version{Generation: 7, Class: events.Live, Position: events.PositionAt(42)}, e.Version)
}
