package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// WorkerFact is what a worker's process says of itself. It decides nothing; it is there for people to read.
type WorkerFact struct {
	Process string    `json:"process"` // as the brokers show it in the consumer groups
	Roles   []string  `json:"roles"`
	Build   string    `json:"build"`
	Started time.Time `json:"started"`
	// Confirmed is when the process last said that it is at work. All times here are by its own clock.
	Confirmed time.Time    `json:"confirmed"`
	Ended     time.Time    `json:"ended,omitzero"` // zero while it is at work, or if it could not say that it ended
	Error     *WorkerError `json:"error,omitempty"`
}

// WorkerError is the error that ended a worker; a worker that was asked to end, or had nothing left to do, has none.
type WorkerError struct {
	Text   string `json:"text"`
	Class  string `json:"class"`
	Reason string `json:"reason,omitempty"`
}

// Heard is when the process last said something.
func (f WorkerFact) Heard() time.Time {
	if f.Ended.After(f.Confirmed) {
		return f.Ended
	}
	return f.Confirmed
}

// further orders what one process has said: its end after everything else, and then what it said later.
func (f WorkerFact) further(o WorkerFact) bool {
	return cmp.Or(f.Started.Compare(o.Started), boolCompare(!f.Ended.IsZero(), !o.Ended.IsZero()), f.Heard().Compare(o.Heard())) > 0
}

// supersedes reports whether facts that are no further may be erased: they are what the same process said before.
func (f WorkerFact) supersedes() bool { return true }

func (f WorkerFact) settles() bool { return false }

func (f WorkerFact) subject() string { return workerSubject(f.Process) }

// workerSubject is the subject of a process, whose name may hold anything: what follows an @ in a key is the writer.
func workerSubject(process string) string { return "worker/" + strings.ReplaceAll(process, "@", "_") }

// Workers returns the last word of every process that has one, by its name.
func (f *Facts) Workers() map[string]WorkerFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]WorkerFact, len(f.workers))
	for _, facts := range f.workers {
		if last, ok := Furthest(facts); ok {
			all[last.Process] = last
		}
	}
	return all
}

// WriteWorker appends what this process says of itself; it returns once that is durable and in the view.
func (f *Facts) WriteWorker(ctx context.Context, fact WorkerFact) error {
	return writeFacts(ctx, f, f.workers, []WorkerFact{fact}, WorkerFact.subject)
}

const (
	// remembered is how long the last word of a worker is kept.
	remembered = 24 * time.Hour
	// present is how lately a worker must have said something not to be taken for one that is gone.
	present = 5 * time.Minute
	// maxGone is how many of those that are gone are remembered: a supervisor may start one that fails every second.
	maxGone = 100
)

// Forgettable are the processes whose facts are of no use any more: those that ended well, those that have not been heard of
// for a day, and of the others that are gone all but the latest hundred. It is pure.
func Forgettable(workers map[string]WorkerFact, now time.Time) (processes []string) {
	var gone []WorkerFact
	for _, process := range slices.Sorted(maps.Keys(workers)) {
		fact := workers[process]
		switch silent := now.Sub(fact.Heard()); {
		case !fact.Ended.IsZero() && fact.Error == nil, silent > remembered:
			processes = append(processes, process)
		case !fact.Ended.IsZero(), silent > present:
			gone = append(gone, fact)
		}
	}
	slices.SortStableFunc(gone, func(a, b WorkerFact) int { return b.Heard().Compare(a.Heard()) })
	for _, fact := range gone[min(len(gone), maxGone):] {
		processes = append(processes, fact.Process)
	}
	return processes
}

// ForgetWorkers erases what these processes have said. One that is at work after all says it again.
func (f *Facts) ForgetWorkers(ctx context.Context, processes ...string) error {
	var erase []Entry
	f.mu.Lock()
	for _, process := range processes {
		subject := workerSubject(process)
		for _, writer := range slices.Sorted(maps.Keys(f.workers[subject])) {
			erase = append(erase, Entry{Key: []byte(subject + "@" + writer)})
		}
	}
	f.mu.Unlock()
	if len(erase) == 0 {
		return nil
	}
	if err := f.log.Append(ctx, erase...); err != nil {
		return fmt.Errorf("forget workers: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, process := range processes {
		delete(f.workers, workerSubject(process))
	}
	return nil
}
