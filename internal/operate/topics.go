package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

// checkTopics looks at what is there of the topics, and whether the rest could be made. It changes nothing.
func (c *creation) checkTopics(ctx context.Context) {
	var state checkpoint.State
	var found map[string]kafka.Topic
	c.note("topics", func() (text string, err error) {
		err = c.Patiently(ctx, func(ctx context.Context) error {
			if state, err = c.State(ctx); err != nil {
				return err
			}
			if state.Created != nil {
				if err := c.SameConfig(state); err != nil {
					return nil //nolint:nilerr // it is said after the checks, with all differences
				}
				found, err = c.Kafka.Describe(ctx, c.Topics.Each()...)
				return errors.Join(err, c.Confirm(ctx, state))
			}
			found, err = c.Kafka.CheckTopics(ctx, c.TopicSpec())
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
	err := c.Patiently(ctx, func(ctx context.Context) (err error) {
		settings, err = c.Kafka.CheckSettings(ctx, c.TopicSpec(), found)
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
	err := c.Patiently(ctx, func(ctx context.Context) (err error) {
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
	if c.From() == apply.FromStream {
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
			case starts[partition] > 0 && c.From() == apply.FromApp:
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
		facts := c.Facts()
		if err := facts.Refresh(ctx); err != nil {
			return nil, err
		}
		left = append(left, facts.Progress()...)
	}
	slices.Sort(left)
	return slices.Compact(left), nil
}
