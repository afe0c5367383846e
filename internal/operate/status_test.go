package operate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// created creates the migration of these lines, with the stream on.
func (w *world) created(more string) *migration.Config {
	w.t.Helper()
	c := w.config(more)
	_, err := Create(w.t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
	require.NoError(w.t, err)
	return c
}

// says requires that the verdict is of this level and has a reason with this in it.
func says(t *testing.T, v Verdict, level Level, part string) {
	t.Helper()
	require.Equal(t, level, v.Level, "%+v", v)
	for _, r := range v.Reasons {
		require.NotEmpty(t, r.Do, "%+v", r)
	}
	require.Contains(t, reasons(v), part)
}

func reasons(v Verdict) (text string) {
	for _, r := range v.Reasons {
		text += string(r.Level) + ": " + r.What + "\n"
	}
	return text
}

// What nobody has read is behind since the generation began, and what the old table's clock says makes it worse, not better.
func TestStatusWithoutAnyCaptureIsNotWell(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.created("")
		for n := range 20 {
			w.write(pk("late", n), "after the start of capture")
		}
		time.Sleep(time.Minute)
		s := w.status(c)
		require.NotNil(t, s.Capture.BehindSeconds)
		require.Equal(t, s.At.Sub(s.Began).Seconds(), *s.Capture.BehindSeconds)
		require.Less(t, *s.Capture.RetentionLeftSeconds, retention.Seconds())
		require.Zero(t, s.Capture.Reading)
		require.Equal(t, 2, s.Capture.Shards)
		says(t, s.Verdict, Act, "nobody captures the old table's changes")
		require.Contains(t, reasons(s.Verdict), "nobody reads the old table")
		require.Contains(t, reasons(s.Verdict), "nobody applies")
		require.NotEmpty(t, s.Unowned["orders.capture"])

		w.refuse("DescribeStream", "AccessDeniedException")
		s = w.status(c)
		require.Nil(t, s.Capture.BehindSeconds)
		require.Nil(t, s.Capture.RetentionLeftSeconds)
		require.Contains(t, s.Capture.Unknown, "AccessDeniedException")
		require.Contains(t, reasons(s.Verdict), "how far capture is behind is unknown")
	})
}

// A child of a split that nobody has begun to read keeps capture where its parent was last known to be read.
func TestStatusKnowsAChildThatNobodyReads(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.created("")
		stop, _ := w.run(c)
		w.write("a", "first")
		w.streaming(c, 1)
		w.until("every shard is read", func() bool { return w.status(c).Capture.Reading == 2 })
		require.NoError(t, stop())
		before := w.status(c)
		require.NotNil(t, before.Capture.BehindSeconds)
		require.NoError(t, w.server.SplitAll("old"))

		s := w.status(c)
		require.Equal(t, 4, s.Capture.Unbegun)
		require.Equal(t, before.Capture.Confirmed, s.Capture.Confirmed, "the children began no earlier")
		require.GreaterOrEqual(t, *s.Capture.BehindSeconds, *before.Capture.BehindSeconds)

		stop, _ = w.run(c)
		w.write("b", "second")
		w.streaming(c, 1)
		w.until("the children are read", func() bool {
			s := w.status(c)
			return s.Capture.Unbegun == 0 && s.Capture.Shards == 4 && s.Capture.Confirmed.After(before.At)
		})
		w.until("it is well", func() bool {
			s := w.status(c)
			t.Log(reasons(s.Verdict))
			return s.Verdict.Level == Well
		})
		require.NoError(t, stop())
		s = w.status(c)
		says(t, s.Verdict, Act, "nobody captures the old table's changes; the last one, ")
		require.Contains(t, reasons(s.Verdict), "was asked to end at")
	})
}

// A file with other tables shows no figures of these; a migration that was never created has none.
// ReadStatus has no network but the machine's own.
func TestStatusOfAnotherTablesFileShowsNoFigures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.config("")
	_, err := ReadStatus(t.Context(), c)
	require.ErrorContains(t, err, `the migration "orders" has not been created`)
	require.Equal(t, fault.Fatal, fault.Of(err))

	c = w.created("")
	c.Target.DynamoDB.Table = "other"
	s, err := ReadStatus(t.Context(), c)
	require.Nil(t, s)
	changed, ok := errors.AsType[*assembly.ConfigChangedError](err)
	require.True(t, ok, "%v", err)
	require.Len(t, changed.Differences, 1)
}

// Items of the new table that begin to expire while the migration runs are noticed.
func TestStatusKnowsThatItemsExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.created("")
		require.Equal(t, Expiry{Status: "DISABLED"}, w.status(c).Expiry)
		w.setTimeToLive(true)
		s := w.status(c)
		require.True(t, s.Expiry.Removes)
		says(t, s.Verdict, Act, "the time to live of the new table is ")
		w.refuse("DescribeTimeToLive", "AccessDeniedException")
		s = w.status(c)
		require.True(t, s.Expiry.Refused)
		require.Contains(t, s.Expiry.Unknown, "AccessDeniedException")
	})
}

