package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// The headers that a record gains in the dlq, beside its own.
const (
	HeaderReason    = "dlq-reason"    // events.Reason
	HeaderDetail    = "dlq-detail"    // for a person
	HeaderTopic     = "dlq-topic"     // where it came from; for an item without a usable key the segment or shard
	HeaderPartition = "dlq-partition" // -1 when it was never in a topic
	HeaderOffset    = "dlq-offset"    // likewise
	HeaderTime      = "dlq-time"      // when it came here, ms since 1970
)

// maxDetailBytes bounds HeaderDetail, so that a record of the largest size still fits the dlq with its headers.
const maxDetailBytes = 4 << 10

// DeadLetter returns the function that writes to the dlq in topic.
func (c *Client) DeadLetter(topic string) apply.DeadLetter {
	return func(ctx context.Context, record events.Record, why *events.Invalid) error {
		detail := []byte(why.Error())
		headers := append(slices.Clone(record.Headers),
			events.Header{Key: HeaderReason, Value: []byte(why.Reason)},
			events.Header{Key: HeaderDetail, Value: detail[:min(len(detail), maxDetailBytes)]},
			events.Header{Key: HeaderTopic, Value: []byte(record.Topic)},
			events.Header{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(record.Partition), 10)},
			events.Header{Key: HeaderOffset, Value: strconv.AppendInt(nil, record.Offset, 10)},
			events.Header{Key: HeaderTime, Value: strconv.AppendInt(nil, time.Now().UnixMilli(), 10)},
		)
		dead := []*events.Record{{Key: record.Key, Value: record.Value, Headers: headers}}
		_, err := c.produce(ctx, events.TopicPartition{Topic: topic}, dead, wire.Zstd)
		if err == nil {
			c.dead.Add(string(why.Reason), deadLetter{topic, place(record), short(string(record.Key)), short(strings.TrimPrefix(why.Error(), string(why.Reason)+": "))})
		}
		return err
	}
}

// deadLetter is a record that is in the dlq.
type deadLetter struct{ dlq, from, key, detail string }

// sayDead returns what says that records went to the dlq, each time with one of them as an example.
func sayDead(logger *slog.Logger) func(reason string, count int, example deadLetter) {
	return func(reason string, count int, example deadLetter) {
		logger.Warn("records went to the dlq", "reason", reason, "records", count, "dlq", example.dlq,
			"from", example.from, "key", example.key, "detail", example.detail)
	}
}

// place is where a record came from: its topic, partition and offset, or the segment or shard of an item that was never in a
// topic.
func place(r events.Record) string {
	if r.Partition < 0 {
		return r.Topic
	}
	return fmt.Sprintf("%s@%d", r.TopicPartition, r.Offset)
}

// maxShown bounds a part of a line.
const maxShown = 300

func short(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}
