package pace_test

import (
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/pace"
)

// A pace begins without a bound. The first throttled call sets one, just below what the table has taken.
func ExamplePace() {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	p := pace.New(0, 0.25, now)
	fmt.Println("before:", p.Wait(now))

	began := now
	now = now.Add(time.Second)
	p.Answered(began, 25, 0, 1000, now) // a call of 25 rows that took 1000 units
	p.Throttled(began, now)
	p.Spend(970) // what the bound, 97% of 1000 units a second, gives in a second
	fmt.Println("after:", p.Wait(now).Round(100*time.Millisecond))
	// Output:
	// before: 0s
	// after: 1s
}
