package assembly

import (
	"os"
	"runtime/debug"

	"github.com/crossfadedb/crossfade/internal/migration"
)

const (
	snapshotBase = 64 << 20 // connections, compressors, requests
	snapshotPage = 4 << 20  // a page of about 1 MB, more as JSON, its records, and what the collector has yet to take
)

// SnapshotMemory is what the configuration lets a snapshot worker need, in bytes.
func SnapshotMemory(c *migration.Config) int64 {
	return snapshotBase + int64(c.Snapshot.AtOnce)*int64(c.Snapshot.PagesInFlight)*snapshotPage
}

// LimitMemory makes the collector keep this process, which does nothing else, within bytes as long as what is alive allows
// it. By itself the collector lets the heap grow to twice what is alive, and on a busy machine it comes late. GOMEMLIMIT
// has precedence.
func LimitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
