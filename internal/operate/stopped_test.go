package operate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
)

func TestStatusTellsGapsFromShardsThatAreTriedAgain(t *testing.T) {
	r := readingOf(t, apply.FromStream)
	r.stream = []capture.Shard{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}
	r.shards = map[string]checkpoint.ShardFact{
		"a": {Shard: "a", Gap: "a has lost something", Stopped: "long ago"},
		"b": {Shard: "b", Stopped: "b is not understood"},
		"c": {Shard: "c", Done: true},
		"d": {Shard: "d"},
	}
	c := r.fold().Capture
	require.Equal(t, []string{"a has lost something"}, c.Gaps)
	require.Equal(t, []string{"b is not understood"}, c.Stopped)
	require.Equal(t, 3, c.Shards)
}
