// Proof searches further than `make test` has the time for: larger scopes of the model, thousands of simulated migrations,
// all rows, more minutes of torture, and every mutant. It says in the end what it has covered. What each part writes is kept in a
// folder; a part that fails does not keep the others from running, and the exit status is 1 then.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type command struct {
	Seeds     int           `default:"2000" help:"How many migrations are simulated."`
	RaceSeeds int           `default:"200" help:"How many of them with the race detector."`
	Torture   time.Duration `default:"10m" help:"How long the faults of the torture go on."`
	Only      []string      `help:"Only the parts with these names."`
	Keep      string        `help:"The folder for what the parts write; one for temporary files if empty."`
}

func main() {
	c := &command{}
	kong.Parse(c, kong.Name("proof"), kong.Description("Searches further than the tests, and says what it has covered."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := c.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func (c *command) run(ctx context.Context) error {
	if c.Keep == "" {
		dir, err := os.MkdirTemp("", "crossfade-proof")
		if err != nil {
			return err
		}
		c.Keep = dir
	}
	if err := os.MkdirAll(c.Keep, 0o750); err != nil {
		return err
	}
	fmt.Println("what the parts write is kept in", c.Keep)
	parts, err := chosen(c.parts(), c.Only)
	if err != nil {
		return err
	}
	var results []result
	for _, p := range parts {
		r, err := c.part(ctx, p)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			return err
		}
		results = append(results, r)
		fmt.Printf("%s: %s, %s\n", p.name, r.outcome(), r.took.Round(time.Second))
	}
	fmt.Print("\n", table(results))
	if failed := slices.DeleteFunc(results, func(r result) bool { return r.err == nil }); len(failed) > 0 {
		return fmt.Errorf("%d of the parts failed; what they have written is in %s", len(failed), c.Keep)
	}
	return nil
}

// chosen are the parts with these names, or all of them.
func chosen(parts []part, names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	var some []part
	for _, name := range names {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %s", name)
		}
		some = append(some, parts[i])
	}
	return some, nil
}

// part runs one part, and counts what it covers.
func (c *command) part(ctx context.Context, p part) (r result, err error) {
	path := filepath.Join(c.Keep, strings.ReplaceAll(p.name, " ", "-")+".txt")
	file, err := os.Create(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	began := time.Now()
	r = result{part: p, err: cmd.Run(), took: time.Since(began)}
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	r.counts = p.count(string(text))
	if r.err == nil && slices.Contains(r.counts, 0) {
		r.err = errors.New("it has covered nothing of a kind")
	}
	return r, nil
}
