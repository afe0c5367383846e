package assembly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// A migration's topics are known by what is recorded of them: their ids, in the control log. A topic that was deleted and
// made again has the same name, no records, and another id; without the id "there is nothing to apply" and "what was to be
// applied is gone" look alike. So before anything durable says that records were published or applied, a fact, an offset or
// a control entry, the ids are confirmed by a request that began after those records were acknowledged or fetched.

// TopicSpec is what the configuration wants of the topics.
func (p *Parts) TopicSpec() kafka.TopicSpec {
	return kafka.TopicSpec{
		Topics: p.Topics, Partitions: p.Config.Kafka.Partitions, WorkPartitions: p.Config.Kafka.WorkPartitions,
		Replication: p.Config.Kafka.Replication, LiveIsOthers: p.From() != apply.FromStream,
	}
}

// wanted is what the topics of a created migration are to be.
func (p *Parts) wanted(created *checkpoint.Created) (map[string]kafka.Topic, error) {
	for _, name := range p.Topics.Each() {
		if created.Topics[name] == "" {
			return nil, &fault.Error{
				Class: fault.Fatal, Reason: "topics-unrecorded",
				What: fmt.Sprintf("the id of topic %s was not recorded when the migration was created: an older build did that", name),
				Advice: "whether a topic was deleted and made again cannot be told: create the migration anew, with this build, " +
					"under another name and into an empty new table",
			}
		}
	}
	return p.TopicSpec().Want(created.Topics), nil
}

// Confirm returns nil if the topics are still those that were recorded, see kafka.Client.Confirm.
func (p *Parts) Confirm(ctx context.Context, state checkpoint.State) error {
	want, err := p.wanted(state.Created)
	if err != nil {
		return err
	}
	return p.Kafka.Confirm(ctx, want)
}

// CheckTopics holds the topics of a created migration against what was recorded of them and against the settings that it
// needs. What is not refused, and what could not be read, is in the Settings.
func (p *Parts) CheckTopics(ctx context.Context, state checkpoint.State) (kafka.Settings, error) {
	want, err := p.wanted(state.Created)
	if err != nil {
		return kafka.Settings{}, err
	}
	found, err := p.Kafka.Describe(ctx, p.Topics.Each()...) // their replication is recorded nowhere
	if err != nil {
		return kafka.Settings{}, err
	}
	if err := kafka.Same(found, want); err != nil {
		return kafka.Settings{}, err
	}
	settings, err := p.Kafka.CheckSettings(ctx, p.TopicSpec(), found)
	if err != nil {
		return settings, err
	}
	return settings, settings.Err()
}

// stateOrMissing is State, for a command that needs a created migration: where other topics of this name are there, a control
// topic that is not does not mean that nothing was created.
func (p *Parts) stateOrMissing(ctx context.Context) (checkpoint.State, error) {
	state, err := p.State(ctx)
	if err != nil || state.Created != nil {
		return state, err
	}
	found, err := p.Kafka.Describe(ctx, p.Topics.Each()...)
	if _, ok := found[p.Topics.Control]; err == nil && !ok && len(found) > 0 {
		err = &fault.Error{Class: fault.Retry, Reason: "topic-missing", What: fmt.Sprintf(
			"topic %s is not there, and %d others of this name are: it was deleted, or the migration has not been created, "+
				"or a broker that has just started does not know it yet", p.Topics.Control, len(found))}
	}
	return state, err
}

// requireTopics is CheckTopics for a command that is about to begin.
func (p *Parts) requireTopics(ctx context.Context, state checkpoint.State) error {
	return p.Patiently(ctx, func(ctx context.Context) error {
		settings, err := p.CheckTopics(ctx, state)
		for _, text := range settings.Unknown {
			p.Logger.Warn("not all is known of the topics", "unknown", text)
		}
		return err
	})
}

// confirmEvery is how often a worker that commits nothing, and writes no facts, asks for the topics' ids.
const confirmEvery = 3 * time.Second

// sayMissing is the time between two lines about a topic that is missing.
const sayMissing = 30 * time.Second

// watchTopics asks for the topics' ids until ctx ends, and then returns nil; or until they are others. A broker that has just
// started may not know a topic for a moment, so one that is missing is waited for, and said at a pace.
func (w *worker) watchTopics(ctx context.Context) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	missing := rate.Sometimes{Interval: sayMissing}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := w.Confirm(ctx, w.state)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
		case fault.Of(err) != fault.Retry:
			return err
		case errors.Is(err, kafka.ErrTopicMissing):
			missing.Do(func() {
				w.Logger.Warn("the topics could not be confirmed; nothing is committed meanwhile", "error", err)
			})
		default: // there was no answer: the client says so
		}
	}
}

// commit is a's Commit, once the topics are confirmed: what is committed had been fetched before.
func (w *worker) commit(a kafka.Assignment) apply.Commit {
	return func(ctx context.Context, progress map[events.TopicPartition]apply.Progress) error {
		if err := w.Confirm(ctx, w.state); err != nil {
			return err
		}
		return a.Commit(ctx, progress)
	}
}

// confirmedLog is a log in which nothing is said unless the topics are confirmed: what a fact or a control entry is about had
// been acknowledged before.
type confirmedLog struct {
	checkpoint.Log
	confirm func(context.Context) error
}

// Append implements checkpoint.Log.
func (l confirmedLog) Append(ctx context.Context, entries ...checkpoint.Entry) error {
	if err := l.confirm(ctx); err != nil {
		return err
	}
	return l.Log.Append(ctx, entries...)
}

func (w *worker) confirmed(topic string) checkpoint.Log {
	return confirmedLog{w.Kafka.Log(topic), func(ctx context.Context) error { return w.Confirm(ctx, w.state) }}
}

// confirmedFacts are those of a worker: it writes them about topics that are confirmed.
func (w *worker) confirmedFacts() *checkpoint.Facts {
	return checkpoint.NewFacts(w.confirmed(w.Topics.Facts), w.process, w.Config.Grace)
}

// confirmedControl is that of a worker, likewise.
func (w *worker) confirmedControl() *checkpoint.Control {
	return checkpoint.NewControl(w.confirmed(w.Topics.Control), w.process)
}

// explained is err, or what is behind it: an offset that is not there is another thing when the topic is another one.
func (w *worker) explained(ctx context.Context, err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Reason != "offset-out-of-range" {
		return err
	}
	if why := w.Confirm(context.WithoutCancel(ctx), w.state); why != nil && fault.Of(why) == fault.Fatal {
		return why
	}
	return err
}
