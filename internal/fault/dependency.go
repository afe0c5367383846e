package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// The pace of the lines about an outage.
const (
	// patience is how long requests may fail before that is an outage. A partition's leader that moves, or a lost answer,
	// takes less.
	patience = 3 * time.Second
	// unanswered is how long a request may be without an answer before it counts as failing.
	unanswered = 4 * time.Second
	// sayAgain is the time between two lines about one outage.
	sayAgain = 30 * time.Second
	// forgotten is when a failed request that was not made again counts no more: nobody asks for it now. It is longer than
	// the longest wait between retries and the longest request together.
	forgotten = 45 * time.Second
)

// Dependency is something outside that a process needs: Kafka, the old table, the new one. It logs outages: one line when
// requests have failed for 3 s, to whom and since when; one every 30 s while that lasts; and one when they succeed
// again. There is one line at a time, however many goroutines try.
//
// An adapter reports each of its requests through Ask, so a caller that retries, or does not, logs nothing. What is answered
// is no outage, throttling included. Safe for concurrent use.
type Dependency struct {
	logger   *slog.Logger
	name, to string

	troubled atomic.Bool // there may be an outage; while false, a success needs no lock

	mu       sync.Mutex
	failing  map[string]*request // by what is asked for
	since    time.Time           // when the outage began: the first failure that no success has followed; zero: there is none
	last     time.Time           // when a request last failed
	attempts int                 // requests that have failed since then
	said     bool                // there has been a line about it
	timer    *time.Timer         // of the next line; nil while nothing fails
	closed   bool
}

// request is a request that fails.
type request struct {
	what    string
	last    time.Time // when it last failed
	err     error     // its last error; nil: no answer has come yet
	waiting int       // how many of it are under way and have had no answer for longer than unanswered
}

// NewDependency returns a Dependency. A person calls it name; to is its address. Without a logger it is silent. Close it.
func NewDependency(logger *slog.Logger, name, to string) *Dependency {
	return &Dependency{logger: cmp.Or(logger, slog.New(slog.DiscardHandler)), name: name, to: to, failing: map[string]*request{}}
}

// Ask notes that a request begins. The caller must call answered with what came of it. what names the request, without
// anything that differs from one attempt to the next, such as "append to orders.live/3": it counts as failing until one of the
// same name succeeds. ctx is the caller's; a request whose ctx was cancelled says nothing.
func (d *Dependency) Ask(ctx context.Context, what string) (answered func(error)) {
	began := time.Now()
	late := &lateness{}
	timer := time.AfterFunc(unanswered, func() {
		late.once.Do(func() {
			late.is = true
			d.late(what, began)
		})
	})
	return func(err error) {
		timer.Stop()
		late.once.Do(func() {}) // it cannot become late any more; if the timer is just noting it, wait for that
		switch {
		case late.is:
			d.ended(ctx, what, began, err, 1)
		case err == nil && !d.troubled.Load():
		default:
			d.ended(ctx, what, began, err, 0)
		}
	}
}

// lateness is whether a request has been noted as one without an answer.
type lateness struct {
	once sync.Once
	is   bool // written within once
}

// Failed notes the failure of something that is not one request, such as a group membership. Worked ends it.
func (d *Dependency) Failed(what string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails(what, time.Now(), err)
}

// Worked notes that something succeeded.
func (d *Dependency) Worked(what string) {
	if d.troubled.Load() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.works(what)
	}
}

// Close ends the lines.
func (d *Dependency) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.stop()
	return nil
}

// late notes that a request has no answer yet.
func (d *Dependency) late(what string, began time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(what, began).waiting++
}

// ended notes what came of a request; waiting is 1 if it had been noted as late.
func (d *Dependency) ended(ctx context.Context, what string, began time.Time, err error, waiting int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.failing[what]; r != nil {
		r.waiting -= min(r.waiting, waiting)
	}
	switch {
	case err != nil && (ctx.Err() == context.Canceled || errors.Is(err, context.Canceled)):
		// The caller gave it up: that says nothing about the dependency.
	case err != nil && Of(err) == Retry && ThrottleOf(err) == NotThrottled:
		d.fails(what, began, err)
	default:
		d.works(what)
	}
}

// note returns the entry of a failing request, of which an attempt began at began, and starts the timer of the next line.
func (d *Dependency) note(what string, began time.Time) *request {
	now := time.Now()
	if len(d.failing) == 0 && (d.since.IsZero() || now.Sub(d.last) > 2*forgotten) {
		d.since, d.attempts, d.said = began, 0, false // a new outage: how an earlier one ended nobody knows
	}
	d.troubled.Store(true)
	r := d.failing[what]
	if r == nil {
		r = &request{what: what}
		d.failing[what] = r
	}
	r.last, d.last = now, now
	if d.timer == nil && !d.closed {
		wait := sayAgain
		if !d.said {
			wait = max(0, patience-now.Sub(d.since))
		}
		d.timer = time.AfterFunc(wait, d.due)
	}
	return r
}

func (d *Dependency) fails(what string, began time.Time, err error) {
	d.note(what, began).err = err
	d.attempts++
}

func (d *Dependency) works(what string) {
	delete(d.failing, what)
	if len(d.failing) > 0 {
		return
	}
	d.stop()
	if d.said && !d.closed {
		d.logger.Info("the outage is over", "dependency", d.name, "to", d.to, "since", d.since, "away", d.away(), "attempts", d.attempts)
	}
	d.since, d.attempts, d.said = time.Time{}, 0, false
	d.troubled.Store(false)
}

func (d *Dependency) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// away is how long the outage has lasted.
func (d *Dependency) away() time.Duration { return time.Since(d.since).Round(time.Millisecond) }

// due logs that the outage goes on, unless nobody asks any more.
func (d *Dependency) due() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.timer == nil {
		return
	}
	d.timer = nil
	var latest *request
	for what, r := range d.failing {
		if r.waiting == 0 && time.Since(r.last) > forgotten {
			delete(d.failing, what)
			continue
		}
		if latest == nil || r.last.After(latest.last) || r.last.Equal(latest.last) && r.what < latest.what {
			latest = r
		}
	}
	if latest == nil {
		return // whether it works again is not known; the next success says so
	}
	err := latest.err
	if err == nil {
		err = fmt.Errorf("no answer for %s", time.Since(latest.last).Round(time.Millisecond)+unanswered)
	}
	d.said = true
	d.logger.Warn("outage; what fails is tried again", "dependency", d.name, "to", d.to, "what", latest.what, "failing", len(d.failing),
		"since", d.since, "away", d.away(), "attempts", d.attempts, "error", err)
	d.timer = time.AfterFunc(sayAgain, d.due)
}
