package operate

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// named is a configuration of another migration between the same tables.
func (w *world) named(name, more string) *migration.Config {
	w.t.Helper()
	c := w.config(more)
	c.Name = name
	return c
}

// checkOf is what was found of one thing.
func checkOf(t *testing.T, checks []Check, what string) Check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.What == what })
	require.GreaterOrEqual(t, i, 0, "%s: %+v", what, checks)
	return checks[i]
}

// putVersioned puts an item of the new table as a migration does.
func (w *world) putVersioned(pk string, more map[string]types.AttributeValue) {
	w.t.Helper()
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}}
	maps.Copy(item, more)
	_, err := w.new.SDK().PutItem(w.t.Context(), &sdk.PutItemInput{TableName: new("new"), Item: item})
	require.NoError(w.t, err)
}

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }

func (w *world) setTimeToLive(enabled bool) {
	w.t.Helper()
	_, err := w.new.SDK().UpdateTimeToLive(w.t.Context(), &sdk.UpdateTimeToLiveInput{
		TableName: new("new"), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new("until"), Enabled: &enabled},
	})
	require.NoError(w.t, err)
}

func (w *world) trusting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = nil
}

// Each kind of item that this migration could never change is refused, is named by an example, and stands beside the others.
func TestCreateRefusesItemsOfAnotherMigration(t *testing.T) {
	t.Parallel()
	version := map[string]types.AttributeValue{"crossfade_version": text(events.Version{Generation: 3}.String())}
	marker := map[string]types.AttributeValue{"crossfade_version": text(events.Version{Generation: 2}.String()), "crossfade_deleted": number("1")}
	last := map[string]types.AttributeValue{"crossfade_version": text(events.Version{Generation: events.MaxGeneration}.String())}
	all := CreateOptions{TakeOver: true, KeepExisting: true}
	for name, c := range map[string]struct {
		item    map[string]types.AttributeValue
		options CreateOptions
		config  string
		problem string
	}{
		"a row":                      {item: version, problem: "--take-over"},
		"a marker":                   {item: marker, problem: "--take-over"},
		"a row, although kept":       {item: version, options: CreateOptions{KeepExisting: true}, problem: "--take-over"},
		"a row, form app":            {item: version, config: "live: {from: app}", problem: "--take-over"},
		"no version":                 {item: map[string]types.AttributeValue{"crossfade_version": number("3")}, options: all, problem: "is no version"},
		"a text that is no version":  {item: map[string]types.AttributeValue{"crossfade_version": text("v3")}, options: all, problem: "is no version"},
		"a marker without a version": {item: map[string]types.AttributeValue{"crossfade_deleted": number("1")}, options: all, problem: "a marker without a version"},
		"the last generation":        {item: last, options: all, problem: "the last generation there is"},
		"the application's":          {options: CreateOptions{TakeOver: true}, problem: "--keep-existing"},
		"taken over in form none":    {item: version, options: all, config: "live: {from: none}", problem: "--take-over is for the forms"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.putVersioned("theirs", c.item)
				c.options.EnableStream, c.options.Logger, c.options.Network = true, w.logger(), w.network
				report, err := Create(t.Context(), w.config(c.config), c.options)
				require.Error(t, err)
				problem := checkOf(t, report.Checks, "items of the new table").Problem
				require.Contains(t, problem, c.problem)
				if c.config != "live: {from: none}" {
					require.Contains(t, problem, `{"pk":{"S":"theirs"}}`)
				}
				w.unchanged(false)
			})
		})
	}
}

// In form none nothing is refused and nothing is changed, and what was found is said.
func TestCreateOfFormNoneSaysWhatItFound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.putVersioned("theirs", map[string]types.AttributeValue{"crossfade_version": text(events.Version{Generation: 3}.String())})
		w.putVersioned("own", nil)
		report, err := Create(t.Context(), w.config("live: {from: none}"), CreateOptions{Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.True(t, report.Created)
		check := checkOf(t, report.Checks, "items of the new table")
		require.EqualValues(t, 1, report.Generation, "there are no versions to be above of")
		require.Contains(t, check.Warning, `{"pk":{"S":"theirs"}}`)
		require.Contains(t, check.Found, "1 of generation 3")
		require.Contains(t, check.Found, `{"pk":{"S":"own"}}`)
	})
}

