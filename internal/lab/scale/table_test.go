package scale

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// The quotas of every partition, whatever the table has.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
const partitionUnits = 1000

// bucket is units a second, of which some seconds may be saved. It may go into debt by one item.
type bucket struct {
	rate, saves float64
	units       float64
	at          time.Time
}

func newBucket(rate, saves float64) *bucket {
	return &bucket{rate: rate, saves: saves, units: rate * saves, at: time.Now()}
}

func (b *bucket) fill(now time.Time) {
	b.units = min(b.rate*b.saves, b.units+b.rate*now.Sub(b.at).Seconds())
	b.at = now
}

// partition is a range of the hashes, from here to the next one.
type partition struct {
	from   uint64
	bucket *bucket
	full   time.Duration // how long it has refused, a second at a time
	last   time.Time
}

// counts is what a table has been asked for.
type counts struct {
	calls, rows int
	refused     map[fault.Throttle]int // rows
	units       float64
}

// and is both together.
func (c counts) and(o counts) counts {
	sum := counts{c.calls + o.calls, c.rows + o.rows, map[fault.Throttle]int{}, c.units + o.units}
	for _, refused := range []map[fault.Throttle]int{c.refused, o.refused} {
		for why, n := range refused {
			sum.refused[why] += n
		}
	}
	return sum
}

// throttled is the share of the writes that was.
func (c counts) throttled() float64 {
	return float64(c.refused[fault.TableThrottled]+c.refused[fault.RangeThrottled]) / float64(max(1, c.rows))
}

// table is a table under quotas. It keeps no items.
type table struct {
	latency time.Duration
	splits  time.Duration // a partition that has refused for so long in all becomes two; 0: never

	mu         sync.Mutex
	quota      *bucket // nil: on demand, so only the partitions have quotas
	partitions []*partition
	counts     counts
	seconds    []counts // of each second that has passed
	began      time.Time
	live       []time.Duration   // how old each live change was when it was written
	see        func(hash uint64) // hears of each row written
}

var _ apply.Target = (*table)(nil)

// newTable has so many partitions, and units for all of them together unless that is 0.
func newTable(partitions int, units, saves float64) *table {
	t := &table{latency: 5 * time.Millisecond, began: time.Now()}
	for i := range partitions {
		t.partitions = append(t.partitions, &partition{from: uint64(float64(1<<63) / float64(partitions) * 2 * float64(i)), bucket: newBucket(partitionUnits, 1)})
	}
	if units > 0 {
		t.quota = newBucket(units, saves)
	}
	return t
}

// provision changes the quota of the table, as UpdateTable does; nothing is saved.
func (t *table) provision(units float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick(time.Now())
	t.quota.fill(time.Now())
	t.quota.rate, t.quota.units = units, min(t.quota.units, 0)
}

func (t *table) partitionOf(hash uint64) int {
	i, _ := slices.BinarySearchFunc(t.partitions, hash, func(p *partition, hash uint64) int {
		if p.from <= hash {
			return -1
		}
		return 1
	})
	return i - 1
}

// write is one item's write.
func (t *table) write(e events.Event, now time.Time) (float64, fault.Throttle) {
	units := float64(max(1, (len(e.Item.Raw)+1023)/1024))
	hash := hashOf(e.Key)
	i := t.partitionOf(hash)
	p := t.partitions[i]
	p.bucket.fill(now)
	if t.quota != nil {
		t.quota.fill(now)
		if t.quota.units <= 0 {
			return 0, fault.TableThrottled
		}
	}
	if p.bucket.units <= 0 {
		t.hot(i, now)
		return 0, fault.RangeThrottled
	}
	p.bucket.units -= units
	if t.quota != nil {
		t.quota.units -= units
	}
	if e.Version.Class == events.Live {
		t.live = append(t.live, now.Sub(e.Time))
	}
	if t.see != nil {
		t.see(hash)
	}
	return units, fault.NotThrottled
}

// hot notes that a partition refuses, and splits it in its middle when it has for long enough.
func (t *table) hot(i int, now time.Time) {
	p := t.partitions[i]
	if now.Sub(p.last) >= time.Second {
		p.full += time.Second
		p.last = now
	}
	if t.splits > 0 && p.full >= t.splits {
		p.full = 0
		t.halve(i)
	}
}

// halve makes two of a partition.
func (t *table) halve(i int) {
	end := ^uint64(0)
	if i+1 < len(t.partitions) {
		end = t.partitions[i+1].from
	}
	p := t.partitions[i]
	t.partitions = slices.Insert(t.partitions, i+1, &partition{from: p.from + (end-p.from)/2, bucket: newBucket(partitionUnits, 1)})
}

// split halves every partition.
func (t *table) split() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := 2*len(t.partitions) - 2; i >= 0; i -= 2 {
		t.halve(i / 2)
	}
}

func (t *table) Put(_ context.Context, row events.Event) apply.Result {
	return t.call([]events.Event{row}, false)[0]
}

func (t *table) Insert(_ context.Context, rows []events.Event) []apply.Result {
	return t.call(rows, true)
}

func (t *table) call(rows []events.Event, batch bool) []apply.Result {
	time.Sleep(t.latency + rand.N(t.latency/2))
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.tick(now)
	results := make([]apply.Result, len(rows))
	for i, row := range rows {
		units, throttle := t.write(row, now)
		if throttle != fault.NotThrottled {
			t.counts.refused[throttle]++
			if batch {
				throttle = fault.UnnamedThrottled // as BatchExecuteStatement answers
			}
			results[i].Err = &fault.Error{Class: fault.Retry, Throttle: throttle, What: "write"}
			continue
		}
		t.counts.units += units
		results[i] = apply.Result{Outcome: apply.Applied, Units: units}
	}
	t.counts.calls++
	t.counts.rows += len(rows)
	return results
}

// tick ends the seconds that have passed.
func (t *table) tick(now time.Time) {
	for now.Sub(t.began) >= time.Duration(len(t.seconds)+1)*time.Second || t.counts.refused == nil {
		if t.counts.refused != nil {
			t.seconds = append(t.seconds, t.counts)
		}
		t.counts = counts{refused: map[fault.Throttle]int{}}
	}
}

// between is what was asked for in these seconds since the table began.
func (t *table) between(from, to int) counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick(time.Now())
	sum := counts{refused: map[fault.Throttle]int{}}
	for _, c := range t.seconds[from:min(to, len(t.seconds))] {
		sum = sum.and(c)
	}
	return sum
}

// hashOf reads the hash that a key of the log begins with.
func hashOf(key events.Key) uint64 {
	const before = len(`{"pk":{"S":"`)
	n, err := strconv.ParseUint(string(key[before:before+16]), 16, 64)
	if err != nil {
		panic(err)
	}
	return n
}
