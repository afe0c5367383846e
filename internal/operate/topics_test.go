package operate

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// admin is what an operator would do to the topics.
func (w *world) admin() *kafkago.Client {
	transport := &kafkago.Transport{Dial: w.wires.DialContext}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &kafkago.Client{Addr: kafkago.TCP(w.brokers), Transport: transport}
}

func (w *world) makeTopic(topic string, partitions int, settings ...string) {
	w.t.Helper()
	config := kafkago.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for _, one := range settings {
		name, value, _ := strings.Cut(one, "=")
		config.ConfigEntries = append(config.ConfigEntries, kafkago.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	response, err := w.admin().CreateTopics(w.t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{config}})
	require.NoError(w.t, err)
	require.NoError(w.t, response.Errors[topic])
}

func (w *world) deleteTopic(topic string) {
	w.t.Helper()
	response, err := w.admin().DeleteTopics(w.t.Context(), &kafkago.DeleteTopicsRequest{Topics: []string{topic}})
	require.NoError(w.t, err)
	require.NoError(w.t, response.Errors[topic])
}

// parts are the connections of a command.
func (w *world) parts(config *migration.Config) *assembly.Parts {
	w.t.Helper()
	p, err := assembly.OpenOn(w.t.Context(), w.network, config, w.logger())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, p.Close()) })
	return p
}

func (w *world) creates(config *migration.Config) *CreateReport {
	w.t.Helper()
	report, err := Create(w.t.Context(), config, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
	require.NoError(w.t, err, "%+v", report)
	return report
}

// refused is the problem of a check of a create that is refused.
func (w *world) refused(config *migration.Config, what string) string {
	w.t.Helper()
	report, err := Create(w.t.Context(), config, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
	require.Equal(w.t, fault.Fatal, fault.Of(err))
	require.NotNil(w.t, report)
	d, err := w.old.Describe(w.t.Context())
	require.NoError(w.t, err)
	require.Empty(w.t, d.Stream, "nothing was changed")
	return w.check(report, what).Problem
}

func (w *world) check(report *CreateReport, what string) Check {
	w.t.Helper()
	for _, check := range report.Checks {
		if check.What == what {
			return check
		}
	}
	require.FailNow(w.t, "no such check", what)
	return Check{}
}

func TestCreateRefusesACompactedLiveTopic(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.makeTopic("orders.live", 3, "cleanup.policy=compact", "retention.ms=-1", "max.message.bytes=16777216")
		problem := w.refused(w.config(""), "topic settings")
		require.Contains(t, problem, "topic orders.live has cleanup.policy=compact")
		require.Contains(t, problem, "kafka-configs.sh --bootstrap-server "+w.brokers+
			" --alter --entity-type topics --entity-name orders.live --add-config cleanup.policy=delete")
		w.unchanged(false)
	})
}

func TestCreateRefusesATopicWithOtherPartitions(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.makeTopic("orders.live", 5, "retention.ms=-1", "max.message.bytes=16777216")
		require.Contains(t, w.refused(w.config(""), "topics"), "topic orders.live has 5 partitions, the configuration says 3")
		w.unchanged(false)
	})
}

// With all topics in place the right to create topics is not asked for; without one of them it is, before anything is
// changed, and what is missing is named so that somebody else can make it.
func TestCreateNeedsNoCreateRight(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cluster := w.newCluster(9093)
		var asked atomic.Int64
		cluster.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if asked.Add(1) <= 5 {
				return nil, nil, false // the topics that this test makes
			}
			answer := request.ResponseKind().(*kmsg.CreateTopicsResponse)
			for _, topic := range request.(*kmsg.CreateTopicsRequest).Topics {
				refused := kmsg.NewCreateTopicsResponseTopic()
				refused.Topic, refused.ErrorCode = topic.Topic, kerr.TopicAuthorizationFailed.Code
				answer.Topics = append(answer.Topics, refused)
			}
			return answer, nil, true
		})
		rows := []string{"retention.ms=-1", "max.message.bytes=17825792"}
		w.makeTopic("orders.live", 3, rows...)
		w.makeTopic("orders.dlq", 1, rows...)
		w.makeTopic("orders.work", 4)
		w.makeTopic("orders.facts", 1, "cleanup.policy=compact", "max.message.bytes=1048576")
		w.makeTopic("orders.control", 1, rows...)
		problem := w.refused(w.config(""), "topics")
		require.Contains(t, problem, "kafka-topics.sh --bootstrap-server "+w.brokers+" --create --topic orders.snapshot --partitions 3 "+
			"--config cleanup.policy=delete --config retention.ms=-1 --config retention.bytes=-1 --config max.message.bytes=16777216")
		require.NotContains(t, problem, "orders.live", "it is there")

		asked.Store(4) // one more
		w.makeTopic("orders.snapshot", 3, rows...)
		asked.Store(100)
		require.True(t, w.creates(w.config("")).Created)
		require.EqualValues(t, 100, asked.Load(), "it was not asked for")
	})
}

