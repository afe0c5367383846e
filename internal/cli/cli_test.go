package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/build"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// app is a program with one command that ends as the test says.
type app struct {
	Version

	Work work `cmd:"" help:"Works."`
}

type work struct {
	Logging
	File
	ends error
}

func (w *work) Run(_ context.Context, streams Streams) error {
	fmt.Fprintln(streams.Stdout, "worked on", w.File.File)
	return w.ends
}

func run(a *app, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = Main("app", "For a test.", a, args, Streams{Stdout: &out, Stderr: &err})
	return status, out.String(), err.String()
}

func TestExitStatus(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"nothing":               {nil, Done},
		"any error":             {errors.New("broken"), Failed},
		"wrong use":             {&UsageError{"not so"}, Usage},
		"wrong file":            {&migration.Problems{List: []migration.Problem{{File: "m.yaml", Line: 1, Column: 2, Message: "bad"}}}, Usage},
		"wrong form":            {&operate.FormError{Command: "restart", From: "none"}, Usage},
		"another configuration": {fmt.Errorf("join: %w", &assembly.ConfigChangedError{Name: "orders"}), Usage},
		"outside":               {fmt.Errorf("join: %w", &fault.Error{Class: fault.Fatal, What: "ask", Err: errors.New("denied")}), Outside},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := run(&app{Work: work{ends: c.err}}, "work", "-f", "/m.yaml")
			require.Equal(t, c.want, status)
			require.Equal(t, "worked on /m.yaml\n", stdout)
			if c.err != nil {
				require.Equal(t, "app: "+c.err.Error()+"\n", stderr)
			}
		})
	}
	status, _, stderr := run(&app{Work: work{ends: &StatusError{Status: 1}}}, "work", "-f", "/m.yaml")
	require.Equal(t, 1, status)
	require.Empty(t, stderr, "it has said everything already")
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{}, {"sleep"}, {"work"}, {"work", "-f", "m.yaml", "more"}, {"work", "-f", "m.yaml", "--log-format", "xml"}, {"work", "--nonsense"},
	} {
		status, stdout, stderr := run(&app{}, args...)
		require.Equal(t, Usage, status, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, "Try 'app --help'.", args)
	}
	status, stdout, stderr := run(&app{}, "work", "--help")
	require.Equal(t, Done, status)
	require.Contains(t, stdout, "--log-format")
	require.Empty(t, stderr)
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"work", "--version"}} {
		status, stdout, stderr := run(&app{}, args...)
		require.Equal(t, Done, status)
		require.Equal(t, fmt.Sprintf("app %s (%s, %s/%s)\n", build.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH), stdout)
		require.Empty(t, stderr)
	}
}

func TestLogger(t *testing.T) {
	var out strings.Builder
	Logging{LogFormat: "json", LogLevel: "warn"}.Logger(&out).Info("quiet")
	require.Empty(t, out.String())
	Logging{LogFormat: "json", LogLevel: "warn"}.Logger(&out).Warn("loud")
	require.Contains(t, out.String(), `"msg":"loud"`)
	out.Reset()
	Logging{LogFormat: "text", LogLevel: "debug"}.Logger(&out).Debug("all")
	require.Contains(t, out.String(), "level=DEBUG msg=all")
}

// Where nobody watches, progress is a line now and then, and none while nothing changes.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logging := Logging{LogFormat: "text", LogLevel: "info"}
		err := Watched(Streams{Stderr: &out}, logging, func(_ *slog.Logger, show *operate.Show) error {
			require.Equal(t, linesEvery, show.Every)
			status := &operate.Status{Segments: operate.Done{Done: 3, Total: 64}, Rows: operate.Done{Done: 10, Total: 1000}, SnapshotLag: 7}
			for range 100 {
				show.Status(status)
				time.Sleep(time.Second)
			}
			require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
			require.Contains(t, out.String(), `segments="3 of 64" "rows published"="10 of 1000" "records applied"="0 of 7"`)
			for n := range 100 {
				status.Rows.Done = int64(n)
				show.Status(status)
				time.Sleep(time.Second)
			}
			require.Equal(t, 5, strings.Count(out.String(), "\n"), out.String())
			return errors.New("ended")
		})
		require.EqualError(t, err, "ended")
	})
}
