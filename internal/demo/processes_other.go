//go:build !linux

package demo

import "syscall"

// diesWithParent can do nothing here: a child outlives this process if that is killed. Without its broker it soon
// stops itself.
func diesWithParent() *syscall.SysProcAttr { return nil }
