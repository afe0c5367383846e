package scale

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/snapshot"
	"github.com/crossfadedb/crossfade/internal/walk"
)

const (
	partitionReads = 3000
	pageUnits      = 256 // 1 MB, strongly consistent
)

// old is the old table: each segment has so many full pages, and lies in one partition.
type old struct {
	partitions []*bucket
	quota      *bucket // nil: only the partitions have quotas
	pages      int
	latency    time.Duration

	mu             sync.Mutex
	calls, refused int
	units          float64
	published      int
}

func (o *old) Scan(_ context.Context, segment, total int, after []byte) (snapshot.Page, error) {
	time.Sleep(o.latency)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	now := time.Now()
	p := o.partitions[segment*len(o.partitions)/total]
	p.fill(now)
	if o.quota != nil {
		o.quota.fill(now)
	}
	refused := func(extent fault.Throttle) (snapshot.Page, error) {
		o.refused++
		return snapshot.Page{}, &fault.Error{Class: fault.Retry, Throttle: extent, What: "scan"}
	}
	switch {
	case o.quota != nil && o.quota.units <= 0:
		return refused(fault.TableThrottled)
	case p.units <= 0:
		return refused(fault.RangeThrottled)
	}
	p.units -= pageUnits
	if o.quota != nil {
		o.quota.units -= pageUnits
	}
	o.units += pageUnits
	n := 0
	if after != nil {
		var err error
		if n, err = strconv.Atoi(string(after)); err != nil {
			return snapshot.Page{}, err
		}
	}
	page := snapshot.Page{Units: pageUnits}
	if n+1 < o.pages {
		page.Last = []byte(strconv.Itoa(n + 1))
	}
	return page, nil
}

// publish is Kafka, which takes 50 ms for a page.
func (o *old) publish(context.Context, []events.Record) error {
	time.Sleep(50 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.published++
	return nil
}

// scans is the reading of an old table of 100 partitions by two snapshot workers, sixteen segments at once.
func scans(t *testing.T) {
	fmt.Println("\n| old table, 100 partitions | `max_read_units` | read units/s | scans refused, % |")
	fmt.Println("|---|---|---|---|")
	const partitions, segments, workers, pages = 100, 256, 2, 20
	began, simulated := time.Now(), 0.0
	for _, c := range []struct{ quota, limit float64 }{{0, 0}, {40_000, 0}, {5600, 0}, {5600, 5300}} {
		synctest.Test(t, func(t *testing.T) {
			o := &old{pages: pages, latency: 60 * time.Millisecond}
			for range partitions {
				o.partitions = append(o.partitions, newBucket(partitionReads, 1))
			}
			quota := "no quota of the table"
			if c.quota > 0 {
				o.quota = newBucket(c.quota, 1)
				quota = fmt.Sprintf("%.0f units/s", c.quota)
			}
			began := time.Now()
			log := &checkpointtest.Log{}
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			for w := range workers {
				worker := snapshot.New(snapshot.Config{
					Source: o, Publish: o.publish, Watch: created{}, Generation: 1, Segments: segments, Reads: walk.NewReads(c.limit / workers),
					Facts: checkpoint.NewFacts(log, strconv.Itoa(w), time.Minute),
				})
				group.Go(func() { assert.NoError(t, worker.Run(ctx, []int{w}, workers)) })
			}
			for !o.complete(segments) {
				time.Sleep(time.Second)
				require.Less(t, time.Since(began), time.Hour)
			}
			cancel()
			group.Wait()
			took := time.Since(began).Seconds()
			simulated += took
			fmt.Printf("| %s | %.0f | %.0f | %.1f |\n", quota, c.limit, o.units/took, 100*float64(o.refused)/float64(o.calls))
		})
	}
	fmt.Printf("\n%.0f times real time\n", simulated/time.Since(began).Seconds())
}

// complete reports whether every page is published.
func (o *old) complete(segments int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.published == segments*o.pages
}