// Settings that may not be read are unknown: neither well nor a reason to refuse.
func TestUnreadableSettingsAreSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cluster := w.newCluster(9093)
		w.makeTopic("orders.live", 3, "retention.ms=-1", "max.message.bytes=16777216")
		cluster.ControlKey(int16(kmsg.DescribeConfigs), func(request kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			answer := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
			for _, topic := range request.(*kmsg.DescribeConfigsRequest).Resources {
				refused := kmsg.NewDescribeConfigsResponseResource()
				refused.ResourceType, refused.ResourceName, refused.ErrorCode = topic.ResourceType, topic.ResourceName, kerr.TopicAuthorizationFailed.Code
				answer.Resources = append(answer.Resources, refused)
			}
			return answer, nil, true
		})
		check := w.check(w.creates(w.config("")), "topic settings")
		require.Empty(t, check.Found)
		require.Empty(t, check.Problem)
		require.Contains(t, check.Warning, "the settings of topic orders.live could not be read")
		require.Contains(t, check.Warning, "needed are: cleanup.policy=delete, retention.ms=-1, retention.bytes=-1, max.message.bytes=16777216")
		require.Len(t, w.status(w.config("")).TopicProblems, 5)
	})
}

// What an earlier migration of the name has left is not taken for this one's.
func TestCreateRefusesLeftovers(t *testing.T) {
	t.Parallel()
	records := []events.Record{{Key: []byte(`{"pk":{"S":"a"}}`), Value: []byte("{}")}}
	for name, c := range map[string]struct {
		leave func(*testing.T, *assembly.Parts)
		form  string
		says  string // empty: it is allowed
	}{
		"snapshot records": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Kafka.Publish(p.Topics.Snapshot, 3)(t.Context(), records))
		}, "", "topic orders.snapshot has records"},
		"live records": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Kafka.Publish(p.Topics.Live, 3)(t.Context(), records))
		}, "", "topic orders.live has records"},
		"live records of an application": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Kafka.Publish(p.Topics.Live, 3)(t.Context(), records))
		}, "live: {from: app, position: header}", ""},
		"dead letters": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Kafka.DeadLetter(p.Topics.DLQ)(t.Context(), records[0], &events.Invalid{}))
		}, "live: {from: app, position: header}", "topic orders.dlq has records"},
		"facts of a segment": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteSegments(t.Context(), checkpoint.SegmentFact{Generation: 1, Total: 2, Pages: 1}))
		}, "", "a fact about segment/1/2/0"},
		"facts of a shard that was read": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteShards(t.Context(), checkpoint.ShardFact{Generation: 1, Shard: "s", Records: 3}))
		}, "", "a fact about shard/1/s that is more than its start"},
		"facts of a restart": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteShards(t.Context(), checkpoint.ShardFact{Generation: 2, Shard: "s", Records: 1}))
		}, "", "a fact about shard/2/s"},
		"the start of capture above another migration": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteShards(t.Context(), checkpoint.ShardFact{Generation: 2, Shard: "s"}))
		}, "", ""},
		"something applied": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteApplied(t.Context(), checkpoint.AppliedFact{Topic: p.Topics.Snapshot, Offset: 1}))
		}, "", "a fact about applied/0/orders.snapshot/0"},
		"the start of capture": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Facts().WriteShards(t.Context(), checkpoint.ShardFact{Generation: 1, Shard: "s", Before: true}))
		}, "", ""},
		"committed offsets": {func(t *testing.T, p *assembly.Parts) {
			require.NoError(t, p.Kafka.ResetToStart(t.Context(), p.Config.Name, p.Topics.Snapshot))
		}, "", "group orders has committed offset 0 of orders.snapshot/0"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				config := w.config(c.form)
				p := w.parts(config)
				_, err := p.Kafka.CreateTopics(t.Context(), p.TopicSpec())
				require.NoError(t, err)
				c.leave(t, p)
				if c.says == "" {
					require.True(t, w.creates(config).Created)
					return
				}
				problem := w.refused(config, "leftovers")
				require.Contains(t, problem, c.says)
				require.Contains(t, problem, `delete the topics that begin with "orders."`)
				require.Contains(t, problem, "or choose another name")
				state, err := p.State(t.Context())
				require.NoError(t, err)
				require.Nil(t, state.Created)
			})
		})
	}
}

