package sim

import (
	"context"
	"fmt"
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
	lines []string
}

// tell adds a line about someone.
func (s *story) tell(who, format string, args ...any) {
	line := fmt.Sprintf("%8.3fs  %-12s %s", time.Since(s.began).Seconds(), who, fmt.Sprintf(format, args...))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
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
