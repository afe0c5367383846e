package sim

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ambush is laid for the next worker that comes to a step: what it sends there, and again and again, is held up, while all
// else goes through; then it is killed, and what was held up never arrives. Whatever it has said meanwhile must be
// true without it.
type ambush struct {
	step   step
	nth    int // who comes there for the n-th time is the one; 1 is the first
	length time.Duration
	caught bool
}

// lay lays an ambush, in the place of the one before; nil for none.
func (w *world) lay(a *ambush) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ambush = a
}

// walksInto lets a process walk into the ambush, and is called under the world's lock: whoever lifts the ambush knows that
// nobody walks into it any more.
func (w *world) walksInto(p *process, s step, m moment) {
	a := w.ambush
	if a == nil || a.caught || a.step != s || m != before {
		return
	}
	if a.nth--; a.nth > 0 {
		return
	}
	a.caught = true
	w.story.tell(p.name, "is held up at %q for %s", s, a.length)
	p.network.obstruct(s)
	w.later(a.length, func() {
		w.story.tell(p.name, "is killed")
		p.kill()
	})
}

// holdPages lays an ambush for a snapshot worker that publishes a page.
func holdPages(w *world, r *rand.Rand) {
	w.lay(&ambush{step: "produce snapshot", nth: 1 + r.IntN(2), length: between(r, 100*time.Millisecond, 3*time.Second)})
}

// A page that does not arrive, while everything else does, is in no fact. The next worker publishes it.
func TestPagesThatNeverArrive(t *testing.T) {
	for _, nth := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, stepPlan())
			a := &ambush{step: "produce snapshot", nth: nth, length: 5 * time.Second}
			w.lay(a)
			w.migrate(func() bool { return false })
			w.close()
			require.Empty(t, w.failures, w.story.String())
			require.True(t, a.caught, w.story.String())
		})
	}
}