// A new table that may not be read is refused where it must be read, and may be as it is where only the sweep will.
func TestCreateReadsTheNewTableWhereItMust(t *testing.T) {
	t.Parallel()
	for from, refused := range map[string]bool{"app": true, "none": false} {
		t.Run(from, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.mu.Lock()
				w.fault = func(c embedded.Call) embedded.Fault {
					if c.Operation == "Scan" && c.Table == "new" {
						return embedded.Fault{Refuse: &embedded.Error{Code: "AccessDeniedException", Message: "not for you"}}
					}
					return embedded.Fault{}
				}
				w.mu.Unlock()
				report, err := Create(t.Context(), w.config("live: {from: "+from+"}"), CreateOptions{Logger: w.logger(), Network: w.network})
				check := checkOf(t, report.Checks, "items of the new table")
				if refused {
					require.ErrorIs(t, err, errChecks)
					require.Contains(t, check.Problem, "permissions")
					return
				}
				require.NoError(t, err)
				require.Empty(t, check.Problem)
				require.Contains(t, check.Warning, "crossfade sweep will need it")
			})
		})
	}
}

// A refused create has changed nothing, whichever check it was: the stream is as it was, and there is no topic.
func TestRefusedCreateChangesNothing(t *testing.T) {
	t.Parallel()
	for operation, what := range map[string]string{
		"DescribeStream": "stream", "GetShardIterator": "stream", "UpdateTable": "permission to turn the stream on",
		"PutItem": "write permission", "BatchExecuteStatement": "insert permission",
	} {
		t.Run(operation, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.refuse(operation, "AccessDeniedException")
				report, err := Create(t.Context(), w.config(""), CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
				require.ErrorIs(t, err, errChecks)
				require.Contains(t, checkOf(t, report.Checks, what).Problem, "permissions")
				for _, check := range report.Checks {
					if check.What != what {
						require.Empty(t, check.Problem, check.What)
					}
				}
				w.trusting()
				w.unchanged(false)
			})
		})
	}
	t.Run("GetRecords of a stream that is on", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.enableStream(types.StreamViewTypeNewImage)
			w.refuse("GetRecords", "AccessDeniedException")
			report, err := Create(t.Context(), w.config(""), CreateOptions{Logger: w.logger(), Network: w.network})
			require.ErrorIs(t, err, errChecks)
			require.Contains(t, checkOf(t, report.Checks, "stream").Problem, "permissions")
			w.trusting()
			w.unchanged(true)
		})
	})
}

// One problem hides no other.
func TestCreateNamesAllProblemsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.put(w.new, "mine")
		w.setTimeToLive(true)
		w.refuse("PutItem", "AccessDeniedException")
		report, err := Create(t.Context(), w.config(""), CreateOptions{Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		for _, what := range []string{"write permission", "stream", "items of the new table", "time to live of the new table"} {
			require.NotEmpty(t, checkOf(t, report.Checks, what).Problem, what)
		}
	})
}

// looksBeforePermissions lets the database refuse the first updates of a table for what they say, as one that asks for the
// permission only after that: so nothing is known of it.
func (w *world) looksBeforePermissions(updates int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = func(c embedded.Call) embedded.Fault { // under w.mu
		if c.Operation != "UpdateTable" || updates == 0 {
			return embedded.Fault{}
		}
		updates--
		return embedded.Fault{Refuse: &embedded.Error{Code: "ValidationException", Message: "the index is not there"}}
	}
}

