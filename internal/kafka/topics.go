package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// Topics are the names of a migration's topics.
type Topics struct {
	Snapshot, Live, DLQ, Work, Facts, Control string
}

// TopicsOf returns the topics of the migration called name.
func TopicsOf(name string) Topics {
	return Topics{
		Snapshot: name + ".snapshot", Live: name + ".live", DLQ: name + ".dlq",
		Work: name + ".work", Facts: name + ".facts", Control: name + ".control",
	}
}

// TopicSpec says how a migration's topics are to be.
type TopicSpec struct {
	Topics         Topics
	Partitions     int // of Snapshot and of Live
	WorkPartitions int
	Replication    int // 0 leaves it to the brokers
}

const (
	// maxMessageBytes holds any record: an item of 400 KB, made of many small values, is several MB of JSON.
	maxMessageBytes = 16 << 20
	// maxDeadBytes holds any of those with the headers that it gains in the dlq.
	maxDeadBytes = maxMessageBytes + 1<<20
)

func entry(name, value string) kafkago.ConfigEntry {
	return kafkago.ConfigEntry{ConfigName: name, ConfigValue: value}
}

// configs are the topics with what correctness needs of each.
func (s TopicSpec) configs() []kafkago.TopicConfig {
	// The broker's own default may be compaction, which would take rows.
	forever := []kafkago.ConfigEntry{entry("cleanup.policy", "delete"), entry("retention.ms", "-1"), entry("retention.bytes", "-1")}
	upTo := func(bytes int) []kafkago.ConfigEntry {
		return append([]kafkago.ConfigEntry{entry("max.message.bytes", strconv.Itoa(bytes))}, forever...)
	}
	// kafka-go reads a topic that is compacted and compressed in an endless loop, so the facts are not compressed.
	facts := []kafkago.ConfigEntry{entry("cleanup.policy", "compact"), entry("compression.type", "uncompressed")}
	topic := func(name string, partitions int, entries []kafkago.ConfigEntry) kafkago.TopicConfig {
		replication := s.Replication
		if replication == 0 {
			replication = -1
		}
		return kafkago.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: replication, ConfigEntries: entries}
	}
	return []kafkago.TopicConfig{
		topic(s.Topics.Snapshot, s.Partitions, upTo(maxMessageBytes)),
		topic(s.Topics.Live, s.Partitions, upTo(maxMessageBytes)),
		topic(s.Topics.DLQ, 1, upTo(maxDeadBytes)),
		topic(s.Topics.Work, s.WorkPartitions, nil),
		topic(s.Topics.Facts, 1, facts),
		topic(s.Topics.Control, 1, forever),
	}
}

// CreateTopics creates the topics that are missing, and returns once all of them can be used. A topic that exists
// with another number of partitions is an error of class Fatal.
func (c *Client) CreateTopics(ctx context.Context, spec TopicSpec) error {
	configs := spec.configs()
	if err := c.createTopics(ctx, configs); err != nil {
		return err
	}
	return fault.Do(ctx, nil, func(ctx context.Context) error {
		for _, config := range configs {
			found, err := c.partitions(ctx, config.Topic)
			if err != nil {
				return err
			}
			if found != config.NumPartitions {
				return &fault.Error{
					Class: fault.Fatal, Reason: "partitions",
					What:   fmt.Sprintf("topic %s has %d partitions, the configuration says %d", config.Topic, found, config.NumPartitions),
					Advice: "set the configuration to what the topic has, or delete the topic if it is of no use",
				}
			}
		}
		return nil
	})
}

// createTopics asks for the topics; those that exist stay as they are.
func (c *Client) createTopics(ctx context.Context, configs []kafkago.TopicConfig) (err error) {
	answered := c.outside.Ask(ctx, "create topics")
	defer func() { answered(err) }()
	response, err := c.client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: configs})
	if err != nil {
		return classify(err, "create topics")
	}
	for name, err := range response.Errors {
		if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
			return classify(err, "create topic "+name)
		}
	}
	return nil
}

// Exists reports whether there is a topic of this name.
func (c *Client) Exists(ctx context.Context, topic string) (exists bool, err error) {
	answered := c.outside.Ask(ctx, "look for topic "+topic)
	defer func() { answered(err) }()
	_, err = c.describe(ctx, topic)
	if errors.Is(err, kafkago.UnknownTopicOrPartition) {
		return false, nil
	}
	return err == nil, err
}

// partitions is the number of partitions of a topic. A missing one is kafkago.UnknownTopicOrPartition, of class
// Retry: a topic that was just created is missing for a moment on some brokers.
func (c *Client) partitions(ctx context.Context, topic string) (n int, err error) {
	answered := c.outside.Ask(ctx, "describe topic "+topic)
	defer func() { answered(err) }()
	return c.describe(ctx, topic)
}

func (c *Client) describe(ctx context.Context, topic string) (int, error) {
	what := "describe topic " + topic
	response, err := c.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, classify(err, what)
	}
	for _, t := range response.Topics {
		if t.Name != topic {
			continue // not the one that was asked for
		}
		if t.Error != nil {
			return 0, classify(t.Error, what)
		}
		return len(t.Partitions), nil
	}
	return 0, classify(kafkago.UnknownTopicOrPartition, what)
}

// setting is the value of one setting of a topic.
func (c *Client) setting(ctx context.Context, topic, name string) (_ string, err error) {
	answered := c.outside.Ask(ctx, "read settings of topic "+topic)
	defer func() { answered(err) }()
	what := fmt.Sprintf("read setting %s of topic %s", name, topic)
	response, err := c.client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{
		{ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}},
	}})
	if err != nil {
		return "", classify(err, what)
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return "", classify(r.Error, what)
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == name {
				return e.ConfigValue, nil
			}
		}
	}
	return "", classify(kafkago.Unknown, what+": no answer")
}
