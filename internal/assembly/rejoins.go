package assembly

import (
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

// staleApart is how many graces must lie between two times that a worker joins again because its watch was stale. One
// that cannot keep a watch fresh is not helped by it: the connection, or the machine, is too slow for the grace.
const staleApart = 4

// rejoins decides whether a worker joins again.
type rejoins struct {
	apart time.Duration
	last  time.Time // when it last did; zero when it never has
}

// after reports whether the worker may join again after this error: once, and then not for a while.
func (r *rejoins) after(err error) bool {
	if !checkpoint.Stale(err) || !r.last.IsZero() && time.Since(r.last) < r.apart {
		return false
	}
	r.last = time.Now()
	return true
}
