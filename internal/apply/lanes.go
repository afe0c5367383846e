package apply

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// job is one record on its way to the table, or to the dlq when dead is set.
type job struct {
	event  events.Event
	record events.Record
	dead   *events.Invalid
	ticket ticket

	attempts int // failed ones; under the lanes' lock
}

// urgent jobs go before the others: live changes.
func (j *job) urgent() bool { return j.event.Version.Class == events.Live }

// insertable reports whether nothing can be lower than the job's version, so that "if the key is absent" says as much
// as the condition does. A row of a later generation or of a rerun must be able to replace its earlier self.
func (j *job) insertable() bool { return j.event.Version == events.Version{Generation: 1} }

// lane is one key with work to do. At most one writer holds a lane, so no two writes of one key are under
// way at the same time. It is in lanes.byKey exactly while it has waiting jobs or a writer.
type lane struct {
	key     string
	waiting []*job // by version, lowest first; of equal ones the later arrival last
	held    bool   // by a writer, or by a timer that waits before the next attempt
	queue   *queue // where it waits for a writer; nil when it does not

	backoff *backoff.ExponentialBackOff // since the last success
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

// lanes hands out work: one lane for each key, live before snapshot, as much at once as the pace allows.
// Safe for concurrent use. What it holds is bounded by the budget of the fetchers.
type lanes struct {
	mu       sync.Mutex
	work     *sync.Cond
	byKey    map[string]*lane
	live     queue
	snapshot queue
	letters  queue // for the dlq; it neither waits for the table nor keeps it waiting
	pace     pace
	atOnce   concurrency
	active   int  // calls to the table under way
	posting  int  // letters under way
	armed    bool // a timer will wake the writers when the pace allows the next call
}

// holding is a lane and the job on top of it when it was taken.
type holding struct {
	*lane
	job   *job
	began time.Time
}

func newLanes(p pace) *lanes {
	ls := &lanes{byKey: map[string]*lane{}, pace: p, atOnce: newConcurrency(p.most)}
	ls.work = sync.NewCond(&ls.mu)
	return ls
}

// add takes jobs in. Those of one fetch come together, so that writers find full batches.
func (ls *lanes) add(jobs []*job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, j := range jobs {
		key := j.laneKey()
		l := ls.byKey[key]
		if l == nil {
			l = &lane{key: key}
			ls.byKey[key] = l
		}
		l.add(j)
		ls.enqueue(l)
	}
	ls.work.Broadcast()
}

// laneKey is the job's key; a record whose key cannot be read has a lane of its own.
func (j *job) laneKey() string {
	if j.event.Key != "" {
		return string(j.event.Key)
	}
	return "\x00" + j.record.String() + "@" + string(events.PositionAt(uint64(j.record.Offset)))
}

// enqueue puts a lane where its top job belongs, unless it is held. A lane that waits as snapshot and gets a live
// change moves to the live queue; its old place is skipped.
func (ls *lanes) enqueue(l *lane) {
	want := &ls.snapshot
	switch top := l.top(); {
	case top.dead != nil:
		want = &ls.letters
	case top.urgent():
		want = &ls.live
	}
	if !l.held && l.queue != want {
		want.push(l)
	}
}

// maxPosting bounds the writes to the dlq at once. They have writers of their own, so that a dlq that hangs leaves
// all of Config.InFlight to the table (invariant 9).
const maxPosting = 4

// take waits for work and returns lanes whose top jobs are to be done in one call: one dead letter, one urgent lane,
// or up to MaxInsert of the snapshot. The caller must hand every one of them back by finish, retry or bury, and call
// posted or returned once. It returns nil when ctx has ended.
func (ls *lanes) take(ctx context.Context) []holding {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for ctx.Err() == nil {
		if held := ls.next(); held != nil {
			return held
		}
		ls.work.Wait()
	}
	return nil
}

// next is what may begin now; nil when nothing may.
func (ls *lanes) next() []holding {
	if ls.posting < maxPosting {
		if l := ls.letters.pop(); l != nil {
			ls.posting++
			return []holding{ls.hold(l)}
		}
	}
	if ls.active >= min(ls.pace.calls(), ls.atOnce.calls()) {
		return nil
	}
	if wait := ls.pace.wait(time.Now()); wait > 0 {
		ls.arm(wait)
		return nil
	}
	held := ls.nextCall()
	if held != nil {
		ls.active++
	}
	return held
}

// arm sets one timer for all who wait for the pace.
func (ls *lanes) arm(wait time.Duration) {
	if ls.armed {
		return
	}
	ls.armed = true
	time.AfterFunc(wait, func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		ls.armed = false
		ls.work.Broadcast()
	})
}