// What is not known, or needed only later, is said, and refuses nothing.
func TestCreateSaysWhatItCouldNotFindOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation, code string
		what            string
		warning         string
	}{
		"time to live, not permitted": {"DescribeTimeToLive", "AccessDeniedException", "time to live of the new table", "unknown: "},
		"time to live, no such thing": {"DescribeTimeToLive", "UnknownOperationException", "time to live of the new table", "unknown: "},
		"a lookup":                    {"GetItem", "AccessDeniedException", "lookup permission", "crossfade restart will need it"},
		"a removal":                   {"DeleteItem", "AccessDeniedException", "remove permission", "crossfade sweep will need it"},
		"turning the stream on":       {"", "", "permission to turn the stream on", "unknown: "},
		"records of a stream to come": {"", "", "stream", "dynamodb:GetRecords"},
		"a short grace":               {"", "", "grace", "10s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if c.operation != "" {
					w.refuse(c.operation, c.code)
				}
				if c.what == "grace" {
					w.grace = "20s"
				}
				if c.what == "permission to turn the stream on" {
					w.looksBeforePermissions(2) // once in each create; then the stream is turned on
				}
				for _, dry := range []bool{true, false} {
					report, err := Create(t.Context(), w.config(""), CreateOptions{EnableStream: true, DryRun: dry, Logger: w.logger(), Network: w.network})
					require.NoError(t, err)
					require.Equal(t, !dry, report.Created)
					check := checkOf(t, report.Checks, c.what)
					require.Empty(t, check.Problem)
					require.Contains(t, check.Warning, c.warning)
				}
			})
		})
	}
}

func TestCreateRefusesTimeToLive(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.setTimeToLive(true)
		c := w.config("")
		report, err := Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		problem := checkOf(t, report.Checks, "time to live of the new table").Problem
		require.Contains(t, problem, `ENABLED (attribute "until")`)
		require.Contains(t, problem, "up to an hour")
		w.unchanged(false)

		w.setTimeToLive(false)
		report, err = Create(t.Context(), c, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.True(t, report.Created)

		w.setTimeToLive(true)
		restarted, err := Restart(t.Context(), c, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		require.NotEmpty(t, checkOf(t, restarted.Checks, "time to live of the new table").Problem)
		require.EqualValues(t, 1, restarted.Generation)
	})
}

// A new table of little capacity is read for as long as that takes (package walk), and a person is told why, every half a minute.
func TestCheckOfTheNewTableSaysThatItIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &preflight{Parts: &assembly.Parts{Config: &migration.Config{}, Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		notify := f.unhurried()
		for range 300 {
			notify(&fault.Error{Class: fault.Retry, Throttle: fault.TableThrottled, Reason: "throttled", What: "scan"}, time.Second)
			notify(&fault.Error{Class: fault.Retry, Reason: "no-answer", What: "scan"}, time.Second)
			time.Sleep(time.Second)
		}
		require.Equal(t, 10, strings.Count(log.String(), "its read capacity decides how long the check takes"))
		require.Equal(t, 10, strings.Count(log.String(), "level="))
	})
}

// What the application puts into the new table after the migration was created is its own, and stops neither create nor run.
func TestRunGoesOnAfterTheApplicationHasWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.write("a", "first")
		c := w.config("")
		stop, _ := w.run(c)
		w.streaming(c, 1)
		require.NoError(t, stop())

		w.put(w.new, "mine")
		report, err := Create(t.Context(), c, CreateOptions{Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.True(t, report.Existed)
		require.EqualValues(t, 1, report.Generation)
		w.write("a", "second")
		stop, _ = w.run(c)
		w.until("the change is there", func() bool { return w.rows(w.new)["a"] == "second" })
		require.NoError(t, stop())
		require.Equal(t, stored{}, w.items(w.new)["mine"])
		changed := w.config("snapshot: {segments: 3}")
		_, ended := w.run(changed)
		var different *assembly.ConfigChangedError
		require.ErrorAs(t, <-ended, &different)
	})
}

