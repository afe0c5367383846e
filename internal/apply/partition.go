package apply

import (
	"errors"
	"sync"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// maxPending bounds the records of one partition that are behind a record that does not get done.
const maxPending = 20_000

// ticket is a record under way. Whoever holds it hands it to done exactly once. It outlives the record: until those before
// it are done, too.
type ticket struct {
	partition *partition
	step      checkpoint.Step[*ticket]
	next      int64 // the offset after it
	bytes     int64
	outcome   Outcome // once that is known
}

func (t *ticket) done(o Outcome) { t.partition.done(t, o) }

// partition is one assigned partition: what of it is done.
type partition struct {
	id     events.TopicPartition
	budget *budget

	mu        sync.Mutex
	frontier  checkpoint.Frontier[*ticket]
	room      *sync.Cond // frontier.Pending fell
	progress  Progress   // what may be committed
	committed int64      // offset last committed
	halted    error      // why no more of it is fetched; nil while it goes on
}

func newPartition(id events.TopicPartition, start Progress, b *budget) *partition {
	p := &partition{id: id, budget: b, progress: start, committed: start.Offset}
	if start.Lost {
		p.halted = errors.New(start.Gap)
	}
	p.room = sync.NewCond(&p.mu)
	// An outcome counts when the frontier passes it, so that counts and offset are of one moment.
	p.frontier.Passed = func(t *ticket) {
		p.progress.Offset = t.next
		t.outcome.count(&p.progress.Counts)
	}
	return p
}

// begin notes that the record at offset is under way. Records begin in the order of their offsets.
func (p *partition) begin(offset, bytes int64) *ticket {
	t := &ticket{partition: p, next: offset + 1, bytes: bytes}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frontier.BeginStep(&t.step, t)
	return t
}

// skipTo notes that there is nothing before offset next that has not begun: holes that compaction or
// transaction markers left.
func (p *partition) skipTo(next int64) {
	t := p.begin(next-1, 0)
	p.done(t, 0)
}

func (p *partition) done(t *ticket, o Outcome) {
	p.budget.adjust(-t.bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	t.outcome = o
	if p.frontier.Done(&t.step) {
		p.room.Broadcast()
	}
}

// waitRoom blocks while too many records are pending, until stopped reports true; wake makes it look again. It returns why
// the partition has been halted, if it has.
func (p *partition) waitRoom(stopped func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frontier.Pending() >= maxPending && p.halted == nil && !stopped() {
		p.room.Wait()
	}
	return p.halted
}

// halt ends the fetching of this partition; the first reason counts, and is a part of its progress from now on: what is
// under way may still be done, and committed.
func (p *partition) halt(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.halted == nil {
		p.halted, p.progress.Gap, p.progress.Lost = why, why.Error(), errors.Is(why, ErrGap)
	}
	p.room.Broadcast()
}

func (p *partition) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room.Broadcast()
}

// uncommitted returns what is done and not yet committed; false when there is nothing new.
func (p *partition) uncommitted() (Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.progress, p.progress.Offset > p.committed
}

// at is how far the partition is done.
func (p *partition) at() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.progress
}

func (p *partition) didCommit(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = offset
}
