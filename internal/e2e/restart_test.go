package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/demo"
)

// The stream is turned off while the application goes on: what it changes then is in no stream. Capture stops and says
// so; a restart begins a new generation, which finds the rows that were deleted meanwhile.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "snapshot: {segments: 64}\n")
	rows := readCities(t, 4000)
	w.load(rows)
	w.create(assembly.CreateOptions{EnableStream: true})
	w.start("snapshot", 1)
	w.start("streamer", 2)
	app := &demo.Application{Rows: rows, Table: w.table(w.old), Seed: 5, Rate: 100}
	require.NoError(t, app.Run(t.Context(), 300))
	w.closed(2 * time.Minute)
	w.quiet(time.Minute)

	_, err := w.old.SDK().UpdateTable(t.Context(), &sdk.UpdateTableInput{
		TableName: new(w.old.Name()), StreamSpecification: &types.StreamSpecification{StreamEnabled: new(false)},
	})
	require.NoError(t, err)
	app.Rate = 1000
	require.NoError(t, app.Run(t.Context(), 1500))
	w.untilEnded("streamer", "the stream has a gap", time.Minute)
	require.NotEmpty(t, w.status().Capture.Gaps)

	restart := func(flags ...string) (string, error) {
		out, err := exec.Command(filepath.Join(bin, "crossfade"), append([]string{"restart", "-f", w.file}, flags...)...).CombinedOutput()
		return string(out), err
	}
	out, err := restart()
	require.Error(t, err, out)
	require.Contains(t, out, "--enable-stream", "it says what to do")
	out, err = restart("--enable-stream")
	require.NoError(t, err, out)
	w.start("snapshot", 1)
	w.start("streamer", 2)
	app.Rate = 100
	require.NoError(t, app.Run(t.Context(), 300))
	w.until("the rows that vanished to be marked", 3*time.Minute, func(s *assembly.Status) bool {
		return s.Generation == 2 && s.Phase == checkpoint.Streaming
	})
	w.quiet(time.Minute)
	w.equal(app.Deleted, -1)
	w.sweep(assembly.SweepOptions{})
	w.equal(app.Deleted, 0)
}

// untilEnded waits until all workers of a binary have ended, each with an error that says this, and forgets them.
func (w *world) untilEnded(binary, says string, patience time.Duration) {
	w.t.Helper()
	kept := w.workers[:0]
	deadline := time.Now().Add(patience)
	for _, p := range w.workers {
		if filepath.Base(p.argv[0]) != binary {
			kept = append(kept, p)
			continue
		}
		for {
			ended, err := p.Ended()
			if ended {
				require.ErrorContains(w.t, err, says)
				break
			}
			require.True(w.t, time.Now().Before(deadline), "%s does not end:\n%s", p.Name, p.Log())
			time.Sleep(200 * time.Millisecond)
		}
	}
	w.workers = kept
}
