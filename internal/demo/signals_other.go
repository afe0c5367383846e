//go:build !unix

package demo

// canAsk reports whether a process can be asked to end: Windows has no signal that does, and cannot freeze one either.
const canAsk = false
