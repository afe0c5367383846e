package dynamodb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRowsModel compares rows with a sorted slice over random writes and removals.
func TestRowsModel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	var r rows
	model := map[place]*row{}
	for step := range 20_000 {
		p := place{hash: hashOf(fmt.Sprint(random.IntN(40))), partition: "p", sort: fmt.Sprint(random.IntN(100))}
		old := r.get(p)
		require.Same(t, model[p], old)
		if random.IntN(3) > 0 {
			n := &row{place: p, size: step}
			r.put(n, old)
			model[p] = n
		} else if old != nil {
			r.remove(old)
			delete(model, p)
		}
	}
	want := make([]*row, 0, len(model))
	bytes := 0
	for _, row := range model {
		want = append(want, row)
		bytes += row.size
	}
	slices.SortFunc(want, func(a, b *row) int { return a.compare(b.place) })
	require.Equal(t, []int{len(want), bytes}, []int{r.count, r.bytes})
	for i := 0; i < len(want); i += 37 {
		var up, down []*row
		r.ascend(want[i].place, func(row *row) bool { up = append(up, row); return true })
		r.descend(want[i].place, func(row *row) bool { down = append(down, row); return true })
		slices.Reverse(down)
		require.Equal(t, want, append(down, up...))
	}
}

func TestSegmentsCoverTheHashSpace(t *testing.T) {
	t.Parallel()
	for _, total := range []int{1, 2, 3, 7, 64, 1000, 999_999, 1_000_000} {
		for _, segment := range []int{0, total / 3, total / 2, total - 1} {
			start := segmentStart(segment, total)
			require.Equal(t, segment, segmentOf(start, total))
			if start > 0 {
				require.Equal(t, segment-1, segmentOf(start-1, total))
			}
		}
	}
}

func BenchmarkRowsPut(b *testing.B) {
	var r rows
	for i := 0; b.Loop(); i++ {
		p := place{hash: hashOf(fmt.Sprint(i % 3)), sort: fmt.Sprint(i)}
		r.put(&row{place: p}, r.get(p))
	}
}
