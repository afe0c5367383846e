package apply

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConcurrencyBeginsSmall(t *testing.T) {
	now := time.Unix(0, 0)
	c := newConcurrency(64)
	require.Equal(t, 4, c.calls())
	for range 60 {
		c.answered(false)
	}
	require.Equal(t, 64, c.calls(), "twice as many with each round of answers")
	few := newConcurrency(2)
	few.answered(false)
	require.Equal(t, 2, few.calls(), "never more than configured")

	for name, refuse := range map[string]func(c *concurrency){
		"throttled":  func(c *concurrency) { c.answered(true) },
		"unanswered": func(c *concurrency) { c.unanswered(now, now) },
	} {
		c := newConcurrency(64)
		for range 10 {
			c.answered(false)
		}
		refuse(&c)
		limit := c.limit
		for range int(limit) {
			c.answered(false)
		}
		require.InDelta(t, limit+1, c.limit, 0.1, "%s: from then on by one for each round", name)
	}
}
