package demo

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Rows is what the application keeps in its table. All of it follows from the row's number and the change's: the same
// seed gives the same application.
type Rows interface {
	// Len is how many rows the table begins with.
	Len() int
	// Key is the key of row i as DynamoDB JSON. Rows from Len on are new ones.
	Key(i int) string
	// Item is row i as change wrote it; change 0 is how the table begins.
	Item(i int, change uint64) []byte
}

// Writer is the table that the application writes.
type Writer interface {
	Put(ctx context.Context, item []byte) error
	Delete(ctx context.Context, key string) error
}

// Application writes, updates, deletes and re-creates rows, most of them the same few again and again.
type Application struct {
	Rows  Rows
	Table Writer
	Seed  uint64
	Rate  int // changes a second

	mu      sync.Mutex
	done    int
	deleted map[string]bool // keys that the application has deleted, and not written again
}

// change is one thing that the application does.
type change struct {
	number uint64
	row    int
	delete bool
}

// The shape of the application: of a hundred changes so many go to the hot rows, are deletes, or make new rows.
const (
	hotRows     = 50 // one row in so many is hot
	hotChanges  = 60
	deletes     = 30
	newRows     = 5
	appWriters  = 16
	retryWrites = 20
)

// change number n, from 1 on: it depends on the seed and n alone.
func (a *Application) change(n uint64) change {
	r := rand.New(rand.NewPCG(a.Seed, n))
	c := change{number: n, row: r.IntN(a.Rows.Len())}
	switch dice := r.IntN(100); {
	case dice < hotChanges:
		c.row -= c.row % hotRows
	case dice < hotChanges+newRows:
		c.row = a.Rows.Len() + int(n)
	}
	c.delete = r.IntN(100) < deletes
	return c
}

// Run makes changes at the rate, until ctx ends or limit of them have been made (0 is no limit). Changes of one key
// are made in their order. What was begun when ctx ends is finished.
func (a *Application) Run(ctx context.Context, limit int) error {
	a.mu.Lock()
	if a.deleted == nil {
		a.deleted = map[string]bool{}
	}
	first := a.done
	a.mu.Unlock()
	writers := make([]chan change, appWriters)
	group, working := errgroup.WithContext(context.WithoutCancel(ctx))
	for i := range writers {
		writers[i] = make(chan change, 4)
		group.Go(func() error {
			for c := range writers[i] {
				if err := a.make(working, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer func() {
			for _, w := range writers {
				close(w)
			}
		}()
		began := time.Now()
		for n := 0; limit == 0 || n < limit; n++ {
			due := began.Add(time.Duration(n) * time.Second / time.Duration(a.Rate))
			select {
			case <-ctx.Done():
				return nil
			case <-working.Done():
				return nil
			case <-time.After(time.Until(due)):
			}
			c := a.change(uint64(first + n + 1))
			select {
			case writers[a.writer(c)] <- c:
			case <-working.Done():
				return nil
			}
		}
		return nil
	})
	return group.Wait()
}

// writer is the goroutine that makes all changes of a row.
func (a *Application) writer(c change) int {
	h := fnv.New32a()
	fmt.Fprint(h, c.row)
	return int(h.Sum32() % appWriters)
}

func (a *Application) make(ctx context.Context, c change) error {
	key := a.Rows.Key(c.row)
	var err error
	for range retryWrites { // a server that is busy for a moment does not end an application
		if c.delete {
			err = a.Table.Delete(ctx, key)
		} else {
			err = a.Table.Put(ctx, a.Rows.Item(c.row, c.number))
		}
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("change %d of row %s: %w", c.number, key, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done++
	if c.delete {
		a.deleted[key] = true
	} else {
		delete(a.deleted, key)
	}
	return nil
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
