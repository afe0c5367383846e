package demo

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a worker process of the demonstration or of a test. It dies with this one.
type Process struct {
	Name string
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	err  error // of the process; to be read once done is closed
}

// StartProcess starts argv with env on top of this process's environment. What it writes to standard error is kept,
// the last of it.
func StartProcess(name string, argv []string, env []string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(argv[0], argv[1:]...), log: &tail{}, done: make(chan struct{})} //nolint:noctx // it is killed by name, or with its parent
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = diesWithParent()
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel sends the death signal when the thread that started the child ends, so it must not end before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// PID is the number that the kernel has given to the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// dumpWait is how long a process may take to write its stacks.
const dumpWait = 10 * time.Second

// Kill ends the process with SIGKILL, as a crash does, and waits until it is gone. One that has ended already is no
// error.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Stop asks the process to end, waits, and returns how it ended: nil for exit status 0. After the patience it is
// killed, which is an error; SIGQUIT makes a Go program leave its goroutines' stacks in the log first. Where nothing can
// be asked of a process it is killed at once, as a crash does, and how it ended is not told.
func (p *Process) Stop(patience time.Duration) error {
	if !canAsk {
		return p.Kill()
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.failure()
	case <-time.After(patience):
	}
	err := p.signal(syscall.SIGQUIT)
	select {
	case <-p.done:
	case <-time.After(dumpWait):
	}
	return errors.Join(fmt.Errorf("%s did not end within %s\n%s", p.Name, patience, p.log.last(errorBytes)), err, p.Kill())
}

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.Name, err)
	}
	return nil
}

// Ended reports whether the process has ended, and how: nil for exit status 0.
func (p *Process) Ended() (bool, error) {
	select {
	case <-p.done:
		return true, p.failure()
	default:
		return false, nil
	}
}

func (p *Process) failure() error {
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", p.Name, p.err, p.log.last(errorBytes))
}

// Log is the last of what the process has written to standard error.
func (p *Process) Log() string { return p.log.last(tailBytes) }

const (
	tailBytes  = 1 << 20 // how much of a process's log is kept
	errorBytes = 8 << 10 // how much of it is part of an error
)

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if t.buf.Len() > 2*tailBytes {
		t.buf.Next(t.buf.Len() - tailBytes)
	}
	return len(b), nil
}

// last is at most the last n bytes.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}
