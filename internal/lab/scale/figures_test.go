package scale

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// TestFigures prints the figures of docs/SCALE.md: `make scale`.
func TestFigures(t *testing.T) {
	if os.Getenv("CROSSFADE_SCALE") == "" {
		t.Skip("CROSSFADE_SCALE is not set")
	}
	fmt.Println("| table | workers | items | | quota, units/s | used, % | throttled, % | found after, s | times real time |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	const kilobyte = 900 // and the key
	for _, c := range []struct {
		workers, padding int
		quota, saves     float64
		form             string
	}{
		{1, kilobyte, 100, 1, snapshotTopic},
		{1, kilobyte, 1000, 1, snapshotTopic},
		{1, kilobyte, 1000, 1, liveTopic},
		{1, kilobyte, 500, 300, snapshotTopic},
		{4, kilobyte, 4000, 1, snapshotTopic},
		{16, 2500, 16_000, 1, snapshotTopic},
	} {
		t.Run(fmt.Sprintf("%d-%.0f-%.0f-%s", c.workers, c.quota, c.saves, c.form), func(t *testing.T) {
			provisioned(t, c.workers, c.padding, c.quota, c.saves, c.form)
		})
	}
	t.Run("on-demand", onDemand)
	t.Run("hot-range", hotRange)
	t.Run("scans", scans)
}

// provisioned is a table whose quota is halved and doubled.
func provisioned(t *testing.T, workers, padding int, quota, saves float64, form string) {
	const steady, changed = 60, 40
	began := time.Now()
	var rows []string
	synctest.Test(t, func(t *testing.T) {
		table := newTable(max(8, int(quota/250)), quota, saves)
		topics := backlog(form)
		topic := topics[form]
		topic.padding = padding
		topics[form] = topic
		first := max(10, int(3*saves)) // by then what was saved is used up
		stop := start(t, workers, 2, table, topics)
		time.Sleep(time.Duration(first+steady) * time.Second)
		table.provision(quota / 2)
		time.Sleep(changed * time.Second)
		table.provision(quota)
		time.Sleep(changed * time.Second)
		stop()
		name := fmt.Sprintf("provisioned, saves %.0f s | %d | %d KB, %s", saves, workers, (padding+500)/1000, form[len("orders."):])
		for i, w := range []struct {
			what     string
			from, to int
			quota    float64
		}{
			{fmt.Sprintf("the first %d s", first), 0, first, quota},
			{"steady", first, first + steady, quota},
			{"halved", first + steady, first + steady + changed, quota / 2},
			{"doubled", first + steady + changed, first + steady + 2*changed, quota},
		} {
			c := table.between(w.from, w.to)
			found := "–" // while it uses up what was saved
			if i > 0 {
				found = strconv.Itoa(table.found(w.from, w.to, w.quota))
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | %.0f | %.1f | %.2f | %s |", name, w.what, w.quota, 100*c.units/w.quota/float64(w.to-w.from),
				100*c.throttled(), found))
			name = "| |"
		}
	})
	speed := fmt.Sprintf(" %.0f", (max(10, 3*saves)+steady+2*changed)/time.Since(began).Seconds())
	for _, row := range rows {
		fmt.Println(row + speed + " |")
		speed = ""
	}
}

// onDemand is a table that begins with four partitions, each of which becomes two when it has refused in fifteen seconds.
func onDemand(t *testing.T) {
	fmt.Println("\n| on demand, minute | partitions | units/s, last 10 s | throttled, % |")
	fmt.Println("|---|---|---|---|")
	began := time.Now()
	const minutes = 8
	synctest.Test(t, func(t *testing.T) {
		table := newTable(4, 0, 0)
		table.splits = 15 * time.Second
		topics := backlog(snapshotTopic)
		topic := topics[snapshotTopic]
		topic.padding = 10_000
		topics[snapshotTopic] = topic
		stop := start(t, 4, 2, table, topics)
		for m := range minutes {
			before := len(table.partitions)
			time.Sleep(time.Minute)
			c := table.between(60*m, 60*m+60)
			if m < 2 || m%2 == 1 {
				fmt.Printf("| %d | %d – %d | %.0f of %d | %.2f |\n", m, before, len(table.partitions),
					table.between(60*m+50, 60*m+60).units/10, len(table.partitions)*partitionUnits, 100*c.throttled())
			}
		}
		stop()
	})
	fmt.Printf("\n%.0f times real time\n", minutes*60/time.Since(began).Seconds())
}

// hotRange is a table of 32 partitions of which one gets a tenth of the rows, for twenty seconds.
func hotRange(t *testing.T) {
	fmt.Println("\n| hot range, seconds | rows/s of the others | rows/s of the hot partition | throttled, % |")
	fmt.Println("|---|---|---|---|")
	synctest.Test(t, func(t *testing.T) {
		table := newTable(32, 0, 0)
		const hot, offered = 1 << 59, 12_000.0
		began, inHot := time.Now(), 0
		table.see = func(hash uint64) {
			if hash < hot {
				inHot++
			}
		}
		stop := start(t, 2, 4, table, map[string]topic{liveTopic: {rate: offered / 8, padding: 300, hash: func(r *rand.Rand) uint64 {
			if s := time.Since(began).Seconds(); s >= 10 && s < 20 && r.Float64() < 0.1 {
				return r.Uint64() % hot
			}
			return r.Uint64()
		}}})
		for s := 0; s < 40; s += 5 {
			inHot = 0
			time.Sleep(5 * time.Second)
			c := table.between(s, s+5)
			fmt.Printf("| %d – %d | %.0f | %.0f | %.2f |\n", s, s+5, c.units/5-float64(inHot)/5, float64(inHot)/5, 100*float64(c.refused[fault.RangeThrottled])/float64(c.rows))
		}
		stop()
	})
}
