//go:build !race

package apply_test

// raced says that the race detector is on.
const raced = false
