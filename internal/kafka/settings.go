package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// kind is what a topic of a migration is for.
type kind string

const (
	snapshotTopic kind = "snapshot"
	liveTopic     kind = "live"
	dlqTopic      kind = "dlq"
	workTopic     kind = "work" // holds no records: its partitions are handed out
	factsTopic    kind = "facts"
	controlTopic  kind = "control"
)

const (
	// maxMessageBytes holds any record: an item of 400 KB, made of many small values, is several MB of JSON.
	maxMessageBytes = 16 << 20
	// maxDeadBytes holds any of those with the headers that it gains in the dlq.
	maxDeadBytes = maxMessageBytes + 1<<20
	// maxStatementBytes holds any fact, with a key of 3 KB in it, and the close of a snapshot of thousands of partitions.
	maxStatementBytes = 1 << 20
	// factsSegment is at least one request of facts, and little to read for a worker that starts.
	factsSegment = 8 << 20
)

// gravity says what it means that a setting is not as it has to be.
type gravity uint8

const (
	loses gravity = iota // rows, or the migration stops one day: refused
	risks                // a broker's disk may take what it has acknowledged, or more is read than need be: said
)

// setting is what a migration needs of one setting of a topic.
type setting struct {
	of   []kind
	name string
	// wanted is the value that create gives the topics that it makes; where it is empty the brokers' own stays.
	wanted  string
	fits    func(found, wanted string, replication int) bool
	gravity gravity
	why     string
}

var (
	kept = []kind{snapshotTopic, liveTopic, dlqTopic, controlTopic}
	held = []kind{snapshotTopic, liveTopic, dlqTopic, controlTopic, factsTopic}
)

// settings are all settings that matter. message.timestamp.type does not: no decision is made by a record's time in Kafka.
//
// The facts are rewritten every few seconds, by whoever captures a shard, and read whole by every worker that starts. With
// the brokers' defaults nothing is compacted for a week: a segment is open for so long, or until it has 1 GB, and the open
// one is never compacted; then half of the log must be new. So segments are closed after 8 MB or an hour, compaction
// starts when a tenth is new, and in any case after an hour. A tombstone may go after an hour: it erases a fact that
// another one is as far as, so a reader that has read the fact and misses the tombstone knows a fact too many, which
// changes nothing (invariant 6).
var settings = []setting{
	{kept, "cleanup.policy", "delete", equal, loses, "compaction takes rows, and deletes before they are applied"},
	{kept, "retention.ms", "-1", equal, loses, "what is deleted after a while may not have been applied, and a replay needs all of it"},
	{kept, "retention.bytes", "-1", equal, loses, "what is deleted when there is much of it may not have been applied, and a replay needs all of it"},
	{[]kind{snapshotTopic, liveTopic}, "max.message.bytes", strconv.Itoa(maxMessageBytes), atLeast, loses, "a large item would not get into the topic"},
	{[]kind{dlqTopic}, "max.message.bytes", strconv.Itoa(maxDeadBytes), atLeast, loses, "a record that cannot be applied would stop its partition"},
	{
		[]kind{factsTopic, controlTopic},
		"max.message.bytes", strconv.Itoa(maxStatementBytes), atLeast, loses,
		"a fact, or the close of the snapshot, would be refused, and the workers stop",
	},
	{[]kind{factsTopic}, "cleanup.policy", "compact", equal, loses, "where workers go on from is in the facts; a retention takes those that have not changed for a while"},
	{held, "min.insync.replicas", "", notAbove, loses, "no record would ever be acknowledged"},
	{held, "min.insync.replicas", "", twoInSync, risks, "a record may be acknowledged that only one broker has, and be lost with it; 2 is safer"},
	{held, "unclean.leader.election.enable", "", safeElection, risks, "a broker that has not all records may become the leader, and acknowledged ones are lost"},
	{[]kind{factsTopic}, "compression.type", "uncompressed", uncompressed, risks, "facts are appended one by one, and each would be compressed again by the broker"},
	{[]kind{factsTopic}, "segment.bytes", strconv.Itoa(factsSegment), atMost, risks, "the facts grow, and each start of a worker reads all of them"},
	{[]kind{factsTopic}, "segment.ms", "3600000", atMost, risks, "the facts grow, and each start of a worker reads all of them"},
	{[]kind{factsTopic}, "min.cleanable.dirty.ratio", "0.1", atMost, risks, "the facts grow, and each start of a worker reads all of them"},
	{[]kind{factsTopic}, "max.compaction.lag.ms", "3600000", atMost, risks, "the facts grow, and each start of a worker reads all of them"},
	{[]kind{factsTopic}, "delete.retention.ms", "3600000", atMost, risks, "the facts grow, and each start of a worker reads all of them"},
}

func equal(found, wanted string, _ int) bool { return found == wanted }

func atLeast(found, wanted string, _ int) bool { return number(found) >= number(wanted) }

func atMost(found, wanted string, _ int) bool { return number(found) <= number(wanted) }

func notAbove(found, _ string, replication int) bool { return number(found) <= float64(replication) }

func twoInSync(found, _ string, replication int) bool { return replication < 2 || number(found) >= 2 }

func safeElection(found, _ string, replication int) bool {
	return replication < 2 || found != "true"
}

func uncompressed(found, wanted string, _ int) bool { return found == wanted || found == "producer" }

