package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The kinds of workers.
const (
	snapshotWorker = "snapshot"
	streamerWorker = "streamer"
)

// fleet is the worker processes of the demonstration. It belongs to one goroutine.
type fleet struct {
	argv    func(kind string) []string
	env     []string
	workers []*worker
}

// worker is a process that is started again when it has been killed.
type worker struct {
	*Process
	kind     string
	restarts int // after it had ended by itself
}

// start starts n workers of a kind.
func (f *fleet) start(kind string, n int) error {
	for i := range n {
		p, err := StartProcess(fmt.Sprintf("%s %d", kind, i+1), f.argv(kind), f.env)
		if err != nil {
			return err
		}
		f.workers = append(f.workers, &worker{Process: p, kind: kind})
	}
	return nil
}

// kill ends the first running worker of a kind with SIGKILL, and starts it again. It returns its name, or nothing
// when all of them have ended their work.
func (f *fleet) kill(kind string) (name string, err error) {
	for _, w := range f.workers {
		if ended, _ := w.Ended(); ended || w.kind != kind {
			continue
		}
		if err := w.Kill(); err != nil {
			return "", err
		}
		return w.Name, f.again(w)
	}
	return "", nil
}

// again starts a worker whose process has ended.
func (f *fleet) again(w *worker) error {
	p, err := StartProcess(w.Name, f.argv(w.kind), f.env)
	if err == nil {
		w.Process = p
	}
	return err
}

// maxRestarts is how often a worker that ends by itself is started again.
const maxRestarts = 3

// tend does what a supervisor does for crash-only workers: one that has ended is started again, but for a snapshot
// worker that has ended its work. On a machine that is too busy a worker stops itself, when it has not been able to
// read the control log for too long. It returns the lines to show.
func (f *fleet) tend() (said []string, err error) {
	for _, w := range f.workers {
		ended, failure := w.Ended()
		if !ended || failure == nil && w.kind == snapshotWorker {
			continue // at work, or done
		}
		if failure == nil {
			failure = fmt.Errorf("%s has ended without being asked\n%s", w.Name, w.Log())
		}
		if w.restarts++; w.restarts > maxRestarts {
			return said, failure
		}
		said = append(said, fmt.Sprintf("%s has stopped itself, and is started again: %s", w.Name, lastLine(w.Log())))
		if err := f.again(w); err != nil {
			return said, err
		}
	}
	return said, nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// restarts is how many workers have been started again after they had ended by themselves.
func (f *fleet) restarts() int {
	n := 0
	for _, w := range f.workers {
		n += w.restarts
	}
	return n
}

// stop ends all workers as an operator does, at the same time.
func (f *fleet) stop(patience time.Duration) error {
	errs := make([]error, len(f.workers))
	var all sync.WaitGroup
	for i, w := range f.workers {
		all.Go(func() { errs[i] = w.Stop(patience) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// abandon ends all that still runs, at once.
func (f *fleet) abandon() error {
	var all error
	for _, w := range f.workers {
		all = errors.Join(all, w.Kill())
	}
	return all
}

// writeLogs leaves the end of every worker's log in dir.
func (f *fleet) writeLogs(dir string) error {
	var all error
	for _, w := range f.workers {
		name := strings.ReplaceAll(w.Name, " ", "-") + ".log"
		all = errors.Join(all, os.WriteFile(filepath.Join(dir, name), []byte(w.Log()), 0o644))
	}
	return all
}
