package kafka

import "sync/atomic"

// maxExpansion bounds what one fetch returns in memory, as a multiple of what was asked for; the rest of an answer is
// fetched again.
const maxExpansion = 4

// expansion learns how much to ask of the brokers of one topic: they count compressed bytes, and small rows become a
// hundred times as much in memory. What is decompressed and then left out costs memory that nobody counts, and time. The
// zero expansion is ready to use, and asks for little; safe for concurrent use.
type expansion struct {
	doublings atomic.Int32 // of what is asked, since the least
}

const (
	maxDoublings = 8       // then as many compressed bytes are asked for as may be returned
	minAsk       = 1 << 10 // a broker returns a whole batch, however little is asked
)

// ask is how many bytes to ask for when maxBytes may be returned.
func (e *expansion) ask(maxBytes int) int {
	return max(min(minAsk, maxBytes), maxBytes>>(maxDoublings-e.doublings.Load()))
}

// learn takes notice of an answer that became so many bytes in memory: all of it, or cut when there was no more room.
func (e *expansion) learn(asked, maxBytes, taken int, cut bool) {
	now := e.doublings.Load()
	switch {
	case cut:
		e.doublings.CompareAndSwap(now, max(now-1, 0))
	case taken > asked && taken < maxBytes: // and it was no small rest of the log
		e.doublings.CompareAndSwap(now, min(now+1, maxDoublings))
	}
}
