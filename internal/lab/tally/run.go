package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// once runs a part, and writes what it says to a file.
func (c *command) once(ctx context.Context, part, output string) (r run, err error) {
	file, err := os.Create(output)
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	flags := strings.TrimSpace("-json -count=1 " + c.Flags)
	cmd := exec.CommandContext(ctx, "make", "--silent", "--no-print-directory", "test-"+part, "TESTFLAGS="+flags) //nolint:gosec // our own
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Stderr = file
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return run{}, err
	}
	if err := cmd.Start(); err != nil {
		return run{}, err
	}
	r, readErr := read(part, stdout, file)
	if ended := cmd.Wait(); ended != nil && len(r.failed) == 0 {
		r.failed = append(r.failed, fmt.Sprintf("%s: no test (%v)", part, ended))
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, readErr
}

// burn keeps n processors busy until ctx ends; wait returns when they rest.
func burn(ctx context.Context, n int) (wait func()) {
	done := make(chan struct{})
	for range n {
		go func() {
			for ctx.Err() == nil { // an atomic load, and no pause
			}
			done <- struct{}{}
		}()
	}
	return func() {
		for range n {
			<-done
		}
	}
}
