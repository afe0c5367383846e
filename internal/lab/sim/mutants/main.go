// Mutants damages the program, one guard at a time, and shows that the simulation notices: a check that has never
// failed proves nothing. Each mutant is one edit of one file, laid over the source by go test -overlay; the simulation
// plays seeds until one of them breaks a promise. It prints which, and ends with status 1 if a mutant survives that the
// simulation alone is there to notice. Some take a coincidence that hardly any seed has; those are the model's to show.
// Others no seed can be expected to meet: those are played to the one test that is there to notice them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

type command struct {
	Seeds int      `default:"400" help:"How many seeds a mutant must survive to count as unnoticed."`
	First int      `default:"1" help:"The first of them."`
	Batch int      `default:"50" help:"How many are played at a time."`
	Only  []string `help:"Only the mutants with these names."`
	Root  string   `default:"." type:"existingdir" help:"The root of the source."`
}

func main() {
	c := &command{}
	kong.Parse(c, kong.Name("mutants"), kong.Description("Damages the program and shows that the simulation notices."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := c.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func (c *command) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder for temporary files
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mutant\tcaught by seed\tin words")
	survivors := 0
	for _, m := range mutants {
		if len(c.Only) > 0 && !slices.Contains(c.Only, m.name) {
			continue
		}
		seed, words, err := c.try(ctx, dir, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		switch {
		case seed != "":
		case m.model != "":
			seed, words = "-", fmt.Sprintf("survived %d seeds; shown by the model: %s", c.Seeds, m.model)
		default:
			survivors++
			seed, words = "-", fmt.Sprintf("SURVIVED %d seeds", c.Seeds)
		}
		fmt.Fprintf(os.Stderr, "%s: %s %s\n", m.name, seed, words)
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.name, seed, words)
	}
	for _, u := range units {
		if len(c.Only) > 0 && !slices.Contains(c.Only, u.name) {
			continue
		}
		noticed, err := u.notices(ctx, c.Root, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		words := fmt.Sprintf("shown by %s of %s", u.test, u.folder)
		if !noticed {
			survivors++
			words = fmt.Sprintf("SURVIVED %s of %s", u.test, u.folder)
		}
		fmt.Fprintf(w, "%s\t-\t%s\n", u.name, words)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if survivors > 0 {
		return fmt.Errorf("%d survived", survivors)
	}
	return nil
}

// try plays seeds on a mutant, and returns the first that broke a promise, and which.
func (c *command) try(ctx context.Context, dir string, m mutant) (seed, words string, err error) {
	overlay, err := m.overlay(c.Root, dir)
	if err != nil {
		return "", "", err
	}
	binary := filepath.Join(dir, "sim.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, "./internal/lab/sim") //nolint:gosec // our own
	build.Dir = c.Root
	if out, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w: %s", err, out)
	}
	for first := c.First; first < c.First+c.Seeds; first += c.Batch {
		play := exec.CommandContext(ctx, binary, "-test.run", "TestSeeds$", "-test.timeout", "10m", //nolint:gosec // our own
			fmt.Sprint("-first=", first), fmt.Sprint("-seeds=", c.Batch))
		play.Dir = filepath.Join(c.Root, "internal", "lab", "sim")
		out, err := play.CombinedOutput()
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		seed, words := found(out)
		return seed, words, nil
	}
	return "", "", nil
}

var (
	failedSeed = regexp.MustCompile(`--- FAIL: TestSeeds/(\d+)`)
	check      = regexp.MustCompile(`CHECK +(.*)`)
)

// found is the first seed that failed, and the first check.
func found(out []byte) (seed, words string) {
	seed = "?"
	if m := failedSeed.FindSubmatch(out); m != nil {
		seed = string(m[1])
	}
	if m := check.FindSubmatch(out); m != nil {
		return seed, shorten(string(m[1]))
	}
	first, _, _ := bytes.Cut(out, []byte("\n"))
	return seed, shorten(string(first)) // a worker that never ends, or one that panics
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// mutant is one edit.
type mutant struct {
	name     string
	file     string
	from, to string // from occurs exactly once in file
	model    string // the model's guard that shows it, where a seed hardly does
}

// overlay writes the edited file and the overlay that names it.
func (m mutant) overlay(root, dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(m.from)); n != 1 {
		return "", fmt.Errorf("%s has the text %d times: %s", m.file, n, m.from)
	}
	edited := filepath.Join(dir, "edited.go")
	if err := os.WriteFile(edited, bytes.Replace(source, []byte(m.from), []byte(m.to), 1), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: edited}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
