package apply

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
)

// The budget must count what a record really costs, or small rows take many times what the configuration allows.
func TestBudgetCountsWhatTheHeapHolds(t *testing.T) {
	for _, size := range []int{1, 100, 1000, 10_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const records = 10_000
			w := newWorld(t)
			r := New(w.config()).newRun(map[events.TopicPartition]Progress{snapshotAt(0): {}})
			p := r.partitions[0]
			before := heap()
			batch := Batch{Next: records}
			for n := range records {
				record := read(fmt.Sprintf("row-%06d", n), strings.Repeat("v", size))
				record.TopicPartition, record.Offset = p.id, int64(n)
				batch.Records = append(batch.Records, record)
			}
			counted := int64(0)
			for _, record := range batch.Records {
				counted += int64(record.Memory())
			}
			require.NoError(t, r.dispatch(t.Context(), p, events.NewDecoder(r.Schema), 0, batch))
			clear(batch.Records) // the fetcher keeps nothing of it
			held := heap() - before
			t.Logf("%d bytes a record are counted, and %d held", counted/records, held/records)
			require.LessOrEqual(t, held, counted)
			require.Less(t, counted, 3*held, "and not far more, or the budget is wasted")
			runtime.KeepAlive(r)
		})
	}
}

// heap is the bytes in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a pool keeps survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