// A worker says which build it is, and which error ended it.
func TestStatusKnowsHowAWorkerEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.created("")
		stop, _ := w.start(func(ctx context.Context) error {
			return assembly.Streamer(ctx, c, assembly.WorkerOptions{Capture: true, Apply: true, Logger: w.logger(), Network: w.network})
		})
		w.until("the streamer is a member", func() bool {
			s := w.status(c)
			return len(s.Members["orders"]) == 1 && s.Members["orders"][0].Build != "" && len(s.Workers) == 1
		})
		s := w.status(c)
		require.Equal(t, s.Members["orders"][0].Process, s.Workers[0].Process)
		require.Equal(t, []string{"capture", "apply"}, s.Workers[0].Roles)
		require.NoError(t, stop())

		w.refuse("GetRecords", "AccessDeniedException")
		err := assembly.Streamer(t.Context(), c, assembly.WorkerOptions{Capture: true, Apply: true, Logger: w.logger(), Network: w.network})
		require.Error(t, err)
		s = w.status(c)
		failed := s.Workers[slices.IndexFunc(s.Workers, func(w Worker) bool { return w.Error != nil })]
		require.Equal(t, "fatal", failed.Error.Class)
		require.Equal(t, "AccessDeniedException", failed.Error.Reason)
		require.False(t, failed.Ended.IsZero())
		says(t, s.Verdict, Act, "nobody captures the old table's changes; the last one, "+failed.Process+", ended at "+clock(failed.Ended)+" with: ")
	})
}

// A dead letter that comes a second time, by a replay or a crash, is still one.
func TestStatusCountsADeadLetterOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c := w.created("")
		p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
		require.NoError(t, err)
		defer p.Close()
		onlooker := NewOnlooker(p)
		s, err := onlooker.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, DeadLetters{Reasons: map[events.Reason]int64{}}, s.DeadLetters)

		bury := p.Kafka.DeadLetter(p.Topics.DLQ)
		record := func(offset int64, value string) events.Record {
			return events.Record{TopicPartition: events.TopicPartition{Topic: "orders.live", Partition: 1}, Offset: offset, Value: []byte(value)}
		}
		item := events.Record{TopicPartition: events.TopicPartition{Topic: "segment 3", Partition: -1}, Offset: -1, Value: []byte("{}")}
		large := &events.Invalid{Reason: events.TooLarge, Detail: "too large"}
		for range 2 {
			require.NoError(t, bury(t.Context(), record(7, "a"), large))
			require.NoError(t, bury(t.Context(), record(8, "a"), large))
			require.NoError(t, bury(t.Context(), item, &events.Invalid{Reason: events.Undecodable, Detail: "no item"}))
		}
		want := DeadLetters{Records: 3, Reasons: map[events.Reason]int64{events.TooLarge: 2, events.Undecodable: 1}}
		for range 2 {
			s, err = onlooker.Status(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, s.DeadLetters)
		}
		require.Contains(t, reasons(s.Verdict), "look: 3 records (2 too-large, 1 undecodable) could not be applied")
		require.Equal(t, want, w.status(c).DeadLetters)
	})
}

// A look that fails shows what was known, as old, and keeps since when.
func TestUnreadStatusKeepsWhatWasKnown(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	known := wellStatus(at)
	first := known.unread(errors.New("no answer"), at.Add(time.Minute))
	second := first.unread(errors.New("no answer\nstill"), at.Add(time.Hour))
	require.Equal(t, &Unread{Since: at.Add(time.Minute), Error: "no answer\nstill"}, second.Unread)
	require.Equal(t, at, second.At)
	require.Equal(t, known.Rows, second.Rows)
	says(t, second.Verdict, Look, "no answer; still")
	require.Nil(t, known.Unread)
}

// A watch goes on while Kafka is away, with what it knew last.
func TestWatchGoesOnWithoutKafka(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.newCluster(9093)
		p, err := assembly.OpenOn(t.Context(), w.network, w.created(""), w.logger())
		require.NoError(t, err)
		defer p.Close()
		onlooker := NewOnlooker(p)
		var seen []*Status
		err = onlooker.watch(t.Context(), time.Millisecond, func(s *Status) (bool, error) {
			if seen = append(seen, s); len(seen) == 1 {
				onlooker.patience = 100 * time.Millisecond
				b.Close()
				return true, nil
			}
			return len(seen) < 3, nil
		})
		require.NoError(t, err)
		require.Nil(t, seen[0].Unread)
		require.NotNil(t, seen[0].RowsPerSecond)
		for _, s := range seen[1:] {
			require.Contains(t, s.Unread.Error, "no answer within 100ms")
			require.Equal(t, seen[1].Unread.Since, s.Unread.Since)
			require.Equal(t, seen[0].At, s.At)
			require.Contains(t, reasons(s.Verdict), "the migration could not be read since")
		}
	})
}

// What is not known is null, and nothing that is a list is.
func TestStatusAsJSON(t *testing.T) {
	r := readingOf(t, apply.FromStream)
	r.streamErr = errors.New("no answer")
	s := r.fold()
	s.Verdict = judge(s)
	line, err := json.Marshal(s)
	require.NoError(t, err)
	for _, part := range []string{
		`"behind_seconds":null`, `"retention_left_seconds":null`, `"rows_per_second":null`, `"seconds_left":null`, `"gaps":[]`,
		`"members":{"orders":[],"orders.capture":[],"orders.snapshot":[]}`, `"workers":[]`, `"reasons":{}`, `"app_owned":0`,
	} {
		require.Contains(t, string(line), part)
	}
}

var began = time.Unix(1_700_000_000, 0).UTC()

// readingOf is a reading a minute after the migration was created, of which nothing has been done.
func readingOf(t *testing.T, from apply.LiveFrom) *reading {
	t.Helper()
	config := &migration.Config{Name: "orders", File: "m.yaml"}
	config.Live.From = string(from)
	return &reading{
		config: config, topics: kafka.TopicsOf("orders"), at: began.Add(time.Minute),
		state:   checkpoint.State{Accepted: 1, Began: began, Created: &checkpoint.Created{Generation: 1, Partitions: 2, WorkPartitions: 4, Segments: 2}},
		members: map[string][]kafka.Member{"orders": nil, "orders.snapshot": nil, "orders.capture": nil},
		dead:    DeadLetters{Reasons: map[events.Reason]int64{}},
	}
}
