package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// write puts a row of the old table, as the application does.
func (w *world) write(pk, value string) {
	w.t.Helper()
	_, err := w.old.SDK().PutItem(w.t.Context(), &sdk.PutItemInput{TableName: new("old"), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "v": &types.AttributeValueMemberS{Value: value},
	}})
	require.NoError(w.t, err)
}

func (w *world) remove(pk string) {
	w.t.Helper()
	_, err := w.old.SDK().DeleteItem(w.t.Context(), &sdk.DeleteItemInput{
		TableName: new("old"), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}},
	})
	require.NoError(w.t, err)
}

// stored is one item of a table, as a test compares it.
type stored struct{ value, version, deleted string }

func (w *world) items(t *dynamodb.Table) map[string]stored {
	w.t.Helper()
	var mu sync.Mutex
	all := map[string]stored{}
	err := t.Items(w.t.Context(), 1, func(raw []byte) error {
		mu.Lock()
		defer mu.Unlock()
		var item map[string]struct{ S, N string }
		err := json.Unmarshal(raw, &item)
		all[item["pk"].S] = stored{item["v"].S, item["crossfade_version"].S, item["crossfade_deleted"].N}
		return err
	})
	require.NoError(w.t, err)
	return all
}

// rows are those that an application sees.
func (w *world) rows(t *dynamodb.Table) map[string]string {
	rows := map[string]string{}
	for pk, item := range w.items(t) {
		if item.deleted == "" {
			rows[pk] = item.value
		}
	}
	return rows
}

// hung is how long anything may take before it counts as something that will never end. It judges no speed.
const hung = 10 * time.Minute

// between is how long a test in a bubble waits until it looks again: a look costs the processor more than what is waited for.
const between = time.Second

// until looks again and again.
func (w *world) until(what string, reached func() bool) {
	w.t.Helper()
	w.t.Log("until " + what)
	for began := time.Now(); ; {
		if reached() {
			return
		}
		require.Less(w.t, time.Since(began), hung, "%s: waited in vain", what)
		time.Sleep(between)
	}
}

// status is that of a look that succeeded. One that had no answer for long, as on a machine that is busy with something else,
// says nothing, and is done again.
func (w *world) status(c *migration.Config) *Status {
	w.t.Helper()
	for began := time.Now(); ; {
		s, err := w.readStatus(c)
		if err == nil {
			return s
		}
		again := fault.Of(err) == fault.Retry && time.Since(began) < hung
		require.True(w.t, again, "%v", err)
	}
}

// streaming waits until a generation has come to its last phase and both tables hold the same rows.
func (w *world) streaming(c *migration.Config, generation uint32) {
	w.t.Helper()
	w.until(fmt.Sprintf("generation %d streams", generation), func() bool {
		s, err := w.readStatus(c)
		if e, ok := errors.AsType[*fault.Error](err); ok && (e.Reason == "not-created" || e.Class == fault.Retry) {
			return false // run creates it; a look that had no answer says nothing
		}
		require.NoError(w.t, err)
		return s.Generation == generation && s.Phase == checkpoint.Streaming
	})
	w.until("the tables are equal", func() bool {
		old, copied := w.rows(w.old), w.rows(w.new)
		if len(old) != len(copied) {
			return false
		}
		for pk, value := range old {
			if copied[pk] != value {
				return false
			}
		}
		return true
	})
}

// start runs something until the returned function is called, which returns its error.
func (w *world) start(work func(context.Context) error) (stop func() error, ended <-chan error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	result := make(chan error, 1)
	var all sync.WaitGroup
	all.Go(func() { result <- work(ctx) })
	w.t.Cleanup(func() { cancel(); all.Wait() })
	return func() error {
		cancel()
		return <-result
	}, result
}

func (w *world) run(c *migration.Config) (stop func() error, ended <-chan error) {
	return w.start(func(ctx context.Context) error {
		return Run(ctx, c, RunOptions{Create: CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network}, Logger: w.logger(), Network: w.network})
	})
}

// lose lets the stream forget everything so far.
func (w *world) lose() {
	w.t.Helper()
	shards, err := w.server.OpenShards("old")
	require.NoError(w.t, err)
	for _, id := range shards {
		require.NoError(w.t, w.server.CloseShard("old", id))
	}
	w.server.TrimBefore(time.Now().Add(time.Second))
}

func pk(kind string, n int) string { return fmt.Sprintf("%s-%02d", kind, n) }

