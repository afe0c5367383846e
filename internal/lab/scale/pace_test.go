package scale

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// What the pace promises for a quota, once it is found.
const (
	leastUsed     = 0.95
	mostThrottled = 0.02
)

// backlog is an endless topic of small rows: more than any quota here takes.
func backlog(name string) map[string]topic {
	t := topic{padding: 300, hash: anywhere}
	if name == liveTopic {
		t.rate = 1e6
	}
	return map[string]topic{name: t}
}

// found is the first of these seconds, counted from the first of them, that used enough of the quota.
func (t *table) found(from, to int, quota float64) int {
	for s := from; s < to; s++ {
		if c := t.between(s, s+1); c.units >= leastUsed*quota && c.units <= 1.05*quota {
			return s - from
		}
	}
	return to - from
}

// draws is how many tables a promise is measured on. Latencies, the rows that come and the order of the calls are drawn anew
// for each, so that one table alone tells what that draw did, and not what the pace does.
const draws = 5

// drawn plays the same on so many tables, each in fake time of its own.
func drawn(t *testing.T, play func(t *testing.T)) {
	t.Helper()
	for range draws {
		synctest.Test(t, play)
	}
}

// A quota is found and kept, and so is another one that takes its place.
func TestQuotaThatChanges(t *testing.T) {
	phases := []struct {
		what           string
		from, find, to int
		quota          float64
	}{{"steady", 0, 5, 35, 1000}, {"halved", 35, 3, 65, 500}, {"doubled", 65, 12, 105, 1000}}
	for _, form := range []string{liveTopic, snapshotTopic} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			found, kept := map[string]int{}, map[string]counts{}
			changes := map[int]counts{}
			drawn(t, func(t *testing.T) {
				table := newTable(8, 1000, 1)
				stop := start(t, 1, 4, table, backlog(form))
				time.Sleep(35 * time.Second)
				table.provision(500)
				time.Sleep(30 * time.Second)
				table.provision(1000)
				time.Sleep(40 * time.Second)
				stop()
				for _, c := range phases {
					found[c.what] += table.found(c.from, c.to, c.quota)
					kept[c.what] = kept[c.what].and(table.between(c.from+c.find, c.to))
				}
				for _, at := range []int{35, 65} {
					changes[at] = changes[at].and(table.between(at, at+30))
				}
			})
			for _, c := range phases {
				require.LessOrEqual(t, found[c.what], draws*c.find, "%s: seconds to find it", c.what)
				require.GreaterOrEqual(t, kept[c.what].units, draws*leastUsed*c.quota*float64(c.to-c.from-c.find), c.what)
				require.LessOrEqual(t, kept[c.what].throttled(), mostThrottled, c.what)
			}
			for at, c := range changes {
				require.LessOrEqual(t, c.throttled(), mostThrottled, "with the change itself, after second %d", at)
			}
		})
	}
}

// On demand, a table has no quota but those of its partitions, which become more.
func TestOnDemandTableThatGrows(t *testing.T) {
	t.Parallel()
	var before, after, change counts
	drawn(t, func(t *testing.T) {
		table := newTable(2, 0, 0)
		stop := start(t, 1, 4, table, backlog(snapshotTopic))
		time.Sleep(20 * time.Second)
		table.split()
		time.Sleep(30 * time.Second)
		stop()
		before, after, change = before.and(table.between(5, 20)), after.and(table.between(35, 50)), change.and(table.between(20, 50))
	})
	require.GreaterOrEqual(t, before.units, draws*leastUsed*2000*15)
	require.LessOrEqual(t, before.throttled(), mostThrottled)
	require.GreaterOrEqual(t, after.units, draws*leastUsed*4000*15)
	require.LessOrEqual(t, change.throttled(), mostThrottled)
}

// One row in ten goes to one partition, more than it takes: the others keep their rate, and the partition is used in full.
func TestHotRangeSlowsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := newTable(32, 0, 0)
		const hot, share, offered = 1 << 59, 0.1, 12_000.0
		began, inHot := time.Now(), 0
		table.see = func(hash uint64) {
			if hash < hot && time.Since(began) >= 5*time.Second && time.Since(began) < 10*time.Second {
				inHot++
			}
		}
		stop := start(t, 2, 4, table, map[string]topic{liveTopic: {rate: offered / 8, padding: 300, hash: func(r *rand.Rand) uint64 {
			if r.Float64() < share {
				return r.Uint64() % hot
			}
			return hot + r.Uint64()%(1<<64-1-hot)
		}}})
		time.Sleep(10 * time.Second)
		stop()
		c := table.between(5, 10)
		require.GreaterOrEqual(t, c.units/5-float64(inHot)/5, 0.97*(1-share)*offered, "the others")
		require.GreaterOrEqual(t, float64(inHot)/5, leastUsed*partitionUnits, "the hot one")
		require.LessOrEqual(t, float64(c.refused[fault.RangeThrottled])/float64(c.rows), share, "a row is tried again now and then, not all the time")
		require.Zero(t, c.refused[fault.TableThrottled])
	})
}

// While a backlog of the snapshot takes all that the table gives, a live change waits for a call or two, not for its turn.
func TestLiveGoesFirstWhenWritesAreScarce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := newTable(4, 300, 1)
		topics := backlog(snapshotTopic)
		topics[liveTopic] = topic{rate: 25, padding: 300, hash: anywhere}
		stop := start(t, 1, 4, table, topics)
		time.Sleep(60 * time.Second)
		stop()
		waits := table.live[len(table.live)/6:]
		require.Greater(t, len(waits), 4000, "all of them")
		slices.Sort(waits)
		require.Less(t, waits[len(waits)/2], 200*time.Millisecond)
		require.Less(t, waits[len(waits)*99/100], time.Second)
		require.GreaterOrEqual(t, table.between(10, 60).units, leastUsed*300*50)
	})
}