// create creates a migration, with the stream turned on.
func (w *world) create(c *migration.Config, o CreateOptions) *CreateReport {
	w.t.Helper()
	o.EnableStream, o.Logger, o.Network = true, w.logger(), w.network
	report, err := Create(w.t.Context(), c, o)
	require.NoError(w.t, err, "%+v", report)
	require.True(w.t, report.Created)
	return report
}

// Two migrations into one table at once are refused before either has written, unless the first one is over.
func TestCreateRefusesASecondMigrationIntoOneTable(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.write("a", "first")
		first, second := w.named("first", ""), w.named("second", "")
		w.create(first, CreateOptions{})

		report, err := Create(t.Context(), second, CreateOptions{Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		problem := checkOf(t, report.Checks, "other migrations").Problem
		require.Contains(t, problem, `the migration "first"`)
		require.Contains(t, problem, "--take-over")

		stop, _ := w.run(first)
		w.streaming(first, 1)
		report, err = Create(t.Context(), second, CreateOptions{TakeOver: true, Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		require.Contains(t, checkOf(t, report.Checks, "other migrations").Problem, "at work in the group")
		require.NoError(t, stop())
		w.gone(first)
		require.EqualValues(t, 2, w.create(second, CreateOptions{TakeOver: true}).Generation)

		refused, err := Restart(t.Context(), first, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.ErrorIs(t, err, errChecks)
		require.Contains(t, checkOf(t, refused.Checks, "other migrations").Problem, `the migration "second" has begun generation 2`)
		began, err := Restart(t.Context(), second, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
		require.NoError(t, err)
		require.EqualValues(t, 3, began.Generation)
	})
}

// gone waits until a migration has no workers any more, as the broker sees it.
func (w *world) gone(c *migration.Config) {
	w.until("the workers of "+c.Name+" are gone", func() bool {
		for _, members := range w.status(c).Members {
			if len(members) > 0 {
				return false
			}
		}
		return true
	})
}

// A table that was made again under its name is another one, whatever was created for the one before.
func TestCreateTakesATableThatWasMadeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.create(w.named("first", ""), CreateOptions{})
		w.drop(w.new)
		w.new = w.table("new", schema)
		report := w.create(w.named("second", ""), CreateOptions{})
		require.EqualValues(t, 1, report.Generation)
	})
}

// What looks like the history of a migration and cannot be read is named as unknown.
func TestCreateNamesHistoriesThatItCannotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p, err := assembly.OpenOn(t.Context(), w.network, w.config(""), w.logger())
		require.NoError(t, err)
		topics := kafka.TopicsOf("strange")
		_, err = p.Kafka.CreateTopics(t.Context(), kafka.TopicSpec{Topics: topics, Partitions: 1, WorkPartitions: 1})
		require.NoError(t, err)
		require.NoError(t, p.Kafka.Log(topics.Control).Append(t.Context(), checkpoint.Entry{Key: []byte("door"), Value: []byte("open")}))
		require.NoError(t, p.Close())
		report := w.create(w.config(""), CreateOptions{})
		require.Contains(t, checkOf(t, report.Checks, "other migrations").Warning, "strange")
	})
}

// noPartiQL makes the database one that knows no statements.
func (w *world) noPartiQL() {
	w.refuse("BatchExecuteStatement", "UnknownOperationException")
}

func TestMigrationWithoutPartiQLEndsEqual(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range 60 {
			w.write(pk("row", n), "first")
		}
		w.noPartiQL()
		c := w.config("")
		report := w.create(c, CreateOptions{})
		require.Contains(t, checkOf(t, report.Checks, "insert permission").Found, "one by one")
		stop, _ := w.run(c)
		w.streaming(c, 1)
		w.write(pk("row", 0), "second")
		w.streaming(c, 1)
		require.NoError(t, stop())
	})
}