// The stream forgets what was written while capture was away: rows that were changed, deleted, created, and deleted and
// created again. A restart finds all of it.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const each = 12
		kinds := []string{"quiet", "dead", "changed", "vanishing", "returning", "reborn", "leaving"}
		for _, kind := range kinds {
			for n := range each {
				w.write(pk(kind, n), "first")
			}
		}
		c := w.config("")
		stop, _ := w.run(c)
		w.streaming(c, 1)
		for n := range each {
			w.remove(pk("dead", n))
			w.remove(pk("reborn", n))
			w.write(pk("changed", n), "second")
		}
		w.streaming(c, 1)
		require.NoError(t, stop())

		for n := range each {
			w.write(pk("changed", n), "in the gap")
			w.remove(pk("vanishing", n))
			w.remove(pk("returning", n))
			w.write(pk("returning", n), "in the gap")
			w.write(pk("reborn", n), "in the gap")
			w.write(pk("new", n), "in the gap")
		}
		w.lose()
		stop, ended := w.run(c)
		w.gap("level=ERROR", "the stream has a gap", "begin a new generation with: crossfade restart -f "+w.file)
		w.goesOn(ended)
		require.NoError(t, stop())
		s := w.status(c)
		require.NotEmpty(t, s.Capture.Gaps)
		require.Equal(t, "crossfade restart -f "+w.file, s.Restart)
		require.EqualValues(t, 1, s.Generation)

		report, err := Restart(t.Context(), c, RestartOptions{DryRun: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.False(t, report.Restarted)
		require.EqualValues(t, 1, w.status(c).Generation)

		report, err = Restart(t.Context(), c, RestartOptions{Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.True(t, report.Restarted)
		require.EqualValues(t, 2, report.Generation)
		require.Equal(t, 2, report.Shards)
		s = w.status(c)
		require.Equal(t, checkpoint.Copying, s.Phase)
		require.Empty(t, s.Capture.Gaps, "the gap was the generation's before")
		require.Empty(t, s.Restart)

		stop, _ = w.run(c)
		for n := range each { // while the new generation copies
			w.remove(pk("leaving", n))
			w.write(pk("quiet", n), "after the restart")
			if n%2 == 0 {
				w.write(pk("vanishing", n), "back")
			}
		}
		w.zombie(c, "vanishing", each)
		w.streaming(c, 2)
		s = w.status(c)
		require.True(t, s.Marking.Done)
		require.Positive(t, s.Marking.Marked)
		require.Zero(t, s.Marking.Kept)
		for name, item := range w.items(w.new) {
			if item.deleted == "" {
				require.Equal(t, "000002", item.version[:6], "row %s", name)
			}
		}
		lowest := events.Version{Generation: 2}.String()
		for n := range each {
			if n%2 == 1 {
				require.Equal(t, lowest, w.items(w.new)[pk("vanishing", n)].version)
			}
		}
		w.until("what is of generation 1 is dropped", func() bool { return w.status(c).Counts.OldGen >= 2*each })
		w.streaming(c, 2)

		summary, err := Sweep(t.Context(), c, SweepOptions{Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.Positive(t, summary.Removed)
		w.streaming(c, 2)
		for name, item := range w.items(w.new) {
			require.Empty(t, item.deleted, "marker %s", name)
		}
		require.NoError(t, stop())
	})
}

// gap waits until the status tells of a gap and a worker has logged a line with all these parts.
func (w *world) gap(parts ...string) {
	w.t.Helper()
	c, err := migration.Load(w.file)
	require.NoError(w.t, err)
	w.until("the gap is found", func() bool { return len(w.status(c).Capture.Gaps) > 0 })
	w.until("it is said", func() bool { return w.said.line(parts...) != "" })
}

// goesOn requires that a worker has not ended.
func (w *world) goesOn(ended <-chan error) {
	w.t.Helper()
	select {
	case err := <-ended:
		require.Fail(w.t, "the worker has ended", "%v", err)
	default:
	}
}

// zombie publishes, of generation 1, that rows are there: from a scan and from the stream.
func (w *world) zombie(c *migration.Config, kind string, n int) {
	w.t.Helper()
	p, err := assembly.OpenOn(w.t.Context(), w.network, c, w.logger())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, p.Close()) }()
	for class, topic := range map[events.Class]string{events.Snapshot: p.Topics.Snapshot, events.Live: p.Topics.Live} {
		var records []events.Record
		for i := range n {
			key := events.Key(fmt.Sprintf(`{"pk":{"S":%q}}`, pk(kind, i)))
			e := events.Event{
				Key: key, Op: events.Write, Version: events.Version{Generation: 1, Class: class},
				Item: events.Item{Raw: fmt.Appendf(nil, `{"pk":{"S":%q},"v":{"S":"a zombie's"}}`, pk(kind, i))},
			}
			if class == events.Live {
				e.Version.Position = events.PositionAt(1 << 60)
			}
			records = append(records, events.Encode(e))
		}
		require.NoError(w.t, p.Kafka.Publish(topic, c.Kafka.Partitions)(w.t.Context(), records))
	}
}

// Workers that run when a new generation begins join it by themselves: those that do everything, and those that only
// apply. A snapshot worker that has ended is started again.
func TestWorkersJoinTheNewGeneration(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range 50 {
			w.write(pk("row", n), "first")
		}
		c := w.config("")
		stopAll, _ := w.run(c)
		w.streaming(c, 1)
		stopApply, _ := w.start(func(ctx context.Context) error {
			return assembly.Streamer(ctx, c, assembly.WorkerOptions{Apply: true, Logger: w.logger(), Network: w.network})
		})
		for generation := uint32(2); generation <= 3; generation++ {
			for n := range 20 {
				w.write(pk("row", n), fmt.Sprint("before ", generation))
				w.remove(pk("row", 20+n))
			}
			report, err := Restart(t.Context(), c, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
			require.NoError(t, err)
			require.Equal(t, generation, report.Generation)
			for n := range 20 {
				w.write(pk("row", 10+n), fmt.Sprint("after ", generation))
			}
			w.streaming(c, generation)
		}
		require.NoError(t, stopAll())
		report, err := Restart(t.Context(), c, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.EqualValues(t, 4, report.Generation)
		_, snapshotEnded := w.start(func(ctx context.Context) error {
			return assembly.Snapshot(ctx, c, assembly.WorkerOptions{Logger: w.logger(), Network: w.network})
		})
		stopCapture, _ := w.start(func(ctx context.Context) error {
			return assembly.Streamer(ctx, c, assembly.WorkerOptions{Capture: true, Logger: w.logger(), Network: w.network})
		})
		require.NoError(t, <-snapshotEnded, "it ends when all is marked")
		w.streaming(c, 4)
		require.NoError(t, errors.Join(stopCapture(), stopApply()))
	})
}

// A restart that dies before its control record leaves starts that nobody uses: they may name what is trimmed by now.
func TestRestartAfterOneThatDied(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.write("a", "first")
		c := w.config("")
		stop, _ := w.run(c)
		w.streaming(c, 1)
		require.NoError(t, stop())

		p, err := assembly.OpenOn(t.Context(), w.network, c, w.logger())
		require.NoError(t, err)
		described, err := p.Old.Describe(t.Context())
		require.NoError(t, err)
		_, err = capture.Start(t.Context(), dynamodb.NewStream(p.Old, described.Stream, described.KeySchema), p.Facts(), 2)
		require.NoError(t, err)
		require.NoError(t, p.Close())
		w.write("a", "second")
		w.lose()

		report, err := Restart(t.Context(), c, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.EqualValues(t, 3, report.Generation)
		stop, _ = w.run(c)
		w.streaming(c, 3)
		require.NoError(t, stop())
	})
}

