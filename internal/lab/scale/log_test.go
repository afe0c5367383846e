package scale

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
)

const (
	snapshotTopic = "orders.snapshot"
	liveTopic     = "orders.live"
)

// topic is endless: each record is of another key.
type topic struct {
	rate    float64 // records a second and partition; 0: all are there
	padding int     // bytes
	hash    func(*rand.Rand) uint64
}

// anywhere spreads the keys over all partitions.
func anywhere(r *rand.Rand) uint64 { return r.Uint64() }

// records is the log.
type records struct {
	topics map[string]topic
	began  time.Time
	read   atomic.Int64
}

func (l *records) Fetch(ctx context.Context, id events.TopicPartition, offset int64, maxBytes int) (apply.Batch, error) {
	t := l.topics[id.Topic]
	end := offset + 10_000
	if t.rate > 0 {
		for wait := 10 * time.Millisecond; ; wait += 10 * time.Millisecond {
			end = int64(t.rate * time.Since(l.began).Seconds())
			if end > offset || wait > 100*time.Millisecond {
				break
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return apply.Batch{}, context.Cause(ctx)
			}
		}
	}
	batch := apply.Batch{Next: offset, End: end}
	for size := 0; batch.Next < end && size < maxBytes; batch.Next++ {
		r := t.record(id, batch.Next, l.began)
		size += r.Memory()
		batch.Records = append(batch.Records, r)
	}
	l.read.Add(int64(len(batch.Records)))
	return batch, nil
}

var padding = strings.Repeat("x", 400<<10)

// record is always the same one for one place in the log.
func (t topic) record(id events.TopicPartition, offset int64, began time.Time) events.Record {
	hash := t.hash(rand.New(rand.NewPCG(uint64(id.Partition), uint64(offset))))
	key := fmt.Appendf(nil, `{"pk":{"S":"%016x %d-%d"}}`, hash, id.Partition, offset)
	raw := append(append(key[:len(key)-1:len(key)-1], `,"v":{"S":"`...), padding[:t.padding]...)
	e := events.Event{Key: events.Key(key), Op: events.Write, Version: events.Version{Generation: 1}, Item: events.Item{Raw: append(raw, `"}}`...)}, Source: "0"}
	if id.Topic == liveTopic {
		e.Version.Class, e.Version.Position = events.Live, events.PositionAt(uint64(offset))
		e.Time = began.Add(time.Duration(float64(offset) / t.rate * float64(time.Second)))
	}
	r := events.Encode(e)
	r.TopicPartition, r.Offset = id, offset
	return r
}
