package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// checkTopics looks at what is there of the topics, and whether the rest could be made.
func (f *preflight) checkTopics(ctx context.Context) (string, error) {
	err := f.Patiently(ctx, f.findTopics)
	if all := len(f.Topics.Each()); len(f.topics) < all {
		return fmt.Sprintf("%d of %d are there, and the others can be made", len(f.topics), all), err
	}
	return "all are there", err
}

// findTopics fills in the migration's state and the topics that are there: those of a created migration as they are recorded,
// else as they are to be made.
func (f *preflight) findTopics(ctx context.Context) (err error) {
	if f.state, err = f.State(ctx); err != nil {
		return err
	}
	if f.state.Created == nil {
		f.topics, err = f.Kafka.CheckTopics(ctx, f.TopicSpec())
		return err
	}
	if err := f.SameConfig(f.state); err != nil {
		return nil //nolint:nilerr // it is said after the checks, with all differences
	}
	f.topics, err = f.Kafka.Describe(ctx, f.Topics.Each()...)
	return errors.Join(err, f.Confirm(ctx, f.state))
}

// checkSettings holds the settings of the topics that are there against those that are needed.
func (f *preflight) checkSettings(ctx context.Context) (string, error) {
	settings, err := assembly.Patiently(ctx, f.Parts, func(ctx context.Context) (kafka.Settings, error) {
		return f.Kafka.CheckSettings(ctx, f.TopicSpec(), f.topics)
	})
	if err = errors.Join(err, settings.Err()); err != nil {
		return "", err
	}
	if doubts := slices.Concat(settings.Unknown, settings.Risks); len(doubts) > 0 {
		return "", doubt(strings.Join(doubts, "; "))
	}
	return fmt.Sprintf("of the %d that are there, as they are needed", len(f.topics)), nil
}

// checkLeftovers refuses topics that an earlier migration of this name has left behind: what is in them would be applied as
// if it were this one's. What a create that died has left, topics and the start of capture, is no such thing, nor is what
// an application has published already in the form app.
func (f *preflight) checkLeftovers(ctx context.Context) (string, error) {
	left, err := assembly.Patiently(ctx, f.Parts, f.leftovers)
	switch {
	case err != nil:
		return "", err
	case len(left) > 0:
		return "", fmt.Errorf("the migration is not recorded as created, and there is something of an earlier one of this name: %s; "+
			"delete the topics that begin with %q and the offsets of the group (kafka-consumer-groups.sh --delete --group %s), "+
			"or choose another name", strings.Join(left, "; "), f.Config.Name+".", f.Config.Name)
	}
	return "none of an earlier migration of this name", nil
}

func (f *preflight) leftovers(ctx context.Context) (left []string, err error) {
	ours := []string{f.Topics.Snapshot, f.Topics.DLQ}
	if f.From() == apply.FromStream {
		ours = append(ours, f.Topics.Live)
	}
	for _, topic := range append(ours, f.Topics.Live) {
		if _, ok := f.topics[topic]; !ok {
			continue
		}
		starts, ends, err := f.Kafka.Bounds(ctx, topic)
		if err != nil {
			return nil, err
		}
		for partition, end := range ends {
			switch {
			case end > 0 && slices.Contains(ours, topic):
				left = append(left, fmt.Sprintf("topic %s has records up to offset %d in partition %d", topic, end-1, partition))
			case starts[partition] > 0 && f.From() == apply.FromApp:
				left = append(left, fmt.Sprintf("records 0 to %d of partition %d of topic %s have been deleted already, so they would never be applied",
					starts[partition]-1, partition, topic))
			}
		}
	}
	progress, err := f.Kafka.Progress(ctx, f.Config.Name, f.Topics.Snapshot, f.Topics.Live)
	if err != nil {
		return nil, err
	}
	for id, at := range progress {
		left = append(left, fmt.Sprintf("group %s has committed offset %d of %s", f.Config.Name, at.Offset, id))
	}
	if _, ok := f.topics[f.Topics.Facts]; ok {
		facts := f.Facts()
		if err := facts.Refresh(ctx); err != nil {
			return nil, err
		}
		left = append(left, facts.Progress()...)
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}
