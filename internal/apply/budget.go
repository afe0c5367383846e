package apply

import (
	"context"
	"sync"
)

// budget bounds the bytes of records that are fetched and not done (invariant 8). Who feels it is the fetcher.
type budget struct {
	mu   sync.Mutex
	room *sync.Cond
	max  int64
	used int64
	turn chan struct{} // held by the one who waits for room: the others wait behind it, in their order
}

func newBudget(limit int64) *budget {
	b := &budget{max: limit, turn: make(chan struct{}, 1)}
	b.room = sync.NewCond(&b.mu)
	return b
}

// reserve waits for its turn, and until n bytes fit, or nothing else is in use: one record may be larger than the whole
// budget. In turn, for those who have nothing to read come back at once, and could keep the others out for ever. After an
// error nothing is reserved.
func (b *budget) reserve(ctx context.Context, n int64) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer context.AfterFunc(ctx, b.wake)()
	b.mu.Lock()
	defer b.mu.Unlock()
	for ctx.Err() == nil && b.used > 0 && b.used+n > b.max {
		b.room.Wait()
	}
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
