package fault

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATallySaysEachKindOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lines := map[string][]string{}
		tally := NewTally(func(kind string, count int, example int) {
			lines[kind] = append(lines[kind], fmt.Sprintf("%s: %d, as %d", time.Since(began), count, example))
		})
		for n := range 150 {
			tally.Add("too large", n)
			if n%50 == 0 {
				tally.Add("undecodable", n)
			}
			time.Sleep(900 * time.Millisecond) // so that none comes in the moment of a line
		}
		time.Sleep(time.Hour - time.Since(began))
		tally.Add("too large", 1000)
		tally.Add("too large", 1001)
		tally.Add("too large", 1002)
		require.NoError(t, tally.Close())
		time.Sleep(time.Hour)
		tally.Add("too large", 2000)
		require.Equal(t, map[string][]string{
			"too large": {
				"0s: 1, as 0", "1m0s: 66, as 1", "2m0s: 67, as 67", "3m0s: 16, as 134",
				"1h0m0s: 1, as 1000", "1h0m0s: 2, as 1001", "2h0m0s: 1, as 2000",
			},
			"undecodable": {"0s: 1, as 0", "1m0s: 1, as 50", "2m0s: 1, as 100"},
		}, lines)
	})
}
