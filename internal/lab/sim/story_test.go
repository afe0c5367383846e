package sim

import (
	"context"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// story is what happened in a world, in the order of its clock: what the application did, what went wrong, what the
// workers said. It is printed when a check fails, and by the test that replays one seed.
type story struct {
	began time.Time

	mu    sync.Mutex
	lines []line
}

type line struct {
	text    string
	request bool
}

// tell adds a line about someone.
func (s *story) tell(who, format string, args ...any) {
	s.add(who, fmt.Sprintf(format, args...), false)
}

// request adds a request that reaches a broker or a database, or an answer that comes back, with a checksum of its bytes.
func (s *story) request(way direction, who string, what step, bytes []byte) {
	s.add(who, fmt.Sprintf("%s %s %08x", way, what, crc32.ChecksumIEEE(bytes)), true)
}

func (s *story) add(who, what string, request bool) {
	text := fmt.Sprintf("%8.3fs  %-12s %s", time.Since(s.began).Seconds(), who, what)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line{text, request})
}

// direction is the mark of a request or an answer; the program replay knows their lines by it.
type direction string

const (
	request direction = ">"
	reply   direction = "<"
)

// String is the story, with its requests if the flag says so.
func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text []string
	for _, l := range s.lines {
		if !l.request || *requestsFlag {
			text = append(text, l.text)
		}
	}
	return strings.Join(text, "\n")
}

// logger lets a worker tell its part.
func (s *story) logger(who string) *slog.Logger { return slog.New(&teller{story: s, who: who}) }

// teller is the slog.Handler of one process.
type teller struct {
	story *story
	who   string
	with  []slog.Attr
}

// Enabled implements slog.Handler.
func (t *teller) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (t *teller) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&text, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range t.with {
		add(a)
	}
	r.Attrs(add)
	t.story.tell(t.who, "%s: %s", strings.ToLower(r.Level.String()), text.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (t *teller) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &teller{story: t.story, who: t.who, with: append(slices.Clip(t.with), attrs...)}
}

// WithGroup implements slog.Handler; nobody here uses groups.
func (t *teller) WithGroup(string) slog.Handler { return t }
