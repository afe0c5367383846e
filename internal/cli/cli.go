// Package cli is what the three commands share: flags of every command, logging, signals and the exit status.
//
//	0  done
//	1  failed while running
//	2  wrong use or configuration
//	3  something outside is missing or refuses
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// The exit statuses.
const (
	Done    = 0
	Failed  = 1
	Usage   = 2
	Outside = 3
)

// UsageError is wrong use that the flags' parser cannot see.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

// Streams are where a command reads and writes. Stdout carries what was asked for, Stderr logs and progress.
type Streams struct {
	Stdout, Stderr io.Writer
}

// Terminal reports whether a person is likely to be reading Stderr.
func (s Streams) Terminal() bool {
	f, ok := s.Stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Logging is the flags about logs.
type Logging struct {
	LogFormat string `enum:"text,json" default:"text" help:"Format of the log lines on standard error: text or json."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"Lowest level that is logged: debug, info, warn or error."`
}

// Logger returns the logger that the flags ask for.
func (l Logging) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		panic(err) // the parser has checked it
	}
	options := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// File is the flag that names the migration.
type File struct {
	File string `short:"f" required:"" placeholder:"migration.yaml" type:"path" help:"The migration's configuration; 'crossfade init' prints one."`
}

// Load reads and checks the file.
func (f File) Load() (*migration.Config, error) { return migration.Load(f.File) }

// Command is a command that the parser has chosen and filled.
type Command interface {
	Run(ctx context.Context, streams Streams) error
}

// Main parses args into app, a struct with kong's tags, runs the chosen Command, and returns the exit
// status. The first SIGINT, SIGTERM or SIGHUP cancels the command's context, which then drains; a second SIGINT or SIGTERM
// ends the process. A reader of Stdout or Stderr that goes away ends nothing: what is written there fails.
func Main(name, about string, app any, args []string, streams Streams) int {
	exit := -1
	parser, err := kong.New(app,
		kong.Name(name), kong.Description(about), kong.UsageOnError(),
		kong.Writers(streams.Stdout, streams.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100, Compact: true}),
		kong.Vars{"version": version(name)},
		kong.Exit(func(code int) { exit = code }),
	)
	if err != nil {
		panic(err) // a mistake in the struct's tags
	}
	chosen, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help or --version has been answered
	}
	if err != nil {
		fmt.Fprintf(streams.Stderr, "%s: %v\nTry '%s --help'.\n", name, err, name)
		return Usage
	}
	ctx, stop := untilSignalled()
	defer stop()
	streams.Stdout = &output{streams.Stdout}
	chosen.BindTo(ctx, (*context.Context)(nil))
	chosen.Bind(streams)
	return report(chosen.Run(), name, streams.Stderr)
}

// report prints an error and returns the exit status that it means.
func report(err error, name string, w io.Writer) int {
	if err == nil {
		return Done
	}
	if silent, ok := errors.AsType[*StatusError](err); ok {
		return silent.Status
	}
	if _, ok := errors.AsType[*unreadError](err); ok {
		return Failed // to whoever has closed it there is nothing to say
	}
	fmt.Fprintf(w, "%s: %v\n", name, err)
	if _, ok := errors.AsType[*UsageError](err); ok {
		return Usage
	}
	if _, ok := errors.AsType[*migration.Problems](err); ok {
		return Usage
	}
	if _, ok := errors.AsType[*assembly.ConfigChangedError](err); ok {
		return Usage
	}
	if _, ok := errors.AsType[*operate.FormError](err); ok {
		return Usage
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return Outside
	}
	return Failed
}

// StatusError ends a command with a status; it has said everything already.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("exit status %d", e.Status) }
