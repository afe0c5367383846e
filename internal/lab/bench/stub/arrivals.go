package stub

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"
)

const (
	markPrefix = "row-"
	markDigits = 9
)

// Mark is the text by which row n is known. A row has it in exactly one string attribute.
func Mark(n int) string { return fmt.Sprintf("%s%0*d", markPrefix, markDigits, n) }

// arrivals are the rows of the writes that have come.
type arrivals struct {
	writes atomic.Int64    // rows, repeated ones too
	seen   []atomic.Uint64 // a bit for each row
}

// add notes the rows of a request and says how many there were.
func (a *arrivals) add(body []byte) int {
	rows := 0
	for {
		i := bytes.Index(body, []byte(`"`+markPrefix))
		if i < 0 || len(body) < i+1+len(markPrefix)+markDigits {
			break
		}
		body = body[i+1+len(markPrefix):]
		n, err := strconv.Atoi(string(body[:markDigits]))
		if err == nil && n < 64*len(a.seen) {
			a.seen[n/64].Or(1 << (n % 64))
			rows++
		}
	}
	a.writes.Add(int64(rows))
	return rows
}

// distinct is how many different rows have come.
func (a *arrivals) distinct() int {
	n := 0
	for i := range a.seen {
		for bits := a.seen[i].Load(); bits != 0; bits &= bits - 1 {
			n++
		}
	}
	return n
}

func (a *arrivals) reset() {
	a.writes.Store(0)
	for i := range a.seen {
		a.seen[i].Store(0)
	}
}
