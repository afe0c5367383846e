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

// lanes hands out work: one lane for each key, live before snapshot, as much at once as the pace allows.
// Safe for concurrent use. What it holds is bounded by the budget of the fetchers.
type lanes struct {
	mu      sync.Mutex
	work    *sync.Cond
	byKey   map[string]*lane
	table   way
	hot     way   // lanes whose range of keys is throttled: they wait for a window of their own, and nobody for them
	letters queue // for the dlq; it neither waits for the table nor keeps it waiting

	pace      pace.Pace
	window    window
	reasons   reasons
	atOnce    concurrency
	active    int // calls to the table under way
	activeHot int // of these, from the hot way
	posting   int // letters under way

	timer *time.Timer // wakes a writer when the pace allows the next call
	alarm time.Time   // when that is; zero when it is not set
}

// holding is a lane and the job on top of it when it was taken.
type holding struct {
	*lane
	job   *job
	hot   bool // it was in the hot way
	began time.Time
}

// newLanes returns lanes for so many calls at once and, if it is not 0, so many units a second.
func newLanes(most int, unitsPerSecond float64, now time.Time) *lanes {
	ls := &lanes{
		byKey: map[string]*lane{}, atOnce: newConcurrency(most), pace: pace.New(unitsPerSecond, 1, now), reasons: reasons{since: now},
	}
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
	way := &ls.table
	if l.hot {
		way = &ls.hot
	}
	want := &way.snapshot
	switch top := l.top(); {
	case top.dead != nil:
		want = &ls.letters
	case top.urgent():
		want = &way.live
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

// more reports whether there is work for another writer, as far as the pace allows.
func (ls *lanes) more() bool {
	return ls.posting < maxPosting && ls.letters.peek() != nil || ls.active < ls.atOnce.calls() && !ls.idle()
}

// idle reports whether nothing waits for the table.
func (ls *lanes) idle() bool { return ls.table.empty() && ls.hot.empty() }

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
	if ls.active >= ls.atOnce.calls() || ls.idle() {
		return nil
	}
	if wait := ls.pace.Wait(now); wait > 0 {
		ls.wakeAt(now.Add(wait))
		return nil
	}
	l, hot := ls.pop(now)
	if l == nil {
		return nil
	}
	ls.active++
	held := []holding{ls.hold(l, hot, now)}
	for !hot && held[0].job.insertable() && len(held) < MaxInsert && ls.pace.Room() {
		l := ls.table.snapshot.peek()
		if l == nil || !l.top().insertable() {
			break
		}
		held = append(held, ls.hold(ls.table.snapshot.pop(), false, now))
	}
	return held
}

// pop takes the lane whose turn it is: live before snapshot, and of either the hot ones first, as far as their window
// allows.
func (ls *lanes) pop(now time.Time) (l *lane, hot bool) {
	open := !ls.hot.empty() && ls.activeHot < ls.window.calls()
	if open && now.Before(ls.window.rest) {
		ls.wakeAt(ls.window.rest)
		open = false
	}
	for _, live := range []bool{true, false} {
		if open {
			l, hot = ls.hot.pop(live), true
		}
		if l == nil {
			l, hot = ls.table.pop(live), false
		}
		if l != nil {
			break
		}
	}
	if hot {
		ls.activeHot++
	}
	return l, hot
}

func (ls *lanes) hold(l *lane, hot bool, now time.Time) holding {
	ls.pace.Spend(pace.WriteUnits(len(l.top().record.Value)))
	l.held = true
	return holding{l, l.top(), hot, now}
}

// wakeAt sets the alarm, unless it is set for an earlier time.
func (ls *lanes) wakeAt(at time.Time) {
	if !ls.alarm.IsZero() && !at.Before(ls.alarm) {
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

// answer is what a call told about the pace.
type answer struct {
	rows       int                             // none: the call was not made
	unanswered bool                            // no answer came, or it was that the database is in trouble
	throttled  [fault.UnnamedThrottled + 1]int // rows
	written    float64                         // units
	extra      float64                         // units that it cost beyond what its items' sizes said
}

// returned notes that the call of h has ended. It returns what is throttled where the answer did not name it.
func (ls *lanes) returned(h holding, a answer) (unnamed fault.Throttle) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.active--
	if h.hot {
		ls.activeHot--
	}
	if a.rows == 0 {
		return fault.NotThrottled
	}
	now := time.Now()
	table, narrow := a.throttled[fault.TableThrottled], a.throttled[fault.RangeThrottled]
	unnamed = ls.reasons.unnamed(table, narrow)
	if unnamed == fault.TableThrottled {
		table += a.throttled[fault.UnnamedThrottled]
	} else {
		narrow += a.throttled[fault.UnnamedThrottled]
	}
	if a.unanswered {
		ls.atOnce.unanswered(h.began, now)
	} else {
		ls.atOnce.answered(table+narrow > 0)
	}
	ls.reasons.note(h.hot, a.rows, narrow, now)
	if narrow > 0 && !h.hot {
		ls.pace.Careful()
	}
	if narrow > 0 && ls.reasons.wide() {
		table += narrow
		ls.reasons.forget()
	}
	ls.pace.Spend(a.extra)
	ls.pace.Answered(h.began, a.rows, table, a.written, now)
	if table > 0 {
		ls.pace.Throttled(h.began, now)
	}
	switch {
	case !h.hot:
	case narrow > 0:
		ls.window.throttled(h.began, now)
	case a.written > 0:
		ls.window.succeeded()
	}
	return unnamed
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
	l.held, l.hot, l.backoff = false, false, nil
	if len(l.waiting) == 0 {
		delete(ls.byKey, l.key)
		return superseded
	}
	ls.enqueue(l)
	ls.work.Signal()
	return superseded
}

// hotWait is so long that the next attempt tells what its range takes, and not once more that it was empty a moment ago.
const hotWait = 100 * time.Millisecond

// retry queues the lane again: at once if the table is throttled, since the pace says when; else after a while, longer
// each time unless it is its range that is throttled. Only this key waits.
func (ls *lanes) retry(h holding, throttle fault.Throttle) (attempts int, wait time.Duration) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := h.lane
	h.job.attempts++
	l.hot = throttle == fault.RangeThrottled
	h.job.alone = h.job.alone || throttle != fault.NotThrottled
	switch {
	case throttle == fault.TableThrottled:
		ls.again(l)
		return h.job.attempts, 0
	case l.hot:
		wait = hotWait + rand.N(hotWait)
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
