package demo

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hung is how long anything may take before it counts as something that will never end.
const hung = 5 * time.Minute

// soon waits for something that other processes do.
func soon(t *testing.T, reached func() bool) {
	t.Helper()
	require.Eventually(t, reached, hung, 5*time.Millisecond)
}

func start(t *testing.T, argv ...string) *Process {
	t.Helper()
	p, err := StartProcess("worker", argv, []string{asWorker + "=1"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

func TestProcessStops(t *testing.T) {
	p := start(t, self("sleep")...)
	soon(t, func() bool { return p.Log() == "sleeping\n" })
	ended, err := p.Ended()
	require.False(t, ended)
	require.NoError(t, err)
	require.NoError(t, p.Stop(hung))
	ended, err = p.Ended()
	require.True(t, ended)
	require.NoError(t, err)
	require.Equal(t, "sleeping\nstopped\n", p.Log())
	require.NoError(t, p.Stop(hung), "again")
	require.NoError(t, p.Kill(), "one that has ended")
}

func TestProcessIsKilled(t *testing.T) {
	p := start(t, self("sleep")...)
	soon(t, func() bool { return p.Log() != "" })
	require.NoError(t, p.Kill())
	ended, err := p.Ended()
	require.True(t, ended)
	require.ErrorContains(t, err, "killed")
	require.NotContains(t, p.Log(), "stopped")
}

func TestProcessThatDoesNotStopIsKilled(t *testing.T) {
	p := start(t, self("stubborn")...)
	soon(t, func() bool { return p.Log() != "" })
	require.ErrorContains(t, p.Stop(time.Millisecond), "did not end within 1ms")
	ended, err := p.Ended()
	require.True(t, ended)
	require.Error(t, err)
	require.Contains(t, p.Log(), "goroutine ", "it has left its stacks")
}

func TestProcessFails(t *testing.T) {
	p := start(t, self("fail")...)
	soon(t, func() bool { ended, _ := p.Ended(); return ended })
	_, err := p.Ended()
	require.ErrorContains(t, err, "exit status 1")
	require.ErrorContains(t, err, "it is broken")

	_, err = StartProcess("worker", []string{"/no/such/program"}, nil)
	require.ErrorContains(t, err, "start worker")
}

func TestTailIsTheEnd(t *testing.T) {
	var kept tail
	for i := range 400_000 {
		n, err := kept.Write([]byte(strconv.Itoa(100_000+i) + "\n"))
		require.NoError(t, err)
		require.Equal(t, 7, n)
	}
	require.Equal(t, "499998\n499999\n", kept.last(14))
	require.Len(t, kept.last(tailBytes), tailBytes)
	require.LessOrEqual(t, kept.buf.Len(), 2*tailBytes)
}

// newFleet is a fleet whose snapshot workers do one thing and whose streamers do another.
func newFleet(t *testing.T, snapshot, streamer string) *fleet {
	f := &fleet{argv: func(kind string) []string {
		return self(map[string]string{snapshotWorker: snapshot, streamerWorker: streamer}[kind])
	}}
	t.Cleanup(func() { require.NoError(t, f.abandon()) })
	return f
}

func TestFleetKillsAndStartsAgain(t *testing.T) {
	f := newFleet(t, "sleep", "sleep")
	require.NoError(t, f.start(snapshotWorker, 1))
	require.NoError(t, f.start(streamerWorker, 2))
	before := f.workers[1].Process
	for _, w := range f.workers {
		soon(t, func() bool { return w.Log() != "" })
	}
	name, err := f.kill(streamerWorker)
	require.NoError(t, err)
	require.Equal(t, "streamer 1", name)
	ended, _ := before.Ended()
	require.True(t, ended)
	soon(t, func() bool { return f.workers[1].Log() != "" })
	said, err := f.tend()
	require.NoError(t, err)
	require.Empty(t, said, "all three run")
	require.NoError(t, f.stop(hung))

	name, err = f.kill(snapshotWorker)
	require.NoError(t, err)
	require.Empty(t, name, "it has ended")
	dir := t.TempDir()
	require.NoError(t, f.writeLogs(dir))
	text, err := os.ReadFile(filepath.Join(dir, "streamer-2.log"))
	require.NoError(t, err)
	require.Equal(t, "sleeping\nstopped\n", string(text))
}

func TestFleetTends(t *testing.T) {
	f := newFleet(t, "nothing", "fail")
	require.NoError(t, f.start(snapshotWorker, 1))
	require.NoError(t, f.start(streamerWorker, 1))
	failed, err := 0, error(nil)
	soon(t, func() bool {
		var said []string
		said, err = f.tend()
		for _, line := range said {
			require.True(t, strings.HasPrefix(line, "streamer 1 has stopped itself"), line)
			require.Contains(t, line, "it is broken")
			failed++
		}
		return err != nil
	})
	require.ErrorContains(t, err, "it is broken")
	require.Equal(t, maxRestarts, failed)
	require.Zero(t, f.workers[0].restarts, "a snapshot worker may end")
}

func TestFleetDoesNotForgiveAStreamerThatEnds(t *testing.T) {
	f := newFleet(t, "nothing", "nothing")
	require.NoError(t, f.start(streamerWorker, 1))
	var err error
	soon(t, func() bool {
		_, err = f.tend()
		return err != nil
	})
	require.ErrorContains(t, err, "without being asked")
}

func TestFleetStartFails(t *testing.T) {
	f := &fleet{argv: func(string) []string { return []string{"/no/such/program"} }}
	require.Error(t, f.start(snapshotWorker, 1))
	require.Empty(t, f.workers)
	require.NoError(t, f.abandon())
}
