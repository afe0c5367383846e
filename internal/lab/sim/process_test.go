package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/operate"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

// role is a command that a process runs.
type role string

const (
	creator   role = "create"
	copier    role = "snapshot"
	streamer  role = "streamer"
	capturer  role = "capture" // half of a streamer
	applier   role = "apply"   // the other half
	sweeper   role = "sweep"
	replayer  role = "replay"
	restarter role = "restart"
	forcer    role = "restart-force" // although no gap is recorded
)

// process is one run of a command, with a network of its own.
type process struct {
	name    string
	role    role
	network *network
	end     context.CancelFunc
	asked   atomic.Bool // to end
	done    chan struct{}
	err     error         // once done is closed
	removed sweep.Summary // of a sweep, once done is closed
}

// launch starts a process under a name that was never used before.
func (w *world) launch(r role) *process {
	w.mu.Lock()
	w.launched[r]++
	name := fmt.Sprintf("%s-%d", r, w.launched[r])
	w.mu.Unlock()
	ctx, end := context.WithCancel(context.Background())
	p := &process{name: name, role: r, network: newNetwork(w, agentPrefix+name), end: end, done: make(chan struct{})}
	if r == copier && w.plan.heavy > 0 {
		p.network.delay(100 * time.Millisecond) // so that the facts of two pages do not go as one
	}
	p.network.step = func(s step, m moment) error { return w.onStep(p, s, m) }
	w.story.tell(name, "starts")
	go func() {
		defer close(p.done)
		defer end()
		p.err = p.run(ctx, w)
		w.story.tell(name, "ends: %v", p.err)
	}()
	return p
}

// finish lets a process run to its end.
func (w *world) finish(r role) *process {
	p := w.launch(r)
	w.mu.Lock()
	w.everyone = append(w.everyone, p)
	w.mu.Unlock()
	select {
	case <-p.done:
	case <-p.network.dead:
	}
	return p
}

func (p *process) run(ctx context.Context, w *world) (err error) {
	logger := w.story.logger(p.name)
	network := &assembly.Network{Process: p.name, Dial: p.network.Dial, Transport: p.network}
	worker := assembly.WorkerOptions{Capture: true, Apply: true, Logger: logger, Network: network}
	switch p.role {
	case creator:
		var report *operate.CreateReport
		report, err = operate.Create(ctx, w.config, operate.CreateOptions{KeepExisting: len(w.model.owned) > 0, Logger: logger, Network: network})
		if report != nil && report.Refused() {
			err = fmt.Errorf("%w: %+v", err, report.Checks)
		}
	case copier:
		err = assembly.Snapshot(ctx, w.config, worker)
	case streamer, capturer, applier:
		worker.Capture, worker.Apply = p.role != applier, p.role != capturer
		err = assembly.Streamer(ctx, w.config, worker)
	case sweeper:
		p.removed, err = operate.Sweep(ctx, w.config, operate.SweepOptions{
			FallbackReadsOff: true, Logger: logger, Network: network,
			Say: func(text string) {
				w.story.tell(p.name, "%s", text)
				if strings.HasPrefix(text, "waiting: grace") {
					w.graceBegins()
				}
			},
		})
	case restarter, forcer:
		_, err = operate.Restart(ctx, w.config, operate.RestartOptions{Force: p.role == forcer, Logger: logger, Network: network})
	case replayer:
		err = operate.Replay(ctx, w.config, operate.ReplayOptions{NewTableUnused: true, Logger: logger, Network: network})
	}
	return err
}

// kill ends a process as SIGKILL does: from this moment nothing that it does has an effect. Its goroutines end when
// they notice.
func (p *process) kill() {
	p.network.kill()
	p.end()
}

// stop asks a process to end.
func (p *process) stop() {
	p.asked.Store(true)
	p.end()
}

// killed reports whether the process has been killed.
func (p *process) killed() bool {
	select {
	case <-p.network.dead:
		return true
	default:
		return false
	}
}

// excused reports whether a process may end with this error when things go wrong around it: it was killed, it could
// not read the control log for too long, something outside stayed away for longer than a command waits, or a replay or
// a new generation has made a sweep begin again.
func (p *process) excused() bool {
	if p.killed() || p.err == nil {
		return true
	}
	e, ok := errors.AsType[*fault.Error](p.err)
	return ok && (e.Reason == "control-unread" || e.Reason == "overtaken" || e.Class == fault.Retry) || errors.Is(p.err, context.DeadlineExceeded) || errors.Is(p.err, io.ErrUnexpectedEOF)
}

// seat is a place where a worker is to run: whoever ends there is followed by another, as a supervisor does it.
type seat struct {
	role  role
	pause time.Duration // until the next one starts
	once  sync.Once
	leave chan struct{} // closed when nobody is to follow
	ended chan struct{}
}

// supervise keeps a worker running until vacate.
func (w *world) supervise(r role) *seat {
	s := &seat{role: r, pause: time.Second, leave: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			p := w.launch(r)
			w.seat(s, p)
			select {
			case <-s.leave:
				p.stop()
				<-p.done
				w.seat(s, nil)
				return
			case <-p.network.dead:
			case <-p.done:
				if !p.excused() {
					w.fail("%s ended: %v", p.name, p.err)
				}
				if p.role == copier && p.err == nil && !p.asked.Load() {
					w.seat(s, nil)
					return // the snapshot is closed
				}
			}
			select {
			case <-time.After(s.pause):
			case <-s.leave:
				w.seat(s, nil)
				return
			}
		}
	}()
	return s
}

// seat notes who sits where; nil for nobody. Those who went before may still be on their way to the end.
func (w *world) seat(s *seat, p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p == nil {
		delete(w.seats, s)
		return
	}
	w.seats[s] = p
	w.everyone = append(w.everyone, p)
}

// vacate stops the workers of these seats and waits for their end.
func (w *world) vacate(seats ...*seat) {
	for _, s := range seats {
		s.once.Do(func() { close(s.leave) })
	}
	for _, s := range seats {
		<-s.ended
	}
}
