package assembly

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/migration"
)

func TestLimitMemory(t *testing.T) {
	const ask = -1 // it changes nothing
	before := debug.SetMemoryLimit(ask)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	c := &migration.Config{}
	c.Snapshot.AtOnce, c.Snapshot.PagesInFlight = 8, 4 // the defaults
	bytes := SnapshotMemory(c)
	require.EqualValues(t, 192<<20, bytes)
	t.Setenv("GOMEMLIMIT", "1GiB")
	LimitMemory(bytes)
	require.Equal(t, before, debug.SetMemoryLimit(ask), "the operator has decided")
	t.Setenv("GOMEMLIMIT", "")
	LimitMemory(bytes)
	require.Equal(t, bytes, debug.SetMemoryLimit(ask))
}
