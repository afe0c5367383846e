package main

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/demo"
)

type demoCommand struct {
	Items int    `default:"50000" help:"Rows of the old table."`
	Rate  int    `default:"500" help:"Changes a second that the application makes."`
	Seed  uint64 `default:"1" help:"The same seed gives the same application."`
	Naive bool   `help:"Write without conditions, to see the damage that a plain copy does."`
	JSON  bool   `help:"The report as JSON."`
}

// Run is called by the flags' parser.
func (c *demoCommand) Run(ctx context.Context, streams cli.Streams) error {
	if c.Items < 1 || c.Rate < 1 {
		return &cli.UsageError{Message: fmt.Sprintf("--items %d and --rate %d: both must be positive", c.Items, c.Rate)}
	}
	report, err := demo.Run(ctx, demo.Options{
		Items: c.Items, Rate: c.Rate, Seed: c.Seed, Naive: c.Naive, JSON: c.JSON, Stdout: streams.Stdout, Stderr: streams.Stderr,
	})
	if err != nil {
		return err
	}
	if !report.OK() {
		return &cli.StatusError{Status: cli.Failed}
	}
	return nil
}
