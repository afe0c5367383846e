package dynamodb

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/crossfadedb/crossfade/internal/events"
)

// DynamoDB Local differs from DynamoDB in its streams. What is here is right there only: of the service itself it is not
// known whether it names a shard's first sequence number as before when that has been trimmed, nor what a kind of record
// means that it may have some day.

// localARN is how the ARNs of DynamoDB Local begin: no region of AWS is called like that.
const localARN = "arn:aws:dynamodb:ddblocal:"

// localYoung is how old a shard of DynamoDB Local may be for its beginning to be certainly still there: half of the
// 24 hours after which records are trimmed. DynamoDB Local describes a shard as it began, also when it has been trimmed.
const localYoung = 12 * time.Hour

// beginning returns an iterator of the oldest record of a shard if that is the record at this position or, where no record
// has it, the first one after it: the position is where the shard begins, and the shard is too young for anything to
// have been trimmed. Else it returns "". DynamoDB Local needs this: it says "trimmed" of a position that the
// shard began with once a change of another table has taken it.
func (s *Stream) beginning(ctx context.Context, shard string, at events.Position) (string, error) {
	if !localBorn(shard, time.Now()) {
		return "", nil
	}
	found, listed, err := s.find(ctx, shard)
	if err != nil || !listed || found.Start != at {
		return "", err
	}
	first, err := s.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon, "")
	if err != nil {
		return "", err
	}
	s.begun.set(shard, first)
	return first, nil
}

// localBorn reports whether a shard of DynamoDB Local is young. Its name holds when it began, in milliseconds:
// shardId-00000001795875034321-6b27b6e9.
func localBorn(shard string, now time.Time) bool {
	_, rest, ok := strings.Cut(shard, "shardId-")
	digits, _, _ := strings.Cut(rest, "-")
	ms, err := strconv.ParseInt(digits, 10, 64)
	return ok && err == nil && now.Sub(time.UnixMilli(ms)).Abs() < localYoung
}

// beginnings are the iterators of shards' beginnings, the last one of each shard. While such a shard is empty, DynamoDB Local
// forgets its iterator with the first record, and says "trimmed"; then another one is asked for. Safe for concurrent use.
type beginnings struct {
	mu       sync.Mutex
	iterator map[string]string // by shard
}

func (b *beginnings) set(shard, iterator string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.iterator == nil {
		b.iterator = map[string]string{}
	}
	b.iterator[shard] = iterator
}

func (b *beginnings) has(iterator string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, own := range b.iterator {
		if own == iterator {
			return true
		}
	}
	return false
}

// expired reports whether a record of DynamoDB Local is of a row that its time to live has removed. Its name is what the
// library that DynamoDB Local is made with calls a kind that it does not know. In a stream of new images a record without
// one is a delete.
func (r *streamRecord) expired() bool {
	return string(r.event) == "UNKNOWN_TO_SDK_VERSION" && r.keys != nil && r.image == nil &&
		(bytes.Equal(r.view, []byte("NEW_IMAGE")) || bytes.Equal(r.view, []byte("NEW_AND_OLD_IMAGES")))
}
