package main

import (
	"context"
	"errors"

	"github.com/crossfadedb/crossfade/internal/cli"
)

type demoCommand struct{}

// Run is called by the flags' parser.
func (demoCommand) Run(context.Context, cli.Streams) error { return errors.New("not yet") }
