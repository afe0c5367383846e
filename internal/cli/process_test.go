package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// process is a program whose commands the tests of signals and of closed pipes run as processes of their own.
type process struct {
	Worker workerProcess `cmd:""`
	Print  printProcess  `cmd:""`
}

// workerProcess works until it is told to end, and drains until its standard input ends. It logs when it is told to by
// a line of that.
type workerProcess struct{ Logging }

// Run is called by the flags' parser.
func (c *workerProcess) Run(ctx context.Context, streams Streams) error {
	logger := c.Logger(streams.Stderr)
	fmt.Fprintln(streams.Stdout, "working; hangups are ignored:", signal.Ignored(syscall.SIGHUP))
	lines := bufio.NewReader(os.Stdin)
	for ctx.Err() == nil {
		if line, err := lines.ReadString('\n'); err != nil || line != "log\n" {
			break
		}
		for range 100 {
			logger.Info("a line")
		}
		fmt.Fprintln(streams.Stdout, "logged")
	}
	<-ctx.Done()
	fmt.Fprintln(streams.Stdout, "draining")
	_, err := io.Copy(io.Discard, lines)
	fmt.Fprintln(streams.Stdout, "drained")
	return err
}

// printProcess prints until nobody reads.
type printProcess struct{}

// Run is called by the flags' parser.
func (printProcess) Run(_ context.Context, streams Streams) error {
	for {
		if _, err := fmt.Fprintln(streams.Stdout, "a line"); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
}
