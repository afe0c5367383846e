package assembly

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

func TestStatusTellsGapsFromShardsThatAreTriedAgain(t *testing.T) {
	c := captureStatus(map[string]checkpoint.ShardFact{
		"a": {Shard: "a", Gap: "a has lost something", Stopped: "long ago"},
		"b": {Shard: "b", Stopped: "b is not understood"},
		"c": {Shard: "c", Done: true},
		"d": {Shard: "d"},
	}, time.Now())
	require.Equal(t, []string{"a has lost something"}, c.Gaps)
	require.Equal(t, []string{"b is not understood"}, c.Stopped)
	require.Equal(t, 3, c.Shards)
}
