package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/demo"
)

// TestMain is the host too, for the tests that start one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const cityFile = "../../../testdata/cities.jsonl.gz"

// Each run counts what arrived, so that one round of few rows says that every side does its work.
func TestCommandsRun(t *testing.T) {
	require.NoError(t, demo.UseNoAccount())
	for name, run := range map[string]func(context.Context, io.Writer) error{
		"pairs":   (&pairsCommand{Rounds: 1, Rows: 300, Cities: cityFile, Format: "markdown"}).Run,
		"scale":   (&scaleCommand{Rounds: 1, Rows: 300, Cities: cityFile, Latency: time.Millisecond, InFlight: 2}).Run,
		"latency": (&latencyCommand{Changes: 3, Every: time.Millisecond, Cities: cityFile}).Run,
		"hot key": (&hotKeyCommand{Rounds: 1, Rows: 300, Cities: cityFile}).Run,
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, run(t.Context(), &out))
			require.Greater(t, strings.Count(out.String(), "\n"), 2, "a table with rows")
		})
	}
}

func TestUnknownPair(t *testing.T) {
	_, err := choose([]string{"capture", "nothing"})
	require.ErrorContains(t, err, `there is no pair "nothing"`)
}
