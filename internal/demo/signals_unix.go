//go:build unix

package demo

import "syscall"

// canAsk reports whether a process can be asked to end.
const canAsk = true

// Pause freezes the process with SIGSTOP; it knows nothing of it, then or later.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a frozen process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }
