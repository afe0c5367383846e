package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// asWorker makes the test binary act as the worker that its arguments name.
const asWorker = "CROSSFADE_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) == "1" {
		os.Exit(work(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// self is the command of this binary as a worker.
func self(arguments ...string) []string {
	executable, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{"/usr/bin/env", asWorker + "=1", executable}, arguments...)
}

// work is what a worker process does; it returns the exit status.
func work(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch arguments[0] {
	case "sleep": // until it is told to stop
		fmt.Fprintln(os.Stderr, "sleeping")
		<-ctx.Done()
		fmt.Fprintln(os.Stderr, "stopped")
	case "stubborn": // until it is killed
		signal.Ignore(syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "sleeping")
		time.Sleep(time.Hour)
	case "fail":
		err = fmt.Errorf("it is broken")
	case snapshotWorker, streamerWorker:
		err = workOn(ctx, arguments)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func workOn(ctx context.Context, arguments []string) error {
	config, err := migration.Load(arguments[slices.Index(arguments, "-f")+1])
	if err != nil {
		return err
	}
	o := assembly.WorkerOptions{
		Capture: true, Apply: true, Naive: slices.Contains(arguments, "--naive"), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if arguments[0] == snapshotWorker {
		return assembly.Snapshot(ctx, config, o)
	}
	return assembly.Streamer(ctx, config, o)
}