// recreate replaces a topic by an empty one of the same name, which has all the right settings.
func (w *world) recreate(p *assembly.Parts, topic string) {
	w.t.Helper()
	w.deleteTopic(topic)
	_, err := p.Kafka.CreateTopics(w.t.Context(), p.TopicSpec())
	require.NoError(w.t, err)
}

// Each of the topics is known by its id, the control log too, of which an empty one looks like a migration that was never
// created.
func TestWorkersRefuseARecreatedTopic(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"snapshot", "live", "dlq", "work", "facts", "control"} {
		t.Run(kind, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				config := w.config("")
				w.creates(config)
				p := w.parts(config)
				require.NoError(t, p.Kafka.Publish(p.Topics.Snapshot, 3)(t.Context(), []events.Record{{Key: []byte(`{"pk":{"S":"a"}}`)}}))
				w.recreate(p, "orders."+kind)
				says := "topic orders." + kind + " is not the one that this migration was created with"
				if kind == "control" {
					says = `the migration "orders" has not been created`
				}
				for name, use := range map[string]func() error{
					"snapshot": func() error {
						return assembly.Snapshot(t.Context(), config, assembly.WorkerOptions{Logger: w.logger(), Network: w.network})
					},
					"streamer": func() error {
						return assembly.Streamer(t.Context(), config, assembly.WorkerOptions{Capture: true, Apply: true, Logger: w.logger(), Network: w.network})
					},
					"sweep": func() error {
						_, err := Sweep(t.Context(), config, SweepOptions{Logger: w.logger(), Network: w.network})
						return err
					},
					"restart": func() error {
						_, err := Restart(t.Context(), config, RestartOptions{Force: true, Logger: w.logger(), Network: w.network})
						return err
					},
					"replay": func() error {
						return Replay(t.Context(), config, ReplayOptions{NewTableUnused: true, Logger: w.logger(), Network: w.network})
					},
				} {
					err := use()
					require.ErrorContains(t, err, says, name)
					require.Equal(t, fault.Fatal, fault.Of(err), name)
				}
				report, err := Create(t.Context(), config, CreateOptions{EnableStream: true, Logger: w.logger(), Network: w.network})
				require.Error(t, err)
				if kind == "control" {
					require.Contains(t, w.check(report, "leftovers").Problem, "topic orders.snapshot has records")
					return
				}
				require.Contains(t, w.check(report, "topics").Problem, says)
				status := w.status(config)
				require.Len(t, status.TopicProblems, 1)
				require.Contains(t, status.TopicProblems[0], says)
			})
		})
	}
}

// patient is a configuration under which a worker on a busy machine does not give up.
func (w *world) patient() *migration.Config {
	config := w.config("")
	config.Grace = time.Hour
	return config
}

