package assembly

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/build"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Role is what a worker's process does for a migration.
type Role string

// The roles; each has a consumer group.
const (
	SnapshotRole Role = "snapshot"
	CaptureRole  Role = "capture"
	ApplyRole    Role = "apply"
)

// Group is the consumer group of those who have a role in the migration of this name.
func (r Role) Group(name string) string {
	if r == ApplyRole {
		return name
	}
	return name + "." + string(r)
}

const (
	// attendEvery is how often a worker says that it is at work; a handful of bytes, in a log that is compacted.
	attendEvery = 30 * time.Second
	// attendPatience is how long saying so may take. It is for people to read, and nothing waits for it but the end.
	attendPatience = 3 * time.Second
	// maxErrorText is how much of the error that ended a worker is kept, in bytes.
	maxErrorText = 2 << 10
)

// attendance is what a worker's process says of itself in the facts: that it is there, what it does, which build it is, and
// how it ended. A worker that cannot say so works all the same.
type attendance struct {
	parts *Parts
	facts *checkpoint.Facts
	// fact names the process as the brokers know it, under whatever name it writes its other facts. It belongs to run, and
	// after that to end.
	fact checkpoint.WorkerFact
}

// attend returns the attendance of this process, which has said nothing yet.
func (p *Parts) attend(roles []string) *attendance {
	return &attendance{parts: p, facts: p.Facts(), fact: checkpoint.WorkerFact{
		Process: p.process, Roles: append([]string{}, roles...), Build: build.Version(), Started: time.Now().UTC(),
	}}
}

// during runs work, and says all the while that this process is there.
func (a *attendance) during(ctx context.Context, work func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { a.run(ctx) })
	defer all.Wait()
	defer cancel()
	return work()
}

func (a *attendance) run(ctx context.Context) {
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	began := false
	for {
		if !began {
			began = a.begin(ctx) == nil
		}
		if err := a.say(ctx); err != nil && ctx.Err() == nil {
			a.silent(ctx, "the status will not know of this worker for now", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// begin forgets workers that are long gone.
func (a *attendance) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attendPatience)
	defer cancel()
	if err := a.facts.Refresh(ctx); err != nil {
		return err
	}
	return a.facts.ForgetWorkers(ctx, checkpoint.Forgettable(a.facts.Workers(), time.Now())...)
}

func (a *attendance) say(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attendPatience)
	defer cancel()
	a.fact.Confirmed = time.Now().UTC()
	return a.facts.WriteWorker(ctx, a.fact)
}

// left is end for a worker that may not have begun: one that never was a part of the migration says nothing.
func (a *attendance) left(ctx context.Context, err error) {
	if !a.fact.Confirmed.IsZero() {
		a.end(ctx, err)
	}
}

// end says how the worker ended, although ctx has ended: nil is well.
func (a *attendance) end(ctx context.Context, err error) {
	a.fact.Ended = time.Now().UTC()
	if err != nil {
		text := err.Error()
		e := &checkpoint.WorkerError{Text: strings.ToValidUTF8(text[:min(len(text), maxErrorText)], ""), Class: fault.Of(err).String()}
		if classified, ok := errors.AsType[*fault.Error](err); ok {
			e.Reason = classified.Reason
		}
		a.fact.Error = e
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attendPatience)
	defer cancel()
	if err := fault.Do(ctx, nil, func(ctx context.Context) error { return a.facts.WriteWorker(ctx, a.fact) }); err != nil {
		a.silent(ctx, "the status will not know how this worker ended", err)
	}
}

// silent logs what could not be said. Of an outage the connection tells; of a refusal nobody else does.
func (a *attendance) silent(ctx context.Context, message string, err error) {
	level := slog.LevelWarn
	if fault.Of(err) == fault.Retry {
		level = slog.LevelDebug
	}
	a.parts.Logger.Log(ctx, level, message, "error", err)
}