// nextCall is the next call to the table.
func (ls *lanes) nextCall() []holding {
	l := ls.live.pop()
	if l == nil {
		l = ls.snapshot.pop()
	}
	if l == nil {
		return nil
	}
	held := []holding{ls.holdForTable(l)}
	for held[0].job.insertable() && len(held) < MaxInsert {
		l := ls.snapshot.peek()
		if l == nil || !l.top().insertable() {
			break
		}
		held = append(held, ls.holdForTable(ls.snapshot.pop()))
	}
	return held
}

func (ls *lanes) hold(l *lane) holding {
	l.held = true
	return holding{l, l.top(), time.Now()}
}

func (ls *lanes) holdForTable(l *lane) holding {
	ls.pace.spend(unitsOf(len(l.top().record.Value)))
	return ls.hold(l)
}

// posted notes that a write to the dlq has ended.
func (ls *lanes) posted() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.posting--
	ls.work.Broadcast()
}

// answer is what a call told about the pace.
type answer struct {
	throttle   fault.Throttle
	unanswered bool // no answer came, or the database is in trouble
	ok         bool // everything was written
}

// returned notes that a call of take's has ended, and what it told about the pace. extra is the units it cost
// beyond what its items' sizes said.
func (ls *lanes) returned(h holding, told answer, extra float64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.active--
	ls.pace.spend(extra)
	now := time.Now()
	if told.unanswered {
		ls.atOnce.unanswered(h.began, now)
	}
	switch {
	case told.throttle == fault.TableThrottled:
		ls.pace.throttled(now)
	case told.ok:
		ls.pace.succeeded()
		ls.atOnce.answered()
	}
	ls.work.Broadcast()
}

// finish removes the job that was held, and hands the lane to whoever comes next. With superseding, everything
// below the job is removed too and returned: a higher version is in the table.
func (ls *lanes) finish(h holding, superseding bool) (superseded []*job) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := h.lane
	i := slices.Index(l.waiting, h.job)
	if superseding {
		superseded = slices.Clone(l.waiting[:i])
		l.waiting = slices.Delete(l.waiting, 0, i+1)
	} else {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.held, l.backoff = false, nil
	if len(l.waiting) == 0 {
		delete(ls.byKey, l.key)
		return superseded
	}
	ls.enqueue(l)
	ls.work.Signal()
	return superseded
}

// retry keeps the lane held for a while, longer each time, and then queues it again: only this key waits.
func (ls *lanes) retry(h holding) (attempts int, wait time.Duration) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := h.lane
	h.job.attempts++
	if l.backoff == nil {
		l.backoff = fault.Backoff()
	}
	wait = l.backoff.NextBackOff()
	time.AfterFunc(wait, func() { ls.again(l) })
	return h.job.attempts, wait
}

// again lets a lane be taken that was held for a while.
func (ls *lanes) again(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.held = false
	ls.enqueue(l)
	ls.work.Signal()
}

// bury marks the job as dead and queues its lane again, for the dlq. The job keeps its place.
func (ls *lanes) bury(h holding, why *events.Invalid) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	h.job.dead = why
	h.job.attempts, h.held, h.backoff = 0, false, nil
	ls.enqueue(h.lane)
	ls.work.Signal()
}

func (ls *lanes) wake() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.work.Broadcast()
}
