package checkpoint

import (
	"context"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// lastWords bounds the writing of facts after the work has been told to stop.
const lastWords = 3 * time.Second

// Pen writes facts as fast as the log takes them: while one write is under way, a newer fact of the same subject
// takes the place of the one that waits. Put is safe for concurrent use.
type Pen[F any] struct {
	write  func(context.Context, ...F) error
	notify func(err error, wait time.Duration)

	mu      sync.Mutex
	waiting map[string]F
	wake    chan struct{} // holds one token when something waits
}

// NewPen returns a pen that writes with write: Facts.WriteSegments or Facts.WriteShards. notify hears of each write
// that is tried again.
func NewPen[F any](write func(context.Context, ...F) error, notify func(err error, wait time.Duration)) *Pen[F] {
	return &Pen[F]{write: write, notify: notify, waiting: map[string]F{}, wake: make(chan struct{}, 1)}
}

// Put hands over the newest fact about a subject. What it says must be durable downstream already.
func (p *Pen[F]) Put(subject string, fact F) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[subject] = fact
	select {
	case p.wake <- struct{}{}:
	default: // the token is there: Run will find this fact too
	}
}

// Run writes until ctx ends, and then what still waits, for a short while. It returns an error that is not worth a
// retry. Facts that could not be written after the end of ctx are lost, and with them nothing but work: what they say is
// done will be done again.
func (p *Pen[F]) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.wake:
			if err := fault.Do(ctx, p.notify, p.flush); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := fault.Do(last, p.notify, p.flush); err != nil {
		p.notify(err, 0)
	}
	return nil
}

// flush writes what waits. After an error it waits again, unless newer facts have come.
func (p *Pen[F]) flush(ctx context.Context) error {
	p.mu.Lock()
	taken := p.waiting
	p.waiting = map[string]F{}
	p.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	facts := make([]F, 0, len(taken))
	for _, fact := range taken {
		facts = append(facts, fact)
	}
	err := p.write(ctx, facts...)
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for subject, fact := range taken {
		if _, newer := p.waiting[subject]; !newer {
			p.waiting[subject] = fact
		}
	}
	return err
}
