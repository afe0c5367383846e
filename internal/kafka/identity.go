package kafka

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// Topic is a topic as the brokers describe it.
type Topic struct {
	// ID is what Kafka gives each topic that is made; one that is made again under the same name has another. In hex. Empty
	// when the broker gives none.
	ID          string
	Partitions  int
	Replication int // of the first partition
}

// Describe asks the brokers, and no cache, for these topics. One that is not there is not in the answer. The answer is
// what a broker knew after the call began.
func (c *Client) Describe(ctx context.Context, names ...string) (_ map[string]Topic, err error) {
	what := fmt.Sprintf("describe the topics %v", names)
	answered := c.outside.Ask(ctx, what)
	defer func() { answered(err) }()
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	message, err := c.transport.RoundTrip(ctx, c.client.Addr, &describing{
		clientID: c.options.ClientID, names: names, spoken: c.idsSpoken.Load(),
	})
	c.idsSpoken.Store(err == nil) // another broker may hang up: then it is asked first
	if err != nil {
		return nil, classify(err, what)
	}
	answer, ok := message.(*described)
	if !ok {
		return nil, classify(fmt.Errorf("an answer of type %T", message), what)
	}
	topics := map[string]Topic{}
	for _, name := range names {
		topic, ok := answer.topics[name]
		switch {
		case !ok:
			return nil, classify(fmt.Errorf("an answer without topic %s", name), what)
		case errors.Is(topic.code, kafkago.UnknownTopicOrPartition):
		case topic.code != 0:
			return nil, classify(topic.code, "describe topic "+name)
		default:
			topics[name] = topic.Topic
		}
	}
	return topics, nil
}

// Confirm returns nil if each of these topics has the id and the number of partitions that it is to have, as a broker
// knew it after the call began. So whatever had been read from them, or acknowledged by them, before the call was theirs.
//
// A topic that was made again is an error of class Fatal, for what was in it is gone; so is one that was given more
// partitions. One that is not there is of class Retry: a broker that has just started does not know all topics.
func (c *Client) Confirm(ctx context.Context, want map[string]Topic) error {
	found, err := c.Describe(ctx, slices.Sorted(maps.Keys(want))...)
	if err != nil {
		return err
	}
	return Same(found, want)
}

// Same is Confirm with what Describe has found: nil if these are the topics that are wanted.
func Same(found, want map[string]Topic) error {
	var all error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		topic, ok := found[name]
		all = errors.Join(all, differs(name, topic, ok, want[name]))
	}
	return all
}

// ErrTopicMissing says that a broker has answered, and does not know a topic, or not which one it is.
var ErrTopicMissing = errors.New("the broker does not know it")

// differs says what is wrong with a topic that was found.
func differs(name string, found Topic, ok bool, want Topic) error {
	switch {
	case !ok:
		return &fault.Error{Class: fault.Retry, Reason: "topic-missing", Err: ErrTopicMissing, What: fmt.Sprintf(
			"topic %s is not there (its id was %s): a broker that has just started may not know it yet; if it was deleted, what was in it is gone",
			name, want.ID)}
	case found.ID == "":
		return &fault.Error{Class: fault.Retry, Reason: "topic-unknown", Err: ErrTopicMissing, What: fmt.Sprintf(
			"the broker does not say which topic %s is: it gives no ids", name)}
	case found.ID != want.ID:
		return &fault.Error{
			Class: fault.Fatal, Reason: "topic-recreated",
			What: fmt.Sprintf("topic %s is not the one that this migration was created with: its id is %s, and %s was recorded. "+
				"It was deleted and made again: what was in it is gone", name, found.ID, want.ID),
			Advice: "stop all workers, and create the migration anew: under another name, and into an empty new table",
		}
	case found.Partitions != want.Partitions:
		return partitionsDiffer(name, found.Partitions, want.Partitions)
	}
	return nil
}

// partitionsDiffer is the error of a topic with another number of partitions. They cannot be taken away again, and a key
// would be in another one than its earlier records.
func partitionsDiffer(name string, found, want int) error {
	return &fault.Error{
		Class: fault.Fatal, Reason: "partitions",
		What: fmt.Sprintf("topic %s has %d partitions, the configuration says %d", name, found, want),
		Advice: "before the migration is created, set the configuration to what the topic has, or delete the topic if it is of no use; " +
			"of a created one the number must stay: create it anew, under another name and into an empty new table",
	}
}

// describing asks for topics with their ids, which kafka-go does not know of: it speaks an older version of this request.
type describing struct {
	clientID string
	names    []string
	spoken   bool // the brokers are known to speak this version
}

var (
	_ protocol.Message      = (*describing)(nil)
	_ protocol.RawExchanger = (*describing)(nil)
)

// described is its answer.
type described struct{ topics map[string]describedTopic }

type describedTopic struct {
	Topic
	code kafkago.Error
}

// ApiKey implements protocol.Message.
func (*describing) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey implements protocol.Message.
func (*described) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required implements protocol.RawExchanger.
func (*describing) Required(map[protocol.ApiKey]int16) bool { return true }

// The versions that are spoken here: the first with the ids of topics, of brokers from 2.8 on, and the first of all.
const (
	metadataVersion = 10
	versionsVersion = 0
)

