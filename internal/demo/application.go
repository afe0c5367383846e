package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Writer is the table that the application writes. A call that failed may be made again. Safe for concurrent use.
type Writer interface {
	// Put writes a whole item.
	Put(ctx context.Context, item []byte) error
	// Update sets the attributes of item and leaves others that the row has; it creates a row that is not there.
	Update(ctx context.Context, key string, item []byte) error
	// Delete removes the row if it is there.
	Delete(ctx context.Context, key string) error
}

// Application writes, updates, deletes and re-creates rows, most of them the same few again and again. The same seed
// and rows give the same changes; those of one row are made in their order.
type Application struct {
	Rows  Rows
	Table Writer
	Seed  uint64
	Rate  int // changes a second; 0: as fast as the table takes them

	mu      sync.Mutex
	done    int
	deleted map[string]bool // keys that the application has deleted, and not written again
}

const (
	writers       = 16 // changes at the same time
	writeAttempts = 40 // a server that is busy for a moment does not end an application
	writePause    = 50 * time.Millisecond
	writeTimeout  = 5 * time.Second
)

// Run makes changes at the rate, until ctx ends or limit of them have been made (0 is no limit), and returns nil then.
// What was begun when ctx ends is finished. Run again, it goes on where it was.
func (a *Application) Run(ctx context.Context, limit int) error {
	group, working := errgroup.WithContext(context.WithoutCancel(ctx))
	queues := make([]chan change, writers)
	for i := range queues {
		queues[i] = make(chan change, 4)
		group.Go(func() error {
			for c := range queues[i] {
				if err := a.make(working, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		a.plan(ctx, working, queues, limit)
		return nil
	})
	return group.Wait()
}

// plan hands out changes when they are due, until ctx ends, the limit is reached, or a writer has failed.
func (a *Application) plan(ctx, working context.Context, queues []chan change, limit int) {
	first, began := a.Done(), time.Now()
	for n := 0; limit == 0 || n < limit; n++ {
		wait := time.Duration(0)
		if a.Rate > 0 {
			wait = time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(a.Rate)))
		}
		if !pause(ctx, wait) || working.Err() != nil {
			return
		}
		c := nth(a.Seed, uint64(first+n+1), a.Rows.Len())
		select {
		case queues[c.row%writers] <- c: // one writer makes all changes of a row: they keep their order
		case <-working.Done():
			return
		}
	}
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// make makes one change and remembers whether the row is there now.
func (a *Application) make(ctx context.Context, c change) error {
	key := a.Rows.Key(c.row)
	var err error
	for attempt := range writeAttempts {
		if attempt > 0 && !pause(ctx, writePause) {
			break
		}
		if err = a.write(ctx, key, c); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("change %d of row %s: %w", c.number, key, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done++
	if c.kind != remove {
		delete(a.deleted, key)
		return nil
	}
	if a.deleted == nil {
		a.deleted = map[string]bool{}
	}
	a.deleted[key] = true
	return nil
}

func (a *Application) write(ctx context.Context, key string, c change) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	switch c.kind {
	case remove:
		return a.Table.Delete(ctx, key)
	case update:
		return a.Table.Update(ctx, key, a.Rows.Item(c.row, c.number))
	default:
		return a.Table.Put(ctx, a.Rows.Item(c.row, c.number))
	}
}

// Done is how many changes have been made.
func (a *Application) Done() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// Deleted reports whether the application has deleted the row with this key, and not written it again.
func (a *Application) Deleted(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deleted[key]
}
