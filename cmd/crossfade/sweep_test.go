package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/sweep"
)

func TestTheSummaryOfASweepNamesEveryCount(t *testing.T) {
	var out strings.Builder
	names := migration.Attributes{Version: "v", Deleted: "d", Shard: "s", Tombstone: "t"}
	printSummary(&out, sweep.Summary{Removed: 1, Changed: 2, Tombstones: 3, OldShards: 4}, names)
	require.Equal(t, "markers removed 1, written again meanwhile 2; left: with attributes of the application 0, tombstones 3, of unknown shards 4\n", out.String())

	out.Reset()
	printSummary(&out, sweep.Summary{Updated: 7, PutBack: 6, UpdatedKeys: []events.Key{`{"pk":{"S":"a"}}`, `{"pk":{"S":"b"}}`}}, names)
	for _, want := range []string{
		"with attributes of the application 7,", "7 items with d were left", "(6 of them", "takes items with d for absent",
		"remove d, v, s and t from it", "if it is dead, delete it", "\n  {\"pk\":{\"S\":\"a\"}}\n  {\"pk\":{\"S\":\"b\"}}\n",
	} {
		require.Contains(t, out.String(), want)
	}
}

func TestASweepThatDidNotEndSaysWhy(t *testing.T) {
	require.NoError(t, sweepError(t.Context(), nil))
	broken := errors.New("broken")
	require.Equal(t, broken, sweepError(t.Context(), broken))

	_, wrongUse := errors.AsType[*cli.UsageError](sweepError(t.Context(), sweep.ErrFallbackReads))
	require.True(t, wrongUse)
	require.ErrorContains(t, sweepError(t.Context(), sweep.ErrFallbackReads), "--fallback-reads-off")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt"))
	err := sweepError(ctx, context.Cause(ctx))
	require.ErrorContains(t, err, "interrupt")
	require.ErrorContains(t, err, "the next sweep begins anew")
	require.NoError(t, sweepError(ctx, nil), "it came to its end all the same")
}
