package assembly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

func (p *Parts) topicSpec() kafka.TopicSpec {
	return kafka.TopicSpec{
		Topics: p.Topics, Partitions: p.Config.Kafka.Partitions, WorkPartitions: p.Config.Kafka.WorkPartitions,
		Replication: p.Config.Kafka.Replication, LiveIsOthers: p.from() != apply.FromStream,
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
	return p.topicSpec().Want(created.Topics), nil
}

// confirm returns nil if the topics are still those that were recorded, see kafka.Client.Confirm.
func (p *Parts) confirm(ctx context.Context, state checkpoint.State) error {
	want, err := p.wanted(state.Created)
	if err != nil {
		return err
	}
	return p.Kafka.Confirm(ctx, want)
}

// checkTopics holds the topics of a created migration against what was recorded of them and against the settings that it
// needs. What is not refused, and what could not be read, is in the Settings.
func (p *Parts) checkTopics(ctx context.Context, state checkpoint.State) (kafka.Settings, error) {
	want, err := p.wanted(state.Created)
	if err != nil {
		return kafka.Settings{}, err
	}
	if err := p.Kafka.Confirm(ctx, want); err != nil {
		return kafka.Settings{}, err
	}
	found, err := p.Kafka.Describe(ctx, p.Topics.Each()...) // their replication is recorded nowhere
	if err != nil {
		return kafka.Settings{}, err
	}
	settings, err := p.Kafka.CheckSettings(ctx, p.topicSpec(), found)
	if err != nil {
		return settings, err
	}
	return settings, settings.Err()
}

// stateOrMissing is state, for a command that needs a created migration: where other topics of this name are there, a control
// topic that is not does not mean that nothing was created.
func (p *Parts) stateOrMissing(ctx context.Context) (state checkpoint.State, err error) {
	err = p.patiently(ctx, func(ctx context.Context) error {
		if state, err = p.readState(ctx); err != nil || state.Created != nil {
			return err
		}
		found, err := p.Kafka.Describe(ctx, p.Topics.Each()...)
		if _, ok := found[p.Topics.Control]; err == nil && !ok && len(found) > 0 {
			return &fault.Error{Class: fault.Retry, Reason: "topic-missing", What: fmt.Sprintf(
				"topic %s is not there, and %d others of this name are: it was deleted, or the migration has not been created, "+
					"or a broker that has just started does not know it yet", p.Topics.Control, len(found))}
		}
		return err
	})
	return state, err
}

// requireTopics is checkTopics for a command that is about to begin.
func (p *Parts) requireTopics(ctx context.Context, state checkpoint.State) error {
	return p.patiently(ctx, func(ctx context.Context) error {
		settings, err := p.checkTopics(ctx, state)
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
		err := w.confirm(ctx, w.state)
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
		if err := w.confirm(ctx, w.state); err != nil {
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
	return confirmedLog{w.Kafka.Log(topic), func(ctx context.Context) error { return w.confirm(ctx, w.state) }}
}

// facts are those of a worker: it writes them about topics that are confirmed.
func (w *worker) facts() *checkpoint.Facts {
	return checkpoint.NewFacts(w.confirmed(w.Topics.Facts), w.process, w.Config.Grace)
}

// control is that of a worker, likewise.
func (w *worker) control() *checkpoint.Control {
	return checkpoint.NewControl(w.confirmed(w.Topics.Control), w.process)
}

// explained is err, or what is behind it: an offset that is not there is another thing when the topic is another one.
func (w *worker) explained(ctx context.Context, err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Reason != "offset-out-of-range" {
		return err
	}
	if why := w.confirm(context.WithoutCancel(ctx), w.state); why != nil && fault.Of(why) == fault.Fatal {
		return why
	}
	return err
}

// checkTopics looks at what is there of the topics, and whether the rest could be made. It changes nothing.
func (c *creation) checkTopics(ctx context.Context) {
	var state checkpoint.State
	var found map[string]kafka.Topic
	c.note("topics", func() (text string, err error) {
		err = c.patiently(ctx, func(ctx context.Context) error {
			if state, err = c.readState(ctx); err != nil {
				return err
			}
			if state.Created != nil {
				if err := c.sameConfig(state); err != nil {
					return nil //nolint:nilerr // it is said after the checks, with all differences
				}
				found, err = c.Kafka.Describe(ctx, c.Topics.Each()...)
				return errors.Join(err, c.confirm(ctx, state))
			}
			found, err = c.Kafka.CheckTopics(ctx, c.topicSpec())
			return err
		})
		if all := len(c.Topics.Each()); len(found) < all {
			return fmt.Sprintf("%d of %d are there, and the others can be made", len(found), all), err
		}
		return "all are there", err
	})
	c.note("topic settings", func() (string, error) { return c.checkSettings(ctx, found) })
	if state.Created == nil {
		c.note("leftovers", func() (string, error) { return c.checkLeftovers(ctx, found) })
	}
}

func (c *creation) checkSettings(ctx context.Context, found map[string]kafka.Topic) (string, error) {
	var settings kafka.Settings
	err := c.patiently(ctx, func(ctx context.Context) (err error) {
		settings, err = c.Kafka.CheckSettings(ctx, c.topicSpec(), found)
		return err
	})
	if err = errors.Join(err, settings.Err()); err != nil {
		return "", err
	}
	if doubts := slices.Concat(settings.Unknown, settings.Risks); len(doubts) > 0 {
		return "", doubt(strings.Join(doubts, "; "))
	}
	return fmt.Sprintf("of the %d that are there, as they are needed", len(found)), nil
}

// checkLeftovers refuses topics that an earlier migration of this name has left behind: what is in them would be applied as
// if it were this one's. What a create that died has left, topics and the start of capture, is no such thing, nor is what
// an application has published already in the form app.
func (c *creation) checkLeftovers(ctx context.Context, found map[string]kafka.Topic) (string, error) {
	var left []string
	err := c.patiently(ctx, func(ctx context.Context) (err error) {
		left, err = c.leftovers(ctx, found)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case len(left) > 0:
		return "", fmt.Errorf("the migration is not recorded as created, and there is something of an earlier one of this name: %s; "+
			"delete the topics that begin with %q and the offsets of the group (kafka-consumer-groups.sh --delete --group %s), "+
			"or choose another name", strings.Join(left, "; "), c.Config.Name+".", c.Config.Name)
	}
	return "none of an earlier migration of this name", nil
}

func (c *creation) leftovers(ctx context.Context, found map[string]kafka.Topic) (left []string, err error) {
	ours := []string{c.Topics.Snapshot, c.Topics.DLQ}
	if c.from() == apply.FromStream {
		ours = append(ours, c.Topics.Live)
	}
	for _, topic := range append(ours, c.Topics.Live) {
		if _, ok := found[topic]; !ok {
			continue
		}
		starts, ends, err := c.Kafka.Bounds(ctx, topic)
		if err != nil {
			return nil, err
		}
		for partition, end := range ends {
			switch {
			case end > 0 && slices.Contains(ours, topic):
				left = append(left, fmt.Sprintf("topic %s has records up to offset %d in partition %d", topic, end-1, partition))
			case starts[partition] > 0 && c.from() == apply.FromApp:
				left = append(left, fmt.Sprintf("records 0 to %d of partition %d of topic %s have been deleted already, so they would never be applied",
					starts[partition]-1, partition, topic))
			}
		}
	}
	progress, err := c.Kafka.Progress(ctx, c.Config.Name, c.Topics.Snapshot, c.Topics.Live)
	if err != nil {
		return nil, err
	}
	for id, at := range progress {
		left = append(left, fmt.Sprintf("group %s has committed offset %d of %s", c.Config.Name, at.Offset, id))
	}
	if _, ok := found[c.Topics.Facts]; ok {
		facts := c.facts()
		if err := facts.Refresh(ctx); err != nil {
			return nil, err
		}
		left = append(left, facts.Progress()...)
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}