// errNoIDs says that the brokers are too old.
var errNoIDs = &fault.Error{
	Class: fault.Fatal, Reason: "topic-ids",
	What:   "the brokers give topics no ids, so a topic that is deleted and made again could not be told from the one before",
	Advice: "Kafka 2.8 or later is needed, with an inter.broker.protocol.version of 2.8 or later",
}

// RawExchange implements protocol.RawExchanger. kafka-go keeps what it has negotiated only up to what it speaks itself, so
// the broker is asked here what it speaks: one that is asked for more hangs up without a word.
func (d *describing) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !d.spoken {
		newest, err := d.newest(rw)
		switch {
		case err != nil:
			return nil, err
		case newest < metadataVersion:
			return nil, errNoIDs
		}
	}
	body := []byte{0} // no tags
	body = appendLength(body, len(d.names))
	for _, name := range d.names {
		body = append(body, make([]byte, 16)...) // by name, not by id
		body = append(appendLength(body, len(name)), name...)
		body = append(body, 0)
	}
	body = append(body, 0, 0, 0, 0) // create none; no authorized operations of the cluster, nor of topics; no tags
	answer, err := d.exchange(rw, protocol.Metadata, metadataVersion, body)
	if err != nil {
		return nil, err
	}
	topics, err := describedTopics(&wire.Cutter{Text: answer})
	if err != nil {
		return nil, fmt.Errorf("read the description of topics: %w", err)
	}
	return &described{topics}, nil
}

// newest is the highest version of this request that the broker speaks.
func (d *describing) newest(rw io.ReadWriter) (int16, error) {
	answer, err := d.exchange(rw, protocol.ApiVersions, versionsVersion, nil)
	if err != nil {
		return 0, err
	}
	c := wire.Cutter{Text: answer}
	if code := c.Int16(); code != 0 && c.Err() == nil {
		return 0, kafkago.Error(code)
	}
	newest := int16(-1)
	for n := c.Int32(); n > 0 && c.Err() == nil; n-- {
		key := c.Int16()
		c.Skip(2) // the lowest version
		if high := c.Int16(); protocol.ApiKey(key) == protocol.Metadata {
			newest = high
		}
	}
	if c.Err() != nil {
		return 0, fmt.Errorf("read what the broker speaks: %w", c.Err())
	}
	return newest, nil
}

// maxDescription bounds the answer to a description of a few topics, the partitions of which are counted in thousands.
const maxDescription = 64 << 20

// exchange makes one request, and returns its answer after the correlation id.
func (d *describing) exchange(rw io.ReadWriter, key protocol.ApiKey, version int16, body []byte) ([]byte, error) {
	const correlation = 1 // there is one request at a time
	request := make([]byte, 4, 64+len(d.clientID)+len(body))
	request = binary.BigEndian.AppendUint16(request, uint16(key))
	request = binary.BigEndian.AppendUint16(request, uint16(version))
	request = binary.BigEndian.AppendUint32(request, correlation)
	request = binary.BigEndian.AppendUint16(request, uint16(len(d.clientID)))
	request = append(append(request, d.clientID...), body...)
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	if _, err := rw.Write(request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, unexpected(err)
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	if id := binary.BigEndian.Uint32(head[4:]); id != correlation || size < 4 || size > maxDescription {
		return nil, fmt.Errorf("an answer of %d bytes to request %d, of which there is none", size, id)
	}
	answer := make([]byte, size-4)
	if _, err := io.ReadFull(rw, answer); err != nil {
		return nil, unexpected(err)
	}
	return answer, nil
}

// appendLength appends the length of a compact string or array.
func appendLength(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)+1) }

// describedTopics cuts the answer to a description of topics.
// https://kafka.apache.org/protocol#The_Messages_Metadata
func describedTopics(c *wire.Cutter) (map[string]describedTopic, error) {
	c.Tags()
	c.Skip(4) // throttled, ms
	for n := c.CompactLength(); n > 0 && c.Err() == nil; n-- {
		c.Skip(4)                 // a broker's number
		c.Skip(c.CompactLength()) // its host
		c.Skip(4)                 // its port
		c.Skip(c.CompactLength()) // its rack
		c.Tags()
	}
	c.Skip(c.CompactLength()) // the cluster's id
	c.Skip(4)                 // the controller
	topics := map[string]describedTopic{}
	for n := c.CompactLength(); n > 0 && c.Err() == nil; n-- {
		code := kafkago.Error(c.Int16())
		name := string(c.Skip(c.CompactLength()))
		id := c.Skip(16)
		c.Skip(1) // whether it is internal
		topic := describedTopic{code: code}
		topic.Partitions = c.CompactLength()
		for p := range topic.Partitions {
			if c.Err() != nil {
				break
			}
			if replicas := describedPartition(c); p == 0 {
				topic.Replication = replicas
			}
		}
		c.Skip(4) // authorized operations
		c.Tags()
		if slices.ContainsFunc(id, func(b byte) bool { return b != 0 }) {
			topic.ID = hex.EncodeToString(id)
		}
		topics[name] = topic
	}
	return topics, c.Err()
}

// describedPartition cuts the description of one partition, and returns the number of its replicas.
func describedPartition(c *wire.Cutter) (replicas int) {
	c.Skip(2 + 4 + 4 + 4) // an error, which is about its leader; its number, its leader, that one's epoch
	replicas = c.CompactLength()
	c.Skip(4 * replicas)
	c.Skip(4 * c.CompactLength()) // those in sync
	c.Skip(4 * c.CompactLength()) // those that are away
	c.Tags()
	return replicas
}
