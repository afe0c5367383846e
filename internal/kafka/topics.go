package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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

// Each returns the names of all six.
func (t Topics) Each() []string {
	return []string{t.Snapshot, t.Live, t.DLQ, t.Work, t.Facts, t.Control}
}

// TopicSpec says how a migration's topics are to be.
type TopicSpec struct {
	Topics         Topics
	Partitions     int // of Snapshot and of Live
	WorkPartitions int
	Replication    int  // 0 leaves it to the brokers
	LiveIsOthers   bool // the application publishes to Live, and nothing of ours does
}

// kinds are what the six topics are for, in the order of Topics.Each.
var kinds = []kind{snapshotTopic, liveTopic, dlqTopic, workTopic, factsTopic, controlTopic}

// name is the name of the topic of this kind.
func (s TopicSpec) name(k kind) string { return s.Topics.Each()[slices.Index(kinds, k)] }

// partitions is how many the topic of this kind has.
func (s TopicSpec) partitions(k kind) int {
	switch k {
	case snapshotTopic, liveTopic:
		return s.Partitions
	case workTopic:
		return s.WorkPartitions
	case dlqTopic, factsTopic, controlTopic:
	}
	return 1
}

// Want is each topic, with the id that was recorded of it, as Confirm needs it.
func (s TopicSpec) Want(ids map[string]string) map[string]Topic {
	want := map[string]Topic{}
	for _, k := range kinds {
		want[s.name(k)] = Topic{ID: ids[s.name(k)], Partitions: s.partitions(k)}
	}
	return want
}

// missing are the topics that were not found, as they are to be made, with what correctness needs of each.
func (s TopicSpec) missing(found map[string]Topic) (configs []kafkago.TopicConfig) {
	for _, k := range kinds {
		if _, ok := found[s.name(k)]; ok {
			continue
		}
		config := kafkago.TopicConfig{Topic: s.name(k), NumPartitions: s.partitions(k), ReplicationFactor: cmp.Or(s.Replication, -1)}
		for _, one := range s.settings(k) {
			if one.wanted != "" {
				config.ConfigEntries = append(config.ConfigEntries, entry(one.name, one.wanted))
			}
		}
		configs = append(configs, config)
	}
	return configs
}

func entry(name, value string) kafkago.ConfigEntry {
	return kafkago.ConfigEntry{ConfigName: name, ConfigValue: value}
}

// CheckTopics holds the topics that are there against the spec, and asks the brokers whether those that are missing could
// be made. It changes nothing. The topics that it has found are returned also with an error.
func (c *Client) CheckTopics(ctx context.Context, spec TopicSpec) (map[string]Topic, error) {
	found, err := c.describeAll(ctx, spec)
	if found == nil {
		return nil, err
	}
	return found, errors.Join(err, c.make(ctx, spec, found, true))
}

// describeAll describes those of the topics that are there. One with another number of partitions, or without an id, is an
// error of class Fatal, with which the topics are returned.
func (c *Client) describeAll(ctx context.Context, spec TopicSpec) (map[string]Topic, error) {
	found, err := c.Describe(ctx, spec.Topics.Each()...)
	if err != nil {
		return nil, err
	}
	var all error
	for _, k := range kinds {
		name := spec.name(k)
		topic, ok := found[name]
		switch {
		case !ok:
		case topic.ID == "":
			return found, errNoIDs
		case topic.Partitions != spec.partitions(k):
			all = errors.Join(all, partitionsDiffer(name, topic.Partitions, spec.partitions(k)))
		}
	}
	return found, all
}

// CreateTopics creates the topics that are missing, asking for no right if none is, and returns the ids of all once they
// can be used. A topic that exists with another number of partitions is an error of class Fatal.
func (c *Client) CreateTopics(ctx context.Context, spec TopicSpec) (ids map[string]string, err error) {
	made := false
	err = fault.Do(ctx, nil, func(ctx context.Context) error {
		found, err := c.describeAll(ctx, spec)
		if err == nil && !made {
			err = c.make(ctx, spec, found, false)
			made = err == nil
		}
		if err != nil {
			return err
		}
		ids = map[string]string{}
		for _, name := range spec.Topics.Each() {
			topic, ok := found[name]
			if !ok { // not every broker knows at once of what was just made
				return classify(kafkago.UnknownTopicOrPartition, "describe topic "+name)
			}
			ids[name] = topic.ID
		}
		return nil
	})
	return ids, err
}

// make makes the topics that were not found, or asks only whether they could be made.
func (c *Client) make(ctx context.Context, spec TopicSpec, found map[string]Topic, onlyAsk bool) (err error) {
	missing := spec.missing(found)
	if len(missing) == 0 {
		return nil
	}
	answered := c.outside.Ask(ctx, "create topics")
	defer func() { answered(err) }()
	client := *c.client
	if onlyAsk {
		client.Transport = validator{c.transport}
	}
	response, err := client.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: missing, ValidateOnly: onlyAsk})
	if err != nil {
		return classify(err, "create topics")
	}
	for _, topic := range missing {
		err, answered := response.Errors[topic.Topic]
		switch {
		case !answered:
			return classify(kafkago.Unknown, "create topic "+topic.Topic+": no answer")
		case err == nil, errors.Is(err, kafkago.TopicAlreadyExists): // somebody else was first: it is described again
		case errors.Is(err, kafkago.TopicAuthorizationFailed), errors.Is(err, kafkago.ClusterAuthorizationFailed):
			return &fault.Error{
				Class: fault.Fatal, Reason: "topic-rights", What: "create topic " + topic.Topic, Err: err,
				Advice: "give the principal the right CREATE on them, or let somebody who has it make what is missing:\n  " +
					strings.Join(c.commands(missing), "\n  "),
			}
		default:
			return classify(err, "create topic "+topic.Topic)
		}
	}
	return nil
}

// commands are what makes these topics, one line for each.
func (c *Client) commands(topics []kafkago.TopicConfig) (lines []string) {
	for _, topic := range topics {
		words := []string{
			"kafka-topics.sh --bootstrap-server", strings.Join(c.options.Brokers, ","),
			"--create --topic", topic.Topic, "--partitions", strconv.Itoa(topic.NumPartitions),
		}
		if topic.ReplicationFactor > 0 {
			words = append(words, "--replication-factor", strconv.Itoa(topic.ReplicationFactor))
		}
		for _, e := range topic.ConfigEntries {
			words = append(words, "--config", e.ConfigName+"="+e.ConfigValue)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// Exists reports whether there is a topic of this name.
func (c *Client) Exists(ctx context.Context, topic string) (bool, error) {
	found, err := c.Describe(ctx, topic)
	_, ok := found[topic]
	return ok, err
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
