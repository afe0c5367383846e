package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// bounds are the first offset of a partition and the one after its last record.
func (c *Client) bounds(ctx context.Context, id events.TopicPartition) (start, end int64, err error) {
	starts, ends, err := c.listOffsets(ctx, id.Topic, []int{id.Partition})
	return starts[id.Partition], ends[id.Partition], err
}

// Bounds are the first offset of each partition of a topic, and the one after its last record.
func (c *Client) Bounds(ctx context.Context, topic string) (starts, ends map[int]int64, err error) {
	n, err := c.partitions(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	partitions := make([]int, n)
	for i := range partitions {
		partitions[i] = i
	}
	return c.listOffsets(ctx, topic, partitions)
}

// EndOffsets is the offset after the last record of each partition of a topic.
func (c *Client) EndOffsets(ctx context.Context, topic string) (map[int]int64, error) {
	_, ends, err := c.Bounds(ctx, topic)
	return ends, err
}

// listOffsets returns the bounds of every partition asked for, or an error. kafka-go's Client.ListOffsets is left alone: to it
// a partition that an answer leaves out begins and ends at 0.
func (c *Client) listOffsets(ctx context.Context, topic string, partitions []int) (starts, ends map[int]int64, err error) {
	answered := c.outside.Ask(ctx, "list offsets of "+topic)
	defer func() { answered(err) }()
	what := "list offsets of " + topic
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	ask := make([]listoffsets.RequestPartition, 0, 2*len(partitions))
	for _, p := range partitions {
		for _, which := range []int64{kafkago.FirstOffset, kafkago.LastOffset} {
			ask = append(ask, listoffsets.RequestPartition{Partition: int32(p), CurrentLeaderEpoch: -1, Timestamp: which})
		}
	}
	message, err := c.transport.RoundTrip(ctx, c.client.Addr, &listoffsets.Request{
		ReplicaID: -1, Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: ask}},
	})
	if err != nil {
		return nil, nil, classify(err, what)
	}
	answer, ok := message.(*listoffsets.Response)
	if !ok {
		return nil, nil, classify(fmt.Errorf("an answer of type %T", message), what)
	}
	starts, ends = make(map[int]int64, len(partitions)), make(map[int]int64, len(partitions))
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			switch {
			case p.ErrorCode != 0:
				return nil, nil, classify(kafkago.Error(p.ErrorCode), fmt.Sprintf("%s/%d", what, p.Partition))
			case p.Offset < 0: // it does not know
			case p.Timestamp == kafkago.FirstOffset:
				starts[int(p.Partition)] = p.Offset
			case p.Timestamp == kafkago.LastOffset:
				ends[int(p.Partition)] = p.Offset
			}
		}
	}
	for _, p := range partitions {
		_, start := starts[p]
		if _, end := ends[p]; !start || !end {
			return nil, nil, classify(kafkago.LeaderNotAvailable, fmt.Sprintf("%s/%d: no answer", what, p))
		}
	}
	return starts, ends, nil
}

// Progress is what a group has committed for these topics: only partitions with a commit are in it.
func (c *Client) Progress(ctx context.Context, group string, topics ...string) (_ map[events.TopicPartition]apply.Progress, err error) {
	answered := c.outside.Ask(ctx, "fetch the committed offsets of group "+group)
	defer func() { answered(err) }()
	what := "fetch the committed offsets of group " + group
	response, err := c.client.OffsetFetch(ctx, &kafkago.OffsetFetchRequest{GroupID: group})
	if err != nil {
		return nil, classify(err, what)
	}
	if errors.Is(response.Error, kafkago.GroupIdNotFound) {
		return map[events.TopicPartition]apply.Progress{}, nil // nobody has committed yet
	}
	if response.Error != nil {
		return nil, classify(response.Error, what)
	}
	progress := map[events.TopicPartition]apply.Progress{}
	for topic, partitions := range response.Topics {
		if !slices.Contains(topics, topic) {
			continue // of another role of the same group
		}
		for _, p := range partitions {
			id := events.TopicPartition{Topic: topic, Partition: p.Partition}
			if p.Error != nil {
				return nil, classify(p.Error, fmt.Sprintf("%s for %s", what, id))
			}
			if p.CommittedOffset < 0 {
				continue // nothing committed: from the start
			}
			at := apply.Progress{Offset: p.CommittedOffset}
			// Offsets that a person has reset carry no counts; anything else in the metadata is not ours either.
			if json.Unmarshal([]byte(p.Metadata), &at.Counts) != nil {
				at.Counts = apply.Counts{}
			}
			progress[id] = at
		}
	}
	return progress, nil
}

// commit makes progress durable for a member of a group; generation -1 and no member are for a group without members.
func (c *Client) commit(
	ctx context.Context, group, member string, generation int, progress map[events.TopicPartition]apply.Progress,
) (err error) {
	answered := c.outside.Ask(ctx, "commit offsets of group "+group)
	defer func() { answered(err) }()
	what := "commit offsets of group " + group
	topics := map[string][]kafkago.OffsetCommit{}
	for id, at := range progress {
		counts, err := json.Marshal(at.Counts)
		if err != nil {
			return fmt.Errorf("encode counts: %w", err)
		}
		topics[id.Topic] = append(topics[id.Topic], kafkago.OffsetCommit{Partition: id.Partition, Offset: at.Offset, Metadata: string(counts)})
	}
	response, err := c.client.OffsetCommit(ctx, &kafkago.OffsetCommitRequest{
		GroupID: group, GenerationID: generation, MemberID: member, Topics: topics,
	})
	if err != nil {
		return classify(err, what)
	}
	// A refusal stands with each partition, and nowhere else.
	confirmed := 0
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return classify(p.Error, fmt.Sprintf("%s for %s/%d", what, topic, p.Partition))
			}
			confirmed++
		}
	}
	if confirmed != len(progress) {
		return classify(kafkago.Unknown, fmt.Sprintf("%s: %d of %d partitions answered", what, confirmed, len(progress)))
	}
	return nil
}

// ResetToStart commits offset 0 for every partition of the topics, for a replay. The broker refuses it while the
// group has members.
func (c *Client) ResetToStart(ctx context.Context, group string, topics ...string) error {
	if err := c.Empty(ctx, group); err != nil {
		return err
	}
	progress := map[events.TopicPartition]apply.Progress{}
	for _, topic := range topics {
		n, err := c.partitions(ctx, topic)
		if err != nil {
			return err
		}
		for p := range n {
			progress[events.TopicPartition{Topic: topic, Partition: p}] = apply.Progress{}
		}
	}
	err := c.commit(ctx, group, "", -1, progress)
	if errors.Is(err, apply.ErrFenced) {
		return cmp.Or(c.Empty(ctx, group), err) // somebody joined meanwhile
	}
	return err
}

// Empty is nil for a group without members, else an error that names them.
func (c *Client) Empty(ctx context.Context, group string) error {
	members, err := c.Members(ctx, group)
	if err != nil || len(members) == 0 {
		return err
	}
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = fmt.Sprintf("%s on %s", m.Client, m.Host)
	}
	return &fault.Error{
		Class: fault.Fatal, Reason: "group-not-empty",
		What: fmt.Sprintf("group %s has %d members: %s", group, len(members), strings.Join(names, ", ")), Advice: "stop all streamers first",
	}
}
