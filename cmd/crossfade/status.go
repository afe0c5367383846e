package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/operate"
)

type statusCommand struct {
	cli.File
	Watch bool          `help:"Show it again and again, until stopped; also while nothing can be read."`
	JSON  bool          `help:"As one JSON object a line; docs/STATUS.md names the fields."`
	Check bool          `help:"For monitors: only the verdict, which is the exit status too: 0 well, 1 look at it, 2 act now, 3 it could not be found out."`
	Every time.Duration `default:"2s" help:"Time between two looks; rates are taken from one look to the next."`
}

// Run is called by the flags' parser.
func (c *statusCommand) Run(ctx context.Context, streams cli.Streams) error {
	if c.Check {
		return c.check(ctx, streams)
	}
	if c.Every <= 0 {
		return &cli.UsageError{Message: fmt.Sprintf("--every: %s is no time between two looks", c.Every)}
	}
	config, err := c.Load()
	if err != nil {
		return err
	}
	logger := cli.Logging{LogFormat: "text", LogLevel: "info"}.Logger(streams.Stderr) // what it waits for
	return operate.WatchStatus(ctx, config, logger, c.Every, func(s *operate.Status) (again bool, err error) {
		if !c.Watch && s.Unread != nil {
			return false, &fault.Error{Class: fault.Fatal, Reason: "unread", What: "the migration could not be read: " + s.Unread.Error}
		}
		return c.Watch, c.show(streams.Stdout, s)
	})
}

// check prints the verdict and returns it as the exit status. Whatever keeps it from being found out is a status of its own,
// wrong use and configuration among it: a monitor must not take those for a verdict.
func (c *statusCommand) check(ctx context.Context, streams cli.Streams) error {
	s, err := c.checked(ctx)
	if err == nil && c.JSON {
		err = json.NewEncoder(streams.Stdout).Encode(s)
	} else if err == nil {
		_, err = fmt.Fprint(streams.Stdout, verdict(s.Verdict))
	}
	if err != nil {
		fmt.Fprintf(streams.Stderr, "crossfade: %v\n", err)
		return &cli.StatusError{Status: unknown}
	}
	if status := exitStatus(s.Verdict.Level); status != cli.Done {
		return &cli.StatusError{Status: status}
	}
	return nil
}

// unknown is the exit status of a check that found nothing out.
const unknown = 3

// exitStatus is what monitors take for well, a warning, and critical.
func exitStatus(l operate.Level) int {
	switch l {
	case operate.Well:
		return cli.Done
	case operate.Look:
		return 1
	case operate.Act:
		return 2
	}
	return unknown
}

func (c *statusCommand) checked(ctx context.Context) (*operate.Status, error) {
	if c.Watch {
		return nil, &cli.UsageError{Message: "--check looks once: it does not go with --watch"}
	}
	config, err := c.Load()
	if err != nil {
		return nil, err
	}
	return operate.ReadStatus(ctx, config)
}

// clearScreen is for terminals; a file or a pipe gets one status after the other.
const clearScreen = "\x1b[H\x1b[2J"

func (c *statusCommand) show(w io.Writer, s *operate.Status) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(s)
	}
	between := ""
	switch f, ok := w.(*os.File); {
	case !c.Watch:
	case ok && term.IsTerminal(int(f.Fd())):
		between = clearScreen
	default:
		between = s.At.Format(time.RFC3339) + "\n"
	}
	if _, err := io.WriteString(w, between); err != nil {
		return err
	}
	return printStatus(w, s)
}

