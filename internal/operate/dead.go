package operate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
)

const (
	// maxDead is how many different records of the dlq are told apart, at 16 bytes each, and read in one look.
	maxDead = 100_000
	// maxDeadBytes is how much of the dlq one look reads: a watch goes on from there with the next.
	maxDeadBytes = 64 << 20
)

// deadCount counts the different records of the dlq, each as often as it came from elsewhere: once. The zero value has
// counted none.
type deadCount struct {
	next    int64
	seen    map[[16]byte]struct{}
	reasons map[events.Reason]int64
}

// unmarked is the reason of a record that carries none: something else wrote it there.
const unmarked events.Reason = "unmarked"

// count takes a record in, and reports whether there is room for more.
func (c *deadCount) count(d kafka.Dead) bool {
	if c.seen == nil {
		c.seen, c.reasons = map[[16]byte]struct{}{}, map[events.Reason]int64{}
	}
	if d.Reason == "" {
		d.Reason = unmarked
	}
	id := identity(d)
	if _, again := c.seen[id]; !again {
		c.seen[id] = struct{}{}
		c.reasons[d.Reason]++
	}
	return len(c.seen) < maxDead
}

// identity tells a record from all others by where it came from; an item that was never in a topic by where it was read and
// what it is; and a record of somebody else by its place in the dlq.
func identity(d kafka.Dead) (id [16]byte) {
	text := append([]byte(d.From.String()), 0)
	switch {
	case d.Reason == unmarked:
		text = binary.BigEndian.AppendUint64(text, uint64(d.Offset))
	case d.From.Partition >= 0:
		text = binary.BigEndian.AppendUint64(text, uint64(d.FromOffset))
	default:
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(d.Key))), d.Key...)
		text = append(text, d.Value...)
	}
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// deadLetters reads what has come to the dlq since the last look, up to a limit.
func (o *Onlooker) deadLetters(ctx context.Context, r *reading) error {
	records, bytes, full := 0, 0, len(o.dead.seen) >= maxDead
	next, end, err := o.Kafka.DeadLetters(ctx, o.Topics.DLQ, o.dead.next, func(d kafka.Dead) bool {
		if full {
			return false
		}
		records, bytes = records+1, bytes+len(d.Key)+len(d.Value)
		return o.dead.count(d) && records < maxDead && bytes < maxDeadBytes
	})
	if err != nil {
		return err
	}
	if end < o.dead.next { // a dlq that was deleted and made again
		o.dead = deadCount{}
		return o.deadLetters(ctx, r)
	}
	if !full {
		o.dead.next = next
	}
	r.dead = DeadLetters{Records: int64(len(o.dead.seen)), Reasons: map[events.Reason]int64{}, AtLeast: o.dead.next < end}
	maps.Copy(r.dead.Reasons, o.dead.reasons)
	return nil
}