// number is the value of a setting that is one; what is none fits nowhere.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// Settings is what there is to say about the settings of topics. Empty means that all of them were read, and all are well.
type Settings struct {
	Refused []string // what would lose rows, or stop the migration one day
	Mending []string // the commands that mend those, one for each topic
	Risks   []string // what an operator should know
	Unknown []string // what could not be read, and why
}

// Err is an error of class Fatal if something is refused; it has the commands that mend it.
func (s Settings) Err() error {
	if len(s.Refused) == 0 {
		return nil
	}
	return &fault.Error{
		Class: fault.Fatal, Reason: "topic-settings", What: strings.Join(s.Refused, "; "),
		Advice: "mend it with:\n  " + strings.Join(s.Mending, "\n  "),
	}
}

// CheckSettings holds the settings of topics against what the migration needs of them. The topics are those that Describe
// has found.
func (c *Client) CheckSettings(ctx context.Context, spec TopicSpec, found map[string]Topic) (Settings, error) {
	var names []string
	for _, k := range kinds {
		if _, ok := found[spec.name(k)]; ok && k != workTopic {
			names = append(names, spec.name(k))
		}
	}
	if len(names) == 0 {
		return Settings{}, nil
	}
	values, unread, err := c.settingsOf(ctx, names)
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	for _, k := range kinds {
		name := spec.name(k)
		if n := found[name].Replication; slices.Contains(names, name) && n < spec.Replication {
			s.Risks = append(s.Risks, fmt.Sprintf("topic %s has a replication factor of %d, kafka.replication is %d", name, n, spec.Replication))
		}
		switch {
		case !slices.Contains(names, name):
		case unread[name] != nil:
			s.Unknown = append(s.Unknown, fmt.Sprintf("the settings of topic %s could not be read: %v; needed are: %s", name, unread[name], spec.needed(k)))
		default:
			s.check(c, spec, k, values[name], found[name].Replication)
		}
	}
	return s, nil
}

// check adds what there is to say about one topic.
func (s *Settings) check(c *Client, spec TopicSpec, k kind, values map[string]string, replication int) {
	name, mending := spec.name(k), []string{}
	for _, needed := range spec.settings(k) {
		found, known := values[needed.name]
		if !known {
			if needed.gravity == loses {
				s.Unknown = append(s.Unknown, fmt.Sprintf("the broker does not say what %s of topic %s is", needed.name, name))
			}
			continue // of an older broker, which has no such setting
		}
		if needed.fits(found, needed.wanted, replication) {
			continue
		}
		text := fmt.Sprintf("topic %s has %s=%s", name, needed.name, found)
		if needed.wanted != "" {
			text += ", needed is " + needed.wanted
		}
		text += ": " + needed.why
		if needed.gravity == risks {
			s.Risks = append(s.Risks, text)
			continue
		}
		s.Refused = append(s.Refused, text)
		mending = append(mending, needed.name+"="+cmp.Or(needed.wanted, strconv.Itoa(max(1, replication-1))))
	}
	if len(mending) > 0 {
		s.Mending = append(s.Mending, fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s",
			strings.Join(c.options.Brokers, ","), name, strings.Join(mending, ",")))
	}
}

// settings are those that matter of a topic of this kind.
func (s TopicSpec) settings(k kind) []setting {
	return slices.DeleteFunc(slices.Clone(settings), func(one setting) bool {
		// What the application publishes itself is as large as it is: nothing of ours has to fit in.
		return !slices.Contains(one.of, k) || k == liveTopic && s.LiveIsOthers && one.name == "max.message.bytes"
	})
}

// needed lists the settings without which rows are lost.
func (s TopicSpec) needed(k kind) string {
	var all []string
	for _, one := range s.settings(k) {
		if one.gravity == loses && one.wanted != "" {
			all = append(all, one.name+"="+one.wanted)
		}
	}
	return strings.Join(all, ", ")
}

// settingsOf reads the settings of topics, each by its name. What a principal may not read is in unread.
func (c *Client) settingsOf(ctx context.Context, topics []string) (values map[string]map[string]string, unread map[string]error, err error) {
	what := fmt.Sprintf("read the settings of the topics %v", topics)
	answered := c.outside.Ask(ctx, what)
	defer func() { answered(err) }()
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	request := &kafkago.DescribeConfigsRequest{}
	for _, topic := range topics {
		request.Resources = append(request.Resources, kafkago.DescribeConfigRequestResource{ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic})
	}
	response, err := c.client.DescribeConfigs(ctx, request)
	if err != nil {
		return nil, nil, classify(err, what)
	}
	values, unread = map[string]map[string]string{}, map[string]error{}
	for _, r := range response.Resources {
		switch {
		case errors.Is(r.Error, kafkago.TopicAuthorizationFailed), errors.Is(r.Error, kafkago.ClusterAuthorizationFailed):
			unread[r.ResourceName] = fmt.Errorf("the right DESCRIBE_CONFIGS is missing (%w)", r.Error)
		case r.Error != nil:
			return nil, nil, classify(r.Error, "read the settings of topic "+r.ResourceName)
		default:
			values[r.ResourceName] = map[string]string{}
			for _, e := range r.ConfigEntries {
				values[r.ResourceName][e.ConfigName] = e.ConfigValue
			}
		}
	}
	for _, topic := range topics {
		if values[topic] == nil && unread[topic] == nil {
			return nil, nil, classify(fmt.Errorf("an answer without topic %s", topic), what)
		}
	}
	return values, unread, nil
}
