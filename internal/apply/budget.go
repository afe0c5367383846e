package apply

import (
	"context"
	"slices"
	"sync"
)

// budget bounds the bytes of records that are fetched and not done (invariant 8). Who feels it is the fetcher.
type budget struct {
	mu   sync.Mutex
	room *sync.Cond
	max  int64
	used int64
	turn []*int // who waits, the longest first
}

func newBudget(limit int64) *budget {
	b := &budget{max: limit}
	b.room = sync.NewCond(&b.mu)
	return b
}

// reserve waits for its turn, and until n bytes fit, or nothing else is in use: one record may be larger than the whole
// budget. In turn, for those who have nothing to read come back at once, and could keep the others out for ever. After an
// error nothing is reserved.
func (b *budget) reserve(ctx context.Context, n int64) error {
	defer context.AfterFunc(ctx, b.wake)()
	b.mu.Lock()
	defer b.mu.Unlock()
	me := new(int)
	b.turn = append(b.turn, me)
	for ctx.Err() == nil && (b.turn[0] != me || b.used > 0 && b.used+n > b.max) {
		b.room.Wait()
	}
	b.turn = slices.DeleteFunc(b.turn, func(other *int) bool { return other == me })
	b.room.Broadcast() // the next one may fit too
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.used += n
	return nil
}

// adjust corrects what is in use by delta, without waiting.
func (b *budget) adjust(delta int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += delta
	if delta < 0 {
		b.room.Broadcast()
	}
}

func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room.Broadcast()
}
