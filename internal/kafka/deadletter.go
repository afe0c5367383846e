package kafka

import (
	"context"
	"slices"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
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
		_, err := c.produce(ctx, events.TopicPartition{Topic: topic}, dead, kafkago.Zstd)
		return err
	}
}
