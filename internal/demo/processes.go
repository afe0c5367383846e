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
	done chan struct{}
	err  error
	log  *tail
}

// StartProcess starts argv. What it writes to standard error is kept, the last of it.
func StartProcess(name string, argv []string, env []string) (*Process, error) {
	p := &Process{Name: name, done: make(chan struct{}), log: &tail{}}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel sends the death signal when the thread that started the child ends, so it must not end before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.cmd = exec.Command(argv[0], argv[1:]...)
		p.cmd.Env = append(os.Environ(), env...)
		p.cmd.Stderr = p.log
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	return p, <-started
}

// Kill ends the process with SIGKILL, as a crash does.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the process to end, and waits; after the patience it is killed.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.failure()
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("%s did not end within %s", p.Name, patience), p.Kill())
	}
}

func (p *Process) end(s syscall.Signal) error {
	if err := p.signal(s); err != nil {
		return err
	}
	<-p.done
	return nil
}

func (p *Process) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
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
	return fmt.Errorf("%s: %w\n%s", p.Name, p.err, p.log)
}

// Log is the last of what the process has written to standard error.
func (p *Process) Log() string { return p.log.String() }

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 64 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if over := t.buf.Len() - tailBytes; over > tailBytes {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buf.Bytes()
	return string(b[max(0, len(b)-tailBytes):])
}
