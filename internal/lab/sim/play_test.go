package sim

import (
	"errors"
	"slices"
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
		w.story.tell("phase", "%d: %s, sweep %t, replay %t, gap %t", n+1, ph.length, ph.sweep, ph.replay, ph.gap)
		if ph.gap {
			w.lose(app)
		}
		w.phase(app, ph)
		w.rest()
		if ph.sweep && !w.failed() {
			updates := w.update()
			w.sweep()
			updates.check()
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
	app.slow = ph.slow
	w.busy.Go(func() { app.run(ph.length) })
	if ph.sweep {
		w.busy.Go(w.sweep)
	}
	if ph.replay {
		w.later(time.Duration(random(w.plan.seed, "replay").Int64N(int64(ph.length))), w.replay)
	}
	if ph.gap {
		w.later(time.Duration(random(w.plan.seed, "restart").Int64N(int64(3*time.Second))), w.restart)
	}
	began := time.Now()
	for _, h := range ph.events {
		time.Sleep(time.Until(began.Add(h.at)))
		w.cause(h)
	}
	time.Sleep(time.Until(began.Add(ph.length)))
	close(w.calmed)
	w.setInterrupt(nil)
	w.lay(nil)
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
		p := w.finish(sweeper)
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

// replay stops whoever applies, sets everything back to the start, and lets them run again.
func (w *world) replay() {
	seats := w.seated(streamer, applier)
	w.vacate(seats...)
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
	for _, s := range seats {
		w.supervise(s.role)
	}
}

// lose lets the stream forget what the application does while nobody captures. Streamers start again, and
// stop at the gap, shard by shard, without ending.
func (w *world) lose(app *application) {
	w.vacate(w.seated(streamer)...)
	w.witness.audit()
	app.run(3 * time.Second)
	w.witness.audit()
	if err := w.database.SplitAll(oldTable); err != nil {
		w.fail("split: %v", err)
	}
	w.database.TrimBefore(time.Now())
	w.story.tell("world", "the stream has forgotten all that happened")
	for range w.plan.writers {
		w.supervise(streamer)
	}
}

// restart begins a new generation, and starts snapshot workers for it. When no gap is recorded yet, because the
// streamers have not come that far or nothing happened in it, it is done all the same in the end.
func (w *world) restart() {
	for again := 0; ; again++ {
		command := restarter
		if again > 10 {
			command = forcer
		}
		p := w.finish(command)
		if !p.killed() && p.err == nil {
			break
		}
		if again > 200 {
			w.fail("no restart has succeeded")
			return
		}
		time.Sleep(time.Second)
	}
	for range w.plan.copiers {
		w.supervise(copier)
	}
}

// leave stops all workers.
func (w *world) leave() {
	w.vacate(w.seated(streamer, copier, capturer, applier)...)
}

// seated are the seats of these roles.
func (w *world) seated(roles ...role) []*seat {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*seat
	for s := range w.seats {
		if slices.Contains(roles, s.role) {
			all = append(all, s)
		}
	}
	return all
}
