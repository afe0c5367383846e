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
	kind string
}

// start starts n workers of a kind.
func (f *fleet) start(kind string, n int) error {
	for i := range n {
		p, err := StartProcess(fmt.Sprintf("%s %d", kind, i+1), f.argv(kind), f.env)
		if err != nil {
			return err
		}
		f.workers = append(f.workers, &worker{p, kind})
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
		w.Process, err = StartProcess(w.Name, f.argv(kind), f.env)
		return w.Name, err
	}
	return "", nil
}

// check returns an error if a worker has ended that should not have: any that failed, and any streamer.
func (f *fleet) check() error {
	for _, w := range f.workers {
		ended, err := w.Ended()
		if err != nil {
			return err
		}
		if ended && w.kind == streamerWorker {
			return fmt.Errorf("%s has ended by itself\n%s", w.Name, w.Log())
		}
	}
	return nil
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
