package apply

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/pace"
)

// lanes keep the order of each key, and hand out work: one lane for each key, live before snapshot, as far as the gate
// allows. Safe for concurrent use. What they hold is bounded by the budget of the fetchers.
type lanes struct {
	mu    sync.Mutex
	work  *sync.Cond
	byKey map[string]*lane
	gate  gate // in front of the table

	// Where lanes wait for a writer.
	ready     queues // for the table
	throttled queues // for the table, when their range of keys is throttled: nobody waits for them
	letters   queue  // for the dlq, which neither waits for the table nor keeps it waiting
	posting   int    // letters under way

	timer *time.Timer // wakes a writer when the gate opens
	alarm time.Time   // when that is; zero when it is not set
}

// holding is a lane and the job on top of it when it was taken.
type holding struct {
	*lane
	job  *job
	pass pass // of the call; none for a letter
}

func newLanes(l Limits, now time.Time) *lanes {
	ls := &lanes{byKey: map[string]*lane{}, gate: newGate(l, now)}
	ls.work = sync.NewCond(&ls.mu)
	return ls
}

// limit changes the limits, and lets the writers look again.
func (ls *lanes) limit(l Limits) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.gate.limit(l)
	ls.work.Broadcast()
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
			l.waiting = l.one[:0]
			ls.byKey[key] = l
		}
		l.add(j)
		ls.enqueue(l)
	}
	ls.work.Broadcast()
}

// enqueue puts a lane where its top job belongs, unless it is held. A lane that waits as snapshot and gets a live
// change moves to the live queue; its old place is skipped.
func (ls *lanes) enqueue(l *lane) {
	waiting := &ls.ready
	if l.throttled {
		waiting = &ls.throttled
	}
	want := &waiting.snapshot
	switch top := l.top(); {
	case top.dead != nil:
		want = &ls.letters
	case top.urgent():
		want = &waiting.live
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
		if held := ls.next(time.Now()); held != nil {
			if ls.more() {
				ls.work.Signal() // whoever finds work wakes the next
			}
			return held
		}
		ls.work.Wait()
	}
	return nil
}

// next is what may begin now; nil when nothing may.
func (ls *lanes) next(now time.Time) []holding {
	if held := ls.letter(); held != nil {
		return held
	}
	return ls.nextCall(now)
}

// more reports whether there is work for another writer; whether the pace allows it, that one asks.
func (ls *lanes) more() bool {
	return ls.posting < maxPosting && ls.letters.peek() != nil || !ls.gate.full() && !ls.idle()
}

// idle reports whether nothing waits for the table.
func (ls *lanes) idle() bool { return ls.ready.empty() && ls.throttled.empty() }

func (ls *lanes) letter() []holding {
	if ls.posting == maxPosting {
		return nil
	}
	l := ls.letters.pop()
	if l == nil {
		return nil
	}
	ls.posting++
	l.held = true
	return []holding{{lane: l, job: l.top()}}
}

// nextCall takes what is to be written next, or sets the alarm for when that may be, if there is something.
func (ls *lanes) nextCall(now time.Time) []holding {
	if ls.gate.full() || ls.idle() {
		return nil
	}
	if open, at := ls.gate.opens(now); !open {
		ls.wakeAt(at)
		return nil
	}
	l := ls.pop(now)
	if l == nil {
		return nil
	}
	p := ls.gate.begin(l.throttled, now)
	held := []holding{ls.hold(l, p)}
	for !p.throttled && held[0].job.insertable() && len(held) < MaxInsert && ls.gate.room() {
		l := ls.ready.snapshot.peek()
		if l == nil || !l.top().insertable() {
			break
		}
		held = append(held, ls.hold(ls.ready.snapshot.pop(), p))
	}
	return held
}

// pop takes the lane whose turn it is: live before snapshot, and of either those of throttled ranges first, as far as the
// gate lets them.
func (ls *lanes) pop(now time.Time) *lane {
	throttled := ls.throttledMay(now)
	for _, live := range []bool{true, false} {
		if throttled {
			if l := ls.throttled.pop(live); l != nil {
				return l
			}
		}
		if l := ls.ready.pop(live); l != nil {
			return l
		}
	}
	return nil
}

// throttledMay reports whether a lane of a throttled range may be taken, or sets the alarm.
func (ls *lanes) throttledMay(now time.Time) bool {
	if ls.throttled.empty() {
		return false
	}
	open, at := ls.gate.opensThrottled(now)
	if !open {
		ls.wakeAt(at)
	}
	return open
}

func (ls *lanes) hold(l *lane, p pass) holding {
	ls.gate.spend(pace.WriteUnits(len(l.top().record.Value)))
	l.held = true
	return holding{l, l.top(), p}
}

// wakeAt sets the alarm, unless it is set for an earlier time. A zero time sets none: somebody wakes the writers then.
func (ls *lanes) wakeAt(at time.Time) {
	if at.IsZero() || !ls.alarm.IsZero() && !at.Before(ls.alarm) {
		return
	}
	ls.alarm = at
	if ls.timer != nil {
		ls.timer.Stop()
	}
	ls.timer = time.AfterFunc(time.Until(at), func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		ls.alarm = time.Time{}
		ls.work.Signal()
	})
}

// posted notes that a write to the dlq has ended.
func (ls *lanes) posted() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.posting--
}

// returned notes that the call of h has ended. It returns what is throttled where the answer did not name it.
func (ls *lanes) returned(h holding, a answer) (unnamed fault.Throttle) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.gate.ended(h.pass, a, time.Now())
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
	l.held, l.throttled, l.backoff = false, false, nil
	if len(l.waiting) == 0 {
		delete(ls.byKey, l.key)
		return superseded
	}
	ls.enqueue(l)
	ls.work.Signal()
	return superseded
}

// throttledWait is so long that the next attempt tells what its range takes, and not once more that it was empty a moment ago.
const throttledWait = 100 * time.Millisecond

// retry queues the lane again: at once if the table is throttled, since the pace says when; else after a while, longer
// each time unless it is its range that is throttled. Only this key waits.
func (ls *lanes) retry(h holding, throttle fault.Throttle) (attempts int, wait time.Duration) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := h.lane
	h.job.attempts++
	l.throttled = throttle == fault.RangeThrottled
	h.job.alone = h.job.alone || throttle != fault.NotThrottled
	switch {
	case throttle == fault.TableThrottled:
		ls.again(l)
		return h.job.attempts, 0
	case l.throttled:
		wait = throttledWait + rand.N(throttledWait)
	default:
		if l.backoff == nil {
			l.backoff = fault.Backoff()
		}
		wait = l.backoff.NextBackOff()
	}
	time.AfterFunc(wait, func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		ls.again(l)
	})
	return h.job.attempts, wait
}

// again lets a lane be taken that was held.
func (ls *lanes) again(l *lane) {
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
