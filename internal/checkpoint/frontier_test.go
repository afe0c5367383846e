package checkpoint

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Invariant 2: whatever order the work ends in, the frontier is the end of the contiguous run of finished steps.
func TestFrontierIsContiguous(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var passed []int
		f := Frontier[int]{Passed: func(p int) { passed = append(passed, p) }}
		_, ok := f.Position()
		require.False(t, ok)

		total := 1 + rng.IntN(400)
		var under []int
		steps, done := map[int]*Step[int]{}, map[int]bool{}
		for begun := 0; begun < total || len(under) > 0; {
			if begun < total && (len(under) == 0 || rng.IntN(2) == 0) {
				steps[begun] = f.Begin(begun)
				under = append(under, begun)
				begun++
				continue
			}
			i := rng.IntN(len(under))
			n := under[i]
			under = append(under[:i], under[i+1:]...)
			before, had := f.Position()
			moved := f.Done(steps[n])
			done[n] = true
			want := -1
			for done[want+1] {
				want++
			}
			got, ok := f.Position()
			require.Equal(t, want >= 0, ok)
			if ok {
				require.Equal(t, want, got)
			}
			require.Equal(t, !had && ok || had && got > before, moved)
			require.Equal(t, begun-want-1, f.Pending())
		}
		require.Len(t, passed, total)
		for i, p := range passed {
			require.Equal(t, i, p)
		}
	}
}

func TestFrontierDoneTwice(t *testing.T) {
	var f Frontier[string]
	a, b := f.Begin("a"), f.Begin("b")
	require.False(t, f.Done(b))
	require.True(t, f.Done(a))
	require.False(t, f.Done(a))
	require.False(t, f.Done(b))
	position, _ := f.Position()
	require.Equal(t, "b", position)
	require.Zero(t, f.Pending())
}