func (w *world) disableStream() {
	w.t.Helper()
	_, err := w.old.SDK().UpdateTable(w.t.Context(), &sdk.UpdateTableInput{
		TableName: new("old"), StreamSpecification: &types.StreamSpecification{StreamEnabled: new(false)},
	})
	require.NoError(w.t, err)
}

// A stream that was turned off and on is another one, and nothing says that it follows the one before: capture reads the
// one before to its end, and then says so. Turned off while capture was away, or before its eyes.
func TestRestartOnAnotherStream(t *testing.T) {
	t.Parallel()
	for name, watched := range map[string]bool{"capture away": false, "capture at work": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.write("a", "first")
				w.write("b", "first")
				c := w.config("")
				stop, ended := w.run(c)
				w.streaming(c, 1)
				if !watched {
					require.NoError(t, stop())
				}
				w.write("c", "the last change that the stream has")
				w.disableStream()
				w.remove("a")
				w.write("b", "second")
				if !watched {
					stop, ended = w.run(c)
				}
				w.gap("level=ERROR", "the stream was turned off after shard")
				w.until("all shards have stopped", func() bool { return len(w.status(c).Capture.Gaps) == 2 })
				w.goesOn(ended)

				report, err := Restart(t.Context(), c, RestartOptions{Logger: w.logger(), Network: w.network})
				require.Error(t, err)
				problems := map[string]string{}
				for _, check := range report.Checks {
					problems[check.What] = check.Problem
				}
				require.Contains(t, problems["stream"], "--enable-stream")
				require.Empty(t, problems["gap"])

				report, err = Restart(t.Context(), c, RestartOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
				require.NoError(t, err)
				require.True(t, report.Restarted)
				w.streaming(c, 2) // by the process that was there
				w.write("d", "of the other stream")
				w.streaming(c, 2)
				require.NoError(t, stop())
			})
		})
	}
}

func TestRestartRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		_, err := Restart(t.Context(), w.config("live: {from: none}"), RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		_, refused := errors.AsType[*FormError](err)
		require.True(t, refused, "%v", err)

		c := w.config("")
		_, err = Restart(t.Context(), c, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.ErrorContains(t, err, "crossfade create -f "+w.file)
		_, err = Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		_, err = Restart(t.Context(), w.config("snapshot: {segments: 3}"), RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		_, refused = errors.AsType[*assembly.ConfigChangedError](err)
		require.True(t, refused, "%v", err)

		for operation, what := range map[string]string{
			"": "gap", "Scan": "read permission", "GetItem": "lookup permission", "PutItem": "write permission", "DescribeStream": "stream",
		} {
			if operation != "" {
				w.refuse(operation, "AccessDeniedException")
			}
			report, err := Restart(t.Context(), c, RestartOptions{Force: operation != "", Logger: w.logger(), Network: w.network})
			require.Error(t, err, operation)
			found := false
			for _, check := range report.Checks {
				found = found || check.What == what && check.Problem != ""
			}
			require.True(t, found, "%s: %+v", operation, report.Checks)
			require.EqualValues(t, 1, report.Generation)
		}
		require.EqualValues(t, 1, w.status(c).Generation)
	})
}
