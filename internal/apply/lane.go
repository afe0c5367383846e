package apply

import (
	"slices"

	"github.com/cenkalti/backoff/v4"

	"github.com/crossfadedb/crossfade/internal/events"
)

// job is one record on its way to the table, or to the dlq when dead is set.
type job struct {
	event  events.Event
	record events.Record
	dead   *events.Invalid
	ticket *ticket

	attempts int  // failed ones; under the lanes' lock
	alone    bool // it has been throttled; under the lanes' lock
}

// urgent jobs go before the others: live changes.
func (j *job) urgent() bool { return j.event.Version.Class == events.Live }

// insertable reports whether nothing can be lower than the job's version, so that "if the key is absent" says as much
// as the condition does. A row of a later generation or of a rerun must be able to replace its earlier self. A row that
// was throttled goes alone: unlike that of a batch, the answer then says why. One that was not answered goes with others
// again, for a database in trouble must not get more calls for it.
func (j *job) insertable() bool {
	return j.event.Version == events.Version{Generation: 1} && !j.alone
}

// laneKey is the job's key; a record whose key cannot be read has a lane of its own.
func (j *job) laneKey() string {
	if j.event.Key != "" {
		return string(j.event.Key)
	}
	return "\x00" + j.record.String() + "@" + string(events.PositionAt(uint64(j.record.Offset)))
}

// lane is one key with work to do. At most one writer holds a lane, so no two writes of one key are under
// way at the same time. It is in lanes.byKey exactly while it has waiting jobs or a writer.
type lane struct {
	key     string
	waiting []*job  // by version, lowest first; of equal ones the later arrival last
	held    bool    // by a writer, or by a timer that waits before the next attempt
	queue   *queue  // where it waits for a writer; nil when it does not
	one     [1]*job // the memory of waiting, for as long as that is enough

	throttled bool                        // its key is in a range that is throttled
	backoff   *backoff.ExponentialBackOff // since the last success
}

// top is the job to write next: the highest version. Those below it are superseded once it is in the table.
func (l *lane) top() *job { return l.waiting[len(l.waiting)-1] }

func (l *lane) add(j *job) {
	i, _ := slices.BinarySearchFunc(l.waiting, j, func(have, add *job) int {
		if have.event.Version.Compare(add.event.Version) <= 0 {
			return -1
		}
		return 1
	})
	l.waiting = slices.Insert(l.waiting, i, j)
}

// queue is first in, first out. A lane that has left it for another is skipped when its turn comes.
type queue struct {
	lanes []*lane
	gone  int // lanes that have left; while the snapshot waits for the live changes, their turn may not come for long
}

func (q *queue) push(l *lane) {
	before := l.queue
	l.queue = q
	q.lanes = append(q.lanes, l)
	if before != nil {
		before.leave()
	}
}

// leave notes that a lane goes elsewhere, and clears away those that did when they are the greater part.
func (q *queue) leave() {
	if q.gone++; q.gone > 64 && 2*q.gone > len(q.lanes) {
		q.lanes = slices.DeleteFunc(q.lanes, func(l *lane) bool { return l.queue != q })
		q.gone = 0
	}
}

// peek returns the next lane that still waits in this queue, or nil.
func (q *queue) peek() *lane {
	for len(q.lanes) > 0 {
		if l := q.lanes[0]; l.queue == q {
			return l
		}
		q.gone--
		q.lanes[0] = nil
		q.lanes = q.lanes[1:]
	}
	q.lanes = nil
	return nil
}

// pop takes the next lane out, or returns nil.
func (q *queue) pop() *lane {
	l := q.peek()
	if l != nil {
		q.lanes[0] = nil
		q.lanes = q.lanes[1:]
		l.queue = nil
	}
	return l
}

// queues hold the lanes that wait for the table, live changes apart from rows of the snapshot.
type queues struct{ live, snapshot queue }

func (q *queues) pop(live bool) *lane {
	if live {
		return q.live.pop()
	}
	return q.snapshot.pop()
}

func (q *queues) empty() bool { return q.live.peek() == nil && q.snapshot.peek() == nil }
