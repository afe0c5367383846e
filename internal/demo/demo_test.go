package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The whole demonstration takes most of a minute, so it runs only where CROSSFADE_DEMO is the number of items.
func TestRun(t *testing.T) {
	items, _ := strconv.Atoi(os.Getenv("CROSSFADE_DEMO"))
	if items == 0 {
		t.Skip("set CROSSFADE_DEMO to the number of items")
	}
	worker := func(kind string) []string { return self(kind) }
	for _, naive := range []bool{false, true} {
		t.Run(map[bool]string{false: "Crossfade", true: "Naive"}[naive], func(t *testing.T) {
			var out bytes.Buffer
			report, err := Run(t.Context(), Options{
				Items: items, Seed: 1, Naive: naive, JSON: true, Stdout: &out, Stderr: t.Output(), Worker: worker,
			})
			require.NoError(t, err)
			require.Equal(t, naive, !report.OK(), "%+v", report)
			require.Len(t, report.Killed, 2)
			require.Positive(t, report.Changes)
			var printed Report
			require.NoError(t, json.Unmarshal(out.Bytes(), &printed))
			require.Equal(t, report, printed)
			t.Logf("%s", out.String())
		})
	}
}

func TestOptions(t *testing.T) {
	o, err := Options{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, 50_000, o.Items)
	require.Equal(t, 500, o.Rate)
	argv := o.Worker(streamerWorker)
	require.Equal(t, []string{"worker", "streamer"}, argv[1:])
	for _, bad := range []Options{{Items: -1}, {Rate: -1}} {
		_, err := Run(t.Context(), bad)
		require.ErrorContains(t, err, "must be positive")
	}
}

// A worker that cannot even start ends the demonstration, with its log, and leaves nothing running.
func TestRunWithBrokenWorkers(t *testing.T) {
	for name := range environment {
		t.Setenv(name, "")
	}
	t.Setenv("TMPDIR", t.TempDir())
	var lines bytes.Buffer
	report, err := Run(t.Context(), Options{
		Items: 100, Stderr: &lines, Worker: func(string) []string { return self("fail") },
	})
	require.ErrorContains(t, err, "it is broken")
	require.False(t, report.OK())
	logs, err := filepath.Glob(os.Getenv("TMPDIR") + "/crossfade-demo-*/*.log")
	require.NoError(t, err)
	require.Len(t, logs, 4)
	require.Contains(t, lines.String(), "the workers' logs are in "+filepath.Dir(logs[0]))
}

func TestRunIsInterrupted(t *testing.T) {
	for name := range environment {
		t.Setenv(name, "")
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Items: 100, Worker: func(string) []string {
		cancel()
		return self("sleep")
	}})
	require.ErrorIs(t, err, context.Canceled)
}
