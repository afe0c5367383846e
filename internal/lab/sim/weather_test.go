package sim

import (
	"fmt"
	"strings"
	"sync"
	"time"

	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
)

// weather is how often which fault happens to a call now. Whether the n-th call of one kind to one key meets a fault
// follows from the seed and from n alone, not from the order in which goroutines come.
type weather struct {
	seed uint64

	mu     sync.Mutex
	climbs map[string]int // calls so far, by kind and key
	now    climate
}

// climate holds percentages; the zero climate is fine weather.
type climate struct {
	table, keys   int // throttled: the whole table; every second range of keys
	refused       int // 500, and nothing done
	answeredError int // 500, although it was done
	lost          int // done, and the connection cut
	slow          int
	slowness      time.Duration
	expired       int // iterators of the stream
	empty         int // pages of the stream
	parts         int // statements of a batch that are throttled by themselves
	cut           int // connections to brokers, before or after a request
}

func newWeather(seed uint64) *weather { return &weather{seed: seed, climbs: map[string]int{}} }

// change makes other weather.
func (w *weather) change(f func(*climate)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.now)
}

func (w *weather) bad() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now != climate{}
}

// dice is a number for the next call of this kind.
func (w *weather) dice(kind string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.climbs[kind]++
	return hash(w.seed, kind, fmt.Sprint(w.climbs[kind]))
}

// roll throws a die of a hundred sides for the next call of this kind.
func (w *weather) roll(kind string) (climate, func(percent int) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.climbs[kind]++
	side := int(hash(w.seed, kind, fmt.Sprint(w.climbs[kind])) % 100)
	return w.now, func(percent int) bool {
		hit := side >= 0 && side < percent
		side -= percent
		return hit
	}
}

// database implements embedded.Options.Fault.
func (w *weather) database(c embedded.Call) embedded.Fault {
	if !strings.HasPrefix(c.Agent, agentPrefix) {
		return embedded.Fault{} // the application and the witness
	}
	now, hit := w.roll(c.Operation + c.Table[:min(3, len(c.Table))] + c.Key)
	arn := "arn:aws:dynamodb:" + region + ":000000000000:table/" + c.Table
	write := c.Operation == "PutItem" || c.Operation == "BatchExecuteStatement" || c.Operation == "DeleteItem"
	reasons := map[bool]string{true: "Write", false: "Read"}[write]
	if c.Part {
		if hit(now.parts) {
			return embedded.Fault{Refuse: embedded.Throttled("TableWriteKeyRangeThroughputExceeded", arn)}
		}
		return embedded.Fault{}
	}
	f := embedded.Fault{}
	if hit(now.slow) {
		f.Delay = now.slowness
	}
	switch {
	case c.Operation == "GetRecords" && hit(now.expired):
		f.Refuse = &embedded.Error{Code: "ExpiredIteratorException", Message: "The iterator is too old."}
	case c.Operation == "GetRecords" && hit(now.empty):
		f.Empty = true
	case hit(now.table):
		which := []string{"ProvisionedThroughputExceeded", "AccountLimitExceeded", "MaxOnDemandThroughputExceeded"}
		f.Refuse = embedded.ThrottledOnDemand("Table"+reasons+which[hash(w.seed, c.Key)%3], arn)
	case c.Key != "" && hash(w.seed, c.Key)%2 == 0 && hit(now.keys):
		f.Refuse = embedded.Throttled("Table"+reasons+"KeyRangeThroughputExceeded", arn)
	case hit(now.refused):
		f.Refuse = embedded.InternalError()
	case hit(now.answeredError):
		f.Answer = embedded.InternalError()
	case hit(now.lost):
		f.Lose = true
	}
	return f
}

// broken says whether a connection to a broker breaks at this step.
func (w *weather) broken(s step, m moment) error {
	if w == nil {
		return nil
	}
	now, hit := w.roll(fmt.Sprint("broker", s, m))
	if now.cut > 0 && hit(now.cut) {
		return errCut
	}
	return nil
}
