package kafka

import (
	"cmp"
	"slices"

	"github.com/segmentio/kafka-go/protocol/fetch"
)

// aborted are the aborted transactions of one answer.
type aborted struct {
	ahead []fetch.ResponseTransaction // not begun yet, by their first offset
	begun map[int64]bool              // by producer
}

func newAborted(all []fetch.ResponseTransaction) aborted {
	ahead := slices.SortedFunc(slices.Values(all), func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return aborted{ahead: ahead, begun: map[int64]bool{}}
}

// at reports whether a transactional batch at offset belongs to an aborted transaction. A producer has one transaction
// at a time.
func (a *aborted) at(offset, producer int64) bool {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= offset {
		a.begun[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
	return a.begun[producer]
}

// ended notes the marker at offset that ends an aborted transaction.
func (a *aborted) ended(offset, producer int64) {
	a.at(offset, producer)
	delete(a.begun, producer)
}
