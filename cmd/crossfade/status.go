package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/cli"
)

type statusCommand struct {
	cli.File
	Watch bool          `help:"Show it again and again, until stopped."`
	JSON  bool          `help:"As one JSON object a line."`
	Every time.Duration `default:"2s" help:"Time between two looks; rates are taken from one look to the next."`
}

// Run is called by the flags' parser.
func (c *statusCommand) Run(ctx context.Context, streams cli.Streams) error {
	if c.Every <= 0 {
		return &cli.UsageError{Message: fmt.Sprintf("--every: %s is no time between two looks", c.Every)}
	}
	config, err := c.Load()
	if err != nil {
		return err
	}
	logger := cli.Logging{LogFormat: "text", LogLevel: "info"}.Logger(streams.Stderr) // what it waits for
	return assembly.WatchStatus(ctx, config, logger, c.Every, func(s *assembly.Status) (again bool, err error) {
		if c.JSON {
			err = json.NewEncoder(streams.Stdout).Encode(s)
		} else {
			if c.Watch {
				fmt.Fprint(streams.Stdout, "\x1b[H\x1b[2J")
			}
			err = printStatus(streams.Stdout, s)
		}
		return c.Watch, err
	})
}

// printStatus shows a status to a person.
func printStatus(w io.Writer, s *assembly.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("migration", "%s: %s%s", s.Name, s.Phase, generation(s))
	line("snapshot", "%d of %d segments, %d rows of about %d, %.0f rows/s%s", s.Segments.Done, s.Segments.Total, s.Rows.Done, s.Rows.Total, s.RowsPerSecond, left(s.SecondsLeft))
	for _, problem := range s.TopicProblems {
		line("TOPICS", "%s", problem)
	}
	if c := s.Capture; c != nil {
		line("capture", "%d records from %d shards, %.1f s behind, at %s", c.Records, c.Shards, c.BehindSeconds, orDash(c.Position))
		if len(c.Gaps) == 0 {
			line("stream", "%s left before it forgets what is not captured", (time.Duration(c.RetentionLeftSeconds) * time.Second).String())
		}
		for _, gap := range c.Gaps {
			line("GAP", "%s", gap)
		}
		for _, stopped := range c.Stopped {
			line("STOPPED", "%s", stopped)
		}
	}
	if s.Restart != "" {
		line("", "capture has stopped there and nothing was skipped; begin a new generation with: %s", s.Restart)
	}
	if m := s.Marking; m != nil {
		line("vanished", "%s", marking(m))
	}
	line("to apply", "%d snapshot records, %d live records", s.SnapshotLag, s.LiveLag)
	n := s.Counts
	line("applied", "%d, stale %d, duplicate %d, app-owned %d, present %d, superseded %d", n.Applied, n.Stale, n.Duplicate, n.AppOwned, n.Present, n.Superseded)
	line("dropped", "%d past the close, %d of an older generation", n.PastClose, n.OldGen)
	line("dead letters", "%d", s.DeadLetters)
	line("swept", "%d markers", s.Swept)
	for _, group := range slices.Sorted(maps.Keys(s.Members)) {
		line("group "+group, "%d members", len(s.Members[group]))
		for _, m := range s.Members[group] {
			var parts strings.Builder
			for _, topic := range slices.Sorted(maps.Keys(m.Partitions)) {
				fmt.Fprintf(&parts, " %s %d", topic, m.Partitions[topic])
			}
			line("", "%s %s:%s", m.Client, m.Host, parts.String())
		}
	}
	return t.Flush()
}

// generation tells of a generation that a restart began.
func generation(s *assembly.Status) string {
	if s.Generation <= 1 {
		return ""
	}
	return fmt.Sprintf(", generation %d since %s", s.Generation, s.Began.Local().Format(time.DateTime))
}

// marking says what has become of the rows that vanished before the restart.
func marking(m *assembly.Marking) string {
	switch {
	case m.Done && m.Kept > 0:
		return fmt.Sprintf("%d rows that vanished before the restart are marked; %d are as they were before it and still at the source: see the dlq", m.Marked, m.Kept)
	case m.Done:
		return fmt.Sprintf("%d rows that vanished before the restart are marked", m.Marked)
	case m.Waiting != "":
		return "the search for rows that vanished before the restart waits for " + m.Waiting
	case !m.Searching:
		return "start a snapshot worker: it looks for the rows that vanished before the restart"
	}
	return "a snapshot worker searches for rows that vanished before the restart, once it has been there for the grace"
}

func left(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return fmt.Sprintf(", about %s left", (time.Duration(seconds) * time.Second).Round(time.Second))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
