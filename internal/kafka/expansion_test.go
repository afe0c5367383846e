package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpansionLearns(t *testing.T) {
	const maxBytes = 1 << 20
	var e expansion
	// settle lets answers come that grow by a factor, from a log without an end.
	settle := func(factor int) int {
		for range 2 * maxDoublings {
			asked := e.ask(maxBytes)
			taken := min(asked*factor, maxExpansion*maxBytes)
			e.learn(asked, maxBytes, taken, asked*factor > maxExpansion*maxBytes)
		}
		return e.ask(maxBytes) * factor
	}
	require.Equal(t, maxBytes>>maxDoublings, e.ask(maxBytes), "it begins with little")
	for _, factor := range []int{2, 100, 5, 30} {
		require.InDelta(t, maxExpansion*maxBytes/2, settle(factor), maxExpansion*maxBytes/2, "factor %d", factor)
	}
	settle(100)
	before := e.ask(maxBytes)
	e.learn(before, maxBytes, before/2, false)
	require.Equal(t, before, e.ask(maxBytes), "the small rest of a log says nothing")
	require.Equal(t, 100, e.ask(100), "never more than may be returned")
}
