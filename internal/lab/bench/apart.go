package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Where the two processes are held apart.
const clientCore, hostCore = "0", "1"

// stayOn holds this process on one core. It begins the process anew, so that the runtime counts the cores that it has.
func stayOn(core string) error {
	if runtime.NumCPU() == 1 {
		return nil // it is that new one
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return fmt.Errorf("to hold the processes on a core each: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(taskset, append([]string{taskset, "--cpu-list", core, self}, os.Args[1:]...), os.Environ())
}
