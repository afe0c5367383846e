package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// The stream is turned off while the application goes on: what it changes then is in no stream. Capture stops shard by
// shard and says so, and the streamers go on; a restart begins a new generation, which they join by themselves, and which
// finds the rows that were deleted meanwhile.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "segments: 64")
	rows := readCities(t, 4000)
	w.load(rows)
	w.create(operate.CreateOptions{EnableStream: true})
	w.start("snapshot", 1)
	w.start("streamer", 2)
	app := &demo.Application{Rows: rows, Table: w.table(w.old), Seed: 5, Rate: 100}
	require.NoError(t, app.Run(t.Context(), 300))
	w.closed()
	w.quiet()

	_, err := w.old.SDK().UpdateTable(t.Context(), &sdk.UpdateTableInput{
		TableName: new(w.old.Name()), StreamSpecification: &types.StreamSpecification{StreamEnabled: new(false)},
	})
	require.NoError(t, err)
	app.Rate = 1000
	require.NoError(t, app.Run(t.Context(), 1500))
	w.until("the gap to be found", func(s *operate.Status) bool { return len(s.Capture.Gaps) > 0 })
	w.untilSaid("streamer", "the stream has a gap")

	restart := func(flags ...string) (string, error) {
		out, err := exec.Command(filepath.Join(bin, "crossfade"), append([]string{"restart", "-f", w.file}, flags...)...).CombinedOutput()
		return string(out), err
	}
	out, err := restart()
	require.Error(t, err, out)
	require.Contains(t, out, "--enable-stream", "it says what to do")
	out, err = restart("--enable-stream")
	require.NoError(t, err, out)
	w.start("snapshot", 1) // the streamers are there
	app.Rate = 100
	require.NoError(t, app.Run(t.Context(), 300))
	w.until("the rows that vanished to be marked", func(s *operate.Status) bool {
		return s.Generation == 2 && s.Phase == checkpoint.Streaming
	})
	w.quiet()
	w.equal(app.Deleted, -1)
	w.sweep(operate.SweepOptions{})
	w.equal(app.Deleted, 0)
}

// untilSaid waits until a worker of a binary has logged this; all of them go on.
func (w *world) untilSaid(binary, text string) {
	w.t.Helper()
	deadline := time.Now().Add(hung)
	for {
		said := false
		for _, p := range w.workers {
			if filepath.Base(p.argv[0]) != binary {
				continue
			}
			ended, err := p.Ended()
			require.False(w.t, ended, "%s has ended: %v", p.Name, err)
			said = said || strings.Contains(p.Log(), text)
		}
		if said {
			return
		}
		require.True(w.t, time.Now().Before(deadline), "no %s says %q", binary, text)
		time.Sleep(200 * time.Millisecond)
	}
}
