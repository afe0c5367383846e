package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilSignalled returns a context that the first SIGINT, SIGTERM or SIGHUP ends. Then a second SIGINT or SIGTERM has its
// usual effect; a second SIGHUP has none, for the kernel and the shell may each send one when a terminal goes away. A
// process that was started with SIGHUP ignored, as by nohup, goes on ignoring it. Without SIGPIPE, a process whose log's
// reader has gone away goes on: a worker drains only when it is asked to.
func untilSignalled() (ctx context.Context, stop context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// A hangup that somebody is told of kills nothing. To ignore it from the first one on would leave a moment in which it
	// is neither told nor ignored, and the second one would kill.
	unheard := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
		signal.Notify(unheard, syscall.SIGHUP)
	}
	ctx, release := signal.NotifyContext(context.Background(), signals...)
	unused := context.AfterFunc(ctx, release)
	return ctx, func() {
		if unused() {
			release()
			signal.Stop(unheard)
		}
	}
}

// output is standard output, whose reader may have seen enough.
type output struct{ io.Writer }

// Write implements io.Writer. Its error is an *unreadError when nobody reads any more.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = &unreadError{err}
	}
	return n, err
}

// unreadError says that standard output's reader has gone away.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return e.err.Error() }

func (e *unreadError) Unwrap() error { return e.err }