// A table that an earlier migration has filled ends equal to the old one: rows that have changed since, rows that are gone,
// markers that it left, and rows that are there again. The stream was off in between, so no record tells of any of it.
func TestMigrationAboveAnotherEndsEqual(t *testing.T) {
	t.Parallel()
	for name, restarts := range map[string]int{"of one generation": 0, "of two generations": 1} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				const each = 10
				for _, kind := range []string{"quiet", "changed", "vanishing", "dead", "reborn"} {
					for n := range each {
						w.write(pk(kind, n), "first")
					}
				}
				first, second := w.named("first", ""), w.named("second", "")
				stop, _ := w.run(first)
				w.streaming(first, 1)
				for n := range each {
					w.remove(pk("dead", n))
					w.remove(pk("reborn", n))
				}
				generation := uint32(1)
				for range restarts {
					generation++
					_, err := Restart(t.Context(), first, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
					require.NoError(t, err)
				}
				w.streaming(first, generation)
				require.NoError(t, stop())
				w.gone(first)
				w.disableStream()
				for n := range each {
					w.write(pk("changed", n), "second")
					w.remove(pk("vanishing", n))
					w.write(pk("reborn", n), "again")
					w.write(pk("new", n), "new")
				}

				refused, err := Create(t.Context(), second, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
				require.ErrorIs(t, err, errChecks)
				require.Contains(t, checkOf(t, refused.Checks, "items of the new table").Problem, fmt.Sprintf("of generation %d", generation))

				report := w.create(second, CreateOptions{TakeOver: true})
				require.Equal(t, generation+1, report.Generation)
				stop, _ = w.run(second)
				for n := range each {
					w.write(pk("quiet", n), "while it is copied")
				}
				w.streaming(second, generation+1)
				s := w.status(second)
				require.True(t, s.Marking.Done)
				require.Positive(t, s.Marking.Marked)
				require.Zero(t, s.Marking.Kept)

				summary, err := Sweep(t.Context(), second, SweepOptions{Logger: w.logger(), Network: w.network})
				require.NoError(t, err)
				require.EqualValues(t, 2*each, summary.Removed, "those of the search, and those that the earlier migration left")
				w.streaming(second, generation+1)
				for key, item := range w.items(w.new) {
					require.Empty(t, item.deleted, "marker %s", key)
				}
				require.NoError(t, stop())
			})
		})
	}
}

// In form app the application's events are above what an earlier migration left, too.
func TestMigrationOfEventsAboveAnotherEndsEqual(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for n := range 20 {
			w.write(pk("row", n), "first")
		}
		first, second := w.named("first", ""), w.named("second", "live: {from: app}")
		stop, _ := w.run(first)
		w.streaming(first, 1)
		for n := range 20 {
			w.write(pk("row", n), "second") // live versions of generation 1
		}
		w.streaming(first, 1)
		require.NoError(t, stop())
		w.gone(first)

		require.EqualValues(t, 2, w.create(second, CreateOptions{TakeOver: true}).Generation)
		stop, _ = w.run(second)
		for n := range 20 {
			if n < 10 {
				w.write(pk("row", n), "third")
				w.publish(second, pk("row", n), "third")
			} else {
				w.remove(pk("row", n))
				w.publish(second, pk("row", n), "")
			}
		}
		w.streaming(second, 2)
		require.NoError(t, stop())
	})
}

// publish publishes an event of the application: a write, or a delete when the value is empty.
func (w *world) publish(c *migration.Config, pk, value string) {
	w.t.Helper()
	p, err := assembly.OpenOn(w.t.Context(), w.network, c, w.logger())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, p.Close()) }()
	e := events.Event{Key: events.Key(fmt.Sprintf(`{"pk":{"S":%q}}`, pk)), Op: events.Delete, Time: time.Now()}
	if value != "" {
		e.Op, e.Item = events.Write, events.Item{Raw: fmt.Appendf(nil, `{"pk":{"S":%q},"v":{"S":%q}}`, pk, value)}
	}
	require.NoError(w.t, p.Kafka.Publish(p.Topics.Live, c.Kafka.Partitions)(w.t.Context(), []events.Record{events.Encode(e)}))
}
