// Tally runs the parts of `make test` again and again, beside other work if that is asked for, and counts which tests fail
// in how many of the runs: a test that fails by luck is a defect, and one run does not show it. It prints what failed and
// how long each part took, keeps what the runs with failures have written, and ends with status 1 if there was one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"
)

type command struct {
	Parts []string `arg:"" help:"Parts of make test: packages, model, sim, race, replay, e2e."`
	Runs  int      `default:"20" help:"How often each of them is run."`
	Load  int      `default:"0" help:"How many busy loops run beside them."`
	Keep  string   `help:"The folder for what runs with failures have written; one for temporary files if empty."`
	Flags string   `help:"More flags for go test."`
}

func main() {
	c := &command{}
	kong.Parse(c, kong.Name("tally"), kong.Description("Runs tests again and again, and counts which of them fail."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := c.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
}

func (c *command) run(ctx context.Context) error {
	if c.Keep == "" { // it stays empty where nothing fails
		dir, err := os.MkdirTemp("", "crossfade-tally")
		if err != nil {
			return err
		}
		c.Keep = dir
	} else if err := os.MkdirAll(c.Keep, 0o750); err != nil {
		return err
	}
	t := newTally()
	loaded, unload := context.WithCancel(ctx)
	burning := burn(loaded, c.Load)
	err := c.repeat(ctx, t)
	unload()
	burning()
	fmt.Print(t.table())
	switch {
	case err != nil:
		return err
	case t.failures() > 0:
		return fmt.Errorf("there were failures; what those runs have written is in %s", c.Keep)
	}
	return nil
}

// repeat does the runs, each with all the parts.
func (c *command) repeat(ctx context.Context, t *tally) error {
	for n := range c.Runs {
		for _, part := range c.Parts {
			began := time.Now()
			output := filepath.Join(c.Keep, fmt.Sprintf("%s-%02d.txt", part, n+1))
			r, err := c.once(ctx, part, output)
			if ctx.Err() != nil {
				return errors.New("interrupted") // what it came to says nothing
			}
			if err != nil {
				return err
			}
			r.took = time.Since(began)
			t.add(r)
			fmt.Fprintf(os.Stderr, "run %d of %d: %s: %s, %d failed\n", n+1, c.Runs, part, r.took.Round(time.Second), len(r.failed))
			if len(r.failed) > 0 {
				continue
			}
			if err := os.Remove(output); err != nil {
				return err
			}
		}
	}
	return nil
}
