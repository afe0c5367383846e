package apply

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// lines collects a worker's log lines.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, strings.TrimSpace(string(line)))
	return len(line), nil
}

// with are the lines of at least info that have this in them.
func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func (l *lines) keep(c *Config) { c.Logger = slog.New(slog.NewTextHandler(l, nil)) }

// Writes that the table throttles for long are said every 30 s; a table that answers nothing is an outage, which its adapter says.
func TestRefusedWritesAreSaidAtAPace(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		lines int
	}{"throttled": {errThrottled, 4}, "not answered": {errTimeout, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l lines
				w := newWorld(t)
				w.fault = func(call) (bool, error) { return false, c.err }
				for n := range 500 {
					w.append(snapshotAt(0), read(strings.Repeat("k", n+1), "v"))
				}
				r := w.run(l.keep)
				time.Sleep(110 * time.Second)
				require.NoError(t, r.stop())
				require.Len(t, l.with("writes will be tried again"), c.lines, strings.Join(l.all, "\n"))
				require.Len(t, l.with("level=WARN"), c.lines, strings.Join(l.all, "\n"))
			})
		})
	}
}

// One row that is not answered while all others are written is no outage of the table: the worker itself says it.
func TestARowThatIsNotAnsweredIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lines
		w := newWorld(t)
		w.fault = func(c call) (bool, error) {
			if c.event.Key == keyOf("bad") {
				return false, errTimeout
			}
			return true, nil
		}
		w.append(liveAt(0), change("bad", 1, "v"))
		w.append(liveAt(1), change("good", 0, "v"))
		r := w.run(l.keep)
		for n := range uint64(200) {
			w.append(liveAt(1), change("good", n+1, "v"))
			time.Sleep(time.Second)
		}
		require.NoError(t, r.stop())
		said := l.with("writes will be tried again")
		require.NotEmpty(t, said)
		require.LessOrEqual(t, len(said), 7, "one every 30 s")
		require.Contains(t, said[0], `bad`)
	})
}

// A record that the control log as read so far does not explain waits, and that is said while it lasts.
func TestARecordThatWaitsForTheControlLogIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lines
		w := newWorld(t)
		w.append(snapshotAt(0), events.Encode(events.Event{
			Key: keyOf("a"), Op: events.Write, Version: events.Version{Generation: 2}, Item: item("a", "v"), Source: "0/1",
		}))
		r := w.run(l.keep)
		time.Sleep(40 * time.Second)
		said := l.with("outage")
		require.Len(t, said, 2, strings.Join(l.all, "\n"))
		require.Contains(t, said[0], `dependency="control log"`)
		require.Contains(t, said[0], "is of generation 2, and the control log as read so far knows 1")
		w.mu.Lock()
		w.state.Restarted = &checkpoint.Restarted{Generation: 2}
		w.mu.Unlock()
		time.Sleep(20 * time.Second)
		require.Len(t, l.with("the outage is over"), 1, strings.Join(l.all, "\n"))
		require.NoError(t, r.stop())
	})
}
