package apply

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/crossfadedb/crossfade/internal/events"
)

// BenchmarkDispatch is the path of one row of 450 bytes from the fetched record to the writer's hands and back, without
// a table.
func BenchmarkDispatch(b *testing.B) {
	const batchOf = 500
	for _, form := range []string{"snapshot", "live"} {
		b.Run(form, func(b *testing.B) {
			w := newWorld(b)
			batch := Batch{}
			for n := range batchOf {
				name := fmt.Sprintf("customer-%08d", n)
				raw := fmt.Appendf(nil, `{"pk":{"S":%q},"total":{"N":"1234.56"},"paid":{"BOOL":true},"tags":{"SS":["a","b","c"]},"lines":{"L":[{"M":{"sku":{"S":"x"},"n":{"N":"2"}}}]},"note":{"S":"`, name)
				raw = append(append(raw, strings.Repeat("n", 450-len(raw)-3)...), `"}}`...)
				e := events.Event{Key: keyOf(name), Op: events.Write, Version: events.Version{Generation: 1}, Item: events.Item{Raw: raw}, Source: "0/1"}
				id := snapshotAt(0)
				if form == "live" {
					id, e.Version = liveAt(0), liveVersion(uint64(n))
				}
				batch.Records = append(batch.Records, in(id, int64(n), events.Encode(e)))
			}
			r := New(w.config()).newRun(map[events.TopicPartition]Progress{batch.Records[0].TopicPartition: {}})
			p, decoder := r.partitions[0], events.NewDecoder(schema)
			b.SetBytes(450)
			b.ReportAllocs()
			offset := int64(0)
			for n := 0; n < b.N; n += batchOf {
				for i := range batch.Records {
					batch.Records[i].Offset = offset + int64(i)
				}
				batch.Next = offset + batchOf
				if err := r.dispatch(b.Context(), p, decoder, offset, batch); err != nil {
					b.Fatal(err)
				}
				offset = batch.Next
				settleAll(b.Context(), r, batchOf)
			}
			if at, _ := p.uncommitted(); at.Offset != offset {
				b.Fatalf("done up to %d of %d", at.Offset, offset)
			}
		})
	}
}

// settleAll takes n jobs out of the lanes as applied.
func settleAll(ctx context.Context, r *run, n int) {
	for n > 0 {
		held := r.lanes.take(ctx)
		r.lanes.returned(held[0], answer{rows: len(held), written: float64(len(held))})
		for _, h := range held {
			r.succeed(h, Applied)
		}
		n -= len(held)
	}
}
