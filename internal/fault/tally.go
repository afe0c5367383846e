package fault

import (
	"sync"
	"time"
)

// tallyEvery is the time between two lines about one kind.
const tallyEvery = time.Minute

// Tally logs what may happen too often for a line each. The first of a kind is said at once; after that, one line a minute
// says how many more there were. There must be few kinds. Safe for concurrent use.
type Tally[T any] struct {
	say func(kind string, count int, example T)

	mu     sync.Mutex
	kinds  map[string]*tallied[T]
	closed bool
}

// tallied is one kind, since the last line about it.
type tallied[T any] struct {
	count   int
	example T // the first of them
	timer   *time.Timer
}

// NewTally returns a Tally. It calls say for each line, one call at a time. Close it.
func NewTally[T any](say func(kind string, count int, example T)) *Tally[T] {
	return &Tally[T]{say: say, kinds: map[string]*tallied[T]{}}
}

// Add counts one.
func (t *Tally[T]) Add(kind string, example T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[kind]
	switch {
	case t.closed:
		t.say(kind, 1, example)
	case k == nil:
		t.say(kind, 1, example)
		k = &tallied[T]{}
		k.timer = time.AfterFunc(tallyEvery, func() { t.due(kind, k) })
		t.kinds[kind] = k
	default:
		if k.count++; k.count == 1 {
			k.example = example
		}
	}
}

func (t *Tally[T]) due(kind string, k *tallied[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if k.count == 0 {
		delete(t.kinds, kind)
		return
	}
	t.tell(kind, k)
	k.timer.Reset(tallyEvery)
}

func (t *Tally[T]) tell(kind string, k *tallied[T]) {
	count, example := k.count, k.example
	var none T
	k.count, k.example = 0, none
	t.say(kind, count, example)
}

// Close says what has been counted and not said yet.
func (t *Tally[T]) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for kind, k := range t.kinds {
		k.timer.Stop()
		if k.count > 0 {
			t.tell(kind, k)
		}
	}
	clear(t.kinds)
	return nil
}