// printStatus shows a status to a person.
func printStatus(w io.Writer, s *operate.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	if u := s.Unread; u != nil {
		line("OLD", "not read since %s; what follows is from %s", u.Since.Local().Format(time.DateTime), s.At.Local().Format(time.DateTime))
	}
	line("migration", "%s: %s%s", s.Name, s.Phase, generation(s))
	line("snapshot", "%d of %d segments, %d rows of about %d, %s%s", s.Segments.Done, s.Segments.Total, s.Rows.Done, s.Rows.Total, rate(s.RowsPerSecond), left(s.SecondsLeft))
	for _, problem := range s.TopicProblems {
		line("TOPICS", "%s", problem)
	}
	if s.Capture != nil {
		captureLines(line, s.Capture)
	}
	if m := s.Marking; m != nil {
		line("vanished", "%s", marking(m))
	}
	line("to apply", "%d snapshot records, %d live records", s.SnapshotLag, s.LiveLag)
	for _, partition := range s.Stopped {
		line("STOPPED", "%s", partition)
	}
	n := s.Counts
	line("applied", "%d, stale %d, duplicate %d, app-owned %d, present %d, superseded %d", n.Applied, n.Stale, n.Duplicate, n.AppOwned, n.Present, n.Superseded)
	line("dropped", "%d past the close, %d of an older generation", n.PastClose, n.OldGen)
	line("dead letters", "%s", s.DeadLetters)
	line("swept", "%d markers", s.Swept)
	line("new table", "items expire: %s", expiry(s.Expiry))
	for _, group := range slices.Sorted(maps.Keys(s.Members)) {
		groupLines(line, s, group)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, verdict(s.Verdict))
	return err
}

func captureLines(line func(name, format string, args ...any), c *operate.Capture) {
	behind, forgets := "unknown: "+c.Unknown, "unknown: "+c.Unknown
	if c.BehindSeconds != nil {
		behind = fmt.Sprintf("%.1f s", *c.BehindSeconds)
	}
	if c.RetentionLeftSeconds != nil {
		forgets = (time.Duration(*c.RetentionLeftSeconds) * time.Second).String()
	}
	line("capture", "%d records, %d shards are open and %d of them not begun, at %s", c.Records, c.Shards, c.Unbegun, orDash(c.Position))
	line("behind", "%s", behind)
	line("stream", "left before it forgets what is not captured: %s", forgets)
	for _, gap := range c.Gaps {
		line("GAP", "%s", gap)
	}
	for _, stopped := range c.Stopped {
		line("STOPPED", "%s", stopped)
	}
}

func groupLines(line func(name, format string, args ...any), s *operate.Status, group string) {
	without := ""
	if n := len(s.Unowned[group]); n > 0 {
		without = fmt.Sprintf(", and %d partitions with work that nobody holds", n)
	}
	line("group "+group, "%d members%s", len(s.Members[group]), without)
	for _, m := range s.Members[group] {
		var parts strings.Builder
		for _, topic := range slices.Sorted(maps.Keys(m.Partitions)) {
			fmt.Fprintf(&parts, " %s %d", topic, m.Partitions[topic])
		}
		line("", "%s %s, build %s:%s", m.Process, m.Host, orDash(m.Build), parts.String())
	}
}

// verdict is a headline, and a line for each reason with what to do.
func verdict(v operate.Verdict) string {
	if len(v.Reasons) == 0 {
		return "well: nothing here needs you\n"
	}
	var text strings.Builder
	words := map[operate.Level]string{operate.Look: "look at it", operate.Act: "act now"}
	more := ""
	if n := len(v.Reasons) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	fmt.Fprintf(&text, "%s: %s%s\n", words[v.Level], v.Reasons[0].What, more)
	for _, r := range v.Reasons {
		fmt.Fprintf(&text, "  %s: %s\n    %s\n", words[r.Level], r.What, r.Do)
	}
	return text.String()
}

// generation tells of a generation that a restart began.
func generation(s *operate.Status) string {
	if s.Generation <= 1 {
		return ""
	}
	return fmt.Sprintf(", generation %d since %s", s.Generation, s.Began.Local().Format(time.DateTime))
}

// marking says what has become of the rows that vanished before the restart.
func marking(m *operate.Marking) string {
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

func expiry(e operate.Expiry) string {
	switch {
	case e.Unknown != "":
		return "unknown: " + e.Unknown
	case e.Removes:
		return fmt.Sprintf("time to live is %s, attribute %q", e.Status, e.Attribute)
	}
	return "no"
}

func rate(perSecond *float64) string {
	if perSecond == nil {
		return "rate unknown"
	}
	return fmt.Sprintf("%.0f rows/s", *perSecond)
}

func left(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return fmt.Sprintf(", about %s left", (time.Duration(*seconds) * time.Second).Round(time.Second))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
