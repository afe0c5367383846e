package kafka

import "sync/atomic"

// maxExpansion bounds what one fetch returns in memory, as a multiple of what was asked for; the rest of an answer is
// fetched again.
const maxExpansion = 4

// expansion learns how much to ask of the brokers of one topic: they count compressed bytes, and small rows become a
// hundred times as much in memory. What is decompressed and then left out costs memory that nobody counts, and time. The
// zero expansion is ready to use; safe for concurrent use.
type expansion struct {
	halvings atomic.Int32 // of what may be returned, to get what is asked
}

const (
	maxHalvings = 8
	minAsk      = 1 << 10 // a broker returns a whole batch, however little is asked
)

// ask is how many bytes to ask for when maxBytes may be returned.
func (e *expansion) ask(maxBytes int) int { return max(min(minAsk, maxBytes), maxBytes>>e.halvings.Load()) }

// learn takes notice of an answer that became so many bytes in memory: all of it, or cut when there was no more room.
func (e *expansion) learn(asked, maxBytes, taken int, cut bool) {
	now := e.halvings.Load()
	switch {
	case cut:
		e.halvings.CompareAndSwap(now, min(now+1, maxHalvings))
	case taken > asked && taken < maxBytes: // and it was no small rest of the log
		e.halvings.CompareAndSwap(now, max(now-1, 0))
	}
}