// startStreamer starts a streamer that has joined its group, and returns where its error comes.
func (w *world) startStreamer(config *migration.Config) chan error {
	w.t.Helper()
	p, ended := w.parts(config), make(chan error, 1)
	go func() {
		ended <- assembly.Streamer(w.t.Context(), config, assembly.WorkerOptions{Capture: true, Apply: true, Logger: w.logger(), Network: w.network})
	}()
	for {
		members, err := p.Kafka.Members(w.t.Context(), config.Name)
		if err == nil && len(members) == 1 {
			return ended
		}
		select {
		case err := <-ended:
			require.FailNow(w.t, "it ended before it had joined", "%v", err)
		default:
			time.Sleep(between)
		}
	}
}

func TestWorkersStopAtARecreatedTopic(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.patient()
		w.creates(config)
		p := w.parts(config)
		ended := w.startStreamer(config)
		w.recreate(p, p.Topics.Work) // nothing is in it that a fetch or a commit would miss
		err := <-ended
		require.ErrorContains(t, err, "topic orders.work is not the one that this migration was created with")
		require.Equal(t, fault.Fatal, fault.Of(err))
	})
}

func TestWorkersStopAtAddedPartitions(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.patient()
		w.creates(config)
		p := w.parts(config)
		ended := w.startStreamer(config)
		response, err := w.admin().CreatePartitions(t.Context(), &kafkago.CreatePartitionsRequest{
			Topics: []kafkago.TopicPartitionsConfig{{Name: p.Topics.Live, Count: 7}},
		})
		require.NoError(t, err)
		require.NoError(t, response.Errors[p.Topics.Live])
		err = <-ended
		require.ErrorContains(t, err, "topic orders.live has 7 partitions, the configuration says 3")
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, assembly.Streamer(t.Context(), config, assembly.WorkerOptions{Apply: true, Logger: w.logger(), Network: w.network}), "has 7 partitions")
	})
}

// A topic that is gone is waited for, as a broker that has just started may not know it, and said.
func TestMissingTopicIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.config("")
		w.creates(config)
		p := w.parts(config)
		state, err := p.Recorded(t.Context())
		require.NoError(t, err)
		w.deleteTopic(p.Topics.Work)
		err = p.Confirm(t.Context(), state)
		require.Equal(t, fault.Retry, fault.Of(err))
		require.ErrorContains(t, err, "topic orders.work is not there")
		s := w.status(config)
		require.True(t, s.TopicsRefused)
		says(t, s.Verdict, Act, "the topics are not as they must be: ")
		require.Contains(t, s.TopicProblems[0], "topic orders.work is not there")
	})
}

// A migration of a build that recorded no ids cannot be told from one whose topics are others.
func TestUnrecordedTopicsAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.config("")
		p := w.parts(config)
		_, err := p.Kafka.CreateTopics(t.Context(), p.TopicSpec())
		require.NoError(t, err)
		_, err = p.Control().Append(t.Context(), checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1, Config: config.Fingerprint()}})
		require.NoError(t, err)
		err = assembly.Snapshot(t.Context(), config, assembly.WorkerOptions{Logger: w.logger(), Network: w.network})
		require.Equal(t, fault.Fatal, fault.Of(err))
		require.ErrorContains(t, err, "create the migration anew, with this build")
	})
}

// hearing calls said for each line of the log.
type hearing struct {
	slog.Handler
	said func(slog.Record)
}

// Enabled implements slog.Handler.
func (hearing) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h hearing) Handle(_ context.Context, r slog.Record) error {
	h.said(r)
	return nil
}

// A control topic that is not there, with the others in their places, is no migration that was never created.
func TestMissingControlTopicIsWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.config("")
		w.creates(config)
		w.deleteTopic("orders.control")
		ctx, enough := context.WithCancel(t.Context())
		defer enough()
		var last string
		p := w.parts(config)
		p.Logger = slog.New(hearing{slog.DiscardHandler, func(r slog.Record) {
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "error" {
					last = a.Value.String()
				}
				return true
			})
			enough()
		}})
		_, err := p.Recorded(ctx)
		require.ErrorIs(t, err, context.Canceled, "it is tried again until nobody waits any more")
		require.Contains(t, last, "topic orders.control is not there, and 5 others of this name are")
	})
}
