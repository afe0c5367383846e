package sim

import (
	"errors"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// play plays the plan: create, and phase after phase with a quiet point at its end.
func (w *world) play() {
	w.story.tell("plan", "%s", w.plan)
	app := newApplication(w)
	if w.plan.from != apply.FromApp && random(w.plan.seed, "early").IntN(2) == 0 {
		app.run(time.Second) // a life before the migration
	}
	w.create()
	for range w.plan.copiers {
		w.supervise(copier)
	}
	for range w.plan.writers {
		w.supervise(streamer)
	}
	for n, ph := range w.plan.phases {
		w.story.tell("phase", "%d: %s, sweep %t, replay %t", n+1, ph.length, ph.sweep, ph.replay)
		w.phase(app, ph)
		w.rest()
		if ph.sweep && !w.failed() {
			w.sweep()
			w.rest()
			w.verify(true)
		}
		if w.failed() {
			break
		}
	}
	w.leave()
}

// phase lets the application and the troubles go on together, and then makes the weather fine.
func (w *world) phase(app *application, ph phase) {
	w.calmed = make(chan struct{})
	w.busy.Go(func() { app.run(ph.length) })
	if ph.sweep {
		w.busy.Go(w.sweep)
	}
	if ph.replay {
		w.later(time.Duration(random(w.plan.seed, "replay").Int64N(int64(ph.length))), w.replay)
	}
	began := time.Now()
	for _, h := range ph.events {
		time.Sleep(time.Until(began.Add(h.at)))
		w.cause(h)
	}
	time.Sleep(time.Until(began.Add(ph.length)))
	close(w.calmed)
	w.setInterrupt(nil)
	w.weather.change(func(c *climate) { *c = climate{} })
	w.story.tell("world", "the weather is fine")
	w.busy.Wait()
}

// rest waits for the quiet point and checks everything there.
func (w *world) rest() {
	if !w.failed() {
		w.settle()
	}
	if !w.failed() {
		w.witness.audit()
		w.witness.rest()
		w.verify(false)
	}
}

// sweep runs sweeps until one of them has come to its end.
func (w *world) sweep() {
	for {
		p := w.launch(sweeper)
		w.mu.Lock()
		w.everyone = append(w.everyone, p)
		w.mu.Unlock()
		select {
		case <-p.done:
		case <-p.network.dead:
		}
		switch {
		case !p.killed() && p.err == nil:
			w.story.tell(p.name, "removed %d, changed %d, left %d", p.removed.Removed, p.removed.Changed, p.removed.Left())
			return
		case !p.excused():
			w.fail("%s ended: %v", p.name, p.err)
			return
		}
		time.Sleep(time.Second)
	}
}

// replay stops the streamers, sets everything back to the start, and lets them run again.
func (w *world) replay() {
	w.mu.Lock()
	var streamers []*seat
	for s := range w.seats {
		if s.role == streamer {
			streamers = append(streamers, s)
		}
	}
	w.mu.Unlock()
	w.vacate(streamers...)
	w.witness.replay()
	for again := 0; ; again++ {
		p := w.launch(replayer)
		<-p.done
		if p.err == nil {
			break
		}
		if e, ok := errors.AsType[*fault.Error](p.err); ok && e.Reason == "swept" && w.plan.from == apply.FromNone {
			break // refused, as it must be
		}
		if again > 100 {
			w.fail("replay: %v", p.err)
			break
		}
		time.Sleep(2 * time.Second) // the sessions of killed members go on for a while
	}
	for range w.plan.writers {
		w.supervise(streamer)
	}
}

// leave stops all workers.
func (w *world) leave() {
	w.mu.Lock()
	var seats []*seat
	for s := range w.seats {
		seats = append(seats, s)
	}
	w.mu.Unlock()
	w.vacate(seats...)
}
