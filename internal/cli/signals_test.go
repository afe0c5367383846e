//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// child is a process that a test started, and its three pipes.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	pipe   io.Closer // the reading end of stdout
}

// launch runs this binary as process, by a shell that does something first.
func launch(t *testing.T, first string, stderr io.Writer, args ...string) *child {
	t.Helper()
	// A signal that is handled here has its usual effect in a child, also when these tests run under nohup.
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(handled) })
	self, err := os.Executable()
	require.NoError(t, err)
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", first + ` exec "$0" "$@"`, self}, args...)...)}
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), asProcess+"=1"), stderr
	c.stdin, err = c.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	c.stdout, c.pipe = bufio.NewReader(stdout), stdout
	require.NoError(t, c.cmd.Start())
	return c
}

// says requires the next line of standard output.
func (c *child) says(want string) {
	c.t.Helper()
	line, err := c.stdout.ReadString('\n')
	require.NoError(c.t, err)
	require.Equal(c.t, want+"\n", line)
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

// tell writes a line to standard input; empty is its end.
func (c *child) tell(line string) {
	c.t.Helper()
	if line == "" {
		require.NoError(c.t, c.stdin.Close())
		return
	}
	_, err := io.WriteString(c.stdin, line+"\n")
	require.NoError(c.t, err)
}

func TestHangupDrains(t *testing.T) {
	for _, again := range []bool{false, true} {
		var stderr bytes.Buffer
		c := launch(t, "", &stderr, "worker")
		c.says("working; hangups are ignored: false")
		c.tell("go on")
		c.signal(syscall.SIGHUP)
		c.says("draining")
		if again {
			c.signal(syscall.SIGHUP) // the shell's, after the kernel's
		}
		c.tell("")
		c.says("drained")
		require.NoError(t, c.cmd.Wait(), stderr.String())
	}
}

func TestNohupIsRespected(t *testing.T) {
	var stderr bytes.Buffer
	c := launch(t, `trap "" HUP;`, &stderr, "worker")
	c.says("working; hangups are ignored: true")
	c.tell("")
	c.signal(syscall.SIGHUP)
	c.signal(syscall.SIGTERM)
	c.says("draining")
	c.says("drained")
	require.NoError(t, c.cmd.Wait(), stderr.String())
}

// The reader of the log goes away: the worker goes on, and drains when it is asked to.
func TestAWorkerSurvivesTheReaderOfItsLog(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	c := launch(t, "", write, "worker")
	require.NoError(t, write.Close())
	c.says("working; hangups are ignored: false")
	require.NoError(t, read.Close())
	for range 3 {
		c.tell("log")
		c.says("logged")
	}
	c.tell("")
	c.signal(syscall.SIGTERM)
	c.says("draining")
	c.says("drained")
	require.NoError(t, c.cmd.Wait())
}

// The reader of the output goes away: the command ends, without a word and not with success.
func TestACommandEndsWithTheReaderOfItsOutput(t *testing.T) {
	var stderr bytes.Buffer
	c := launch(t, "", &stderr, "print")
	c.says("a line")
	require.NoError(t, c.pipe.Close())
	var exit *exec.ExitError
	require.ErrorAs(t, c.cmd.Wait(), &exit)
	require.Equal(t, Failed, exit.ExitCode(), exit.String())
	require.Empty(t, stderr.String())
}
