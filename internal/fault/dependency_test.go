package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// said collects log lines, each with the time since the test began.
type said struct {
	began time.Time
	mu    sync.Mutex
	all   []string
}

func (s *said) logger() *slog.Logger {
	s.began = time.Now()
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		if a.Value.Kind() == slog.KindTime {
			return slog.Duration(a.Key, a.Value.Time().Sub(s.began))
		}
		return a
	}}))
}

func (s *said) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf("%s %s", time.Since(s.began), strings.TrimSpace(string(line))))
	return len(line), nil
}

func (s *said) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.all...)
}

func refused() error {
	return &Error{Class: Retry, What: "append", Err: errors.New("connection refused")}
}

// asking retries one request until ctx ends, as Do does it: each attempt takes so long and has what the service says.
func asking(ctx context.Context, d *Dependency, what string, takes time.Duration, service func() error) {
	_ = Do(ctx, nil, func(ctx context.Context) error {
		answered := d.Ask(ctx, what)
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			answered(ctx.Err())
			return ctx.Err()
		}
		err := service()
		answered(err)
		return err
	})
}

// However many try, there is one line within 5 s, one every 30 s, and one when it works again.
func TestAnOutageIsSaidWithinFiveSecondsAndEveryThirty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "[a:9092]")
		back := time.Now().Add(100 * time.Second)
		var all sync.WaitGroup
		for n := range 500 {
			all.Go(func() {
				asking(t.Context(), d, fmt.Sprintf("append to orders.live/%d", n), 10*time.Millisecond, func() error {
					if time.Now().Before(back) {
						return refused()
					}
					return nil
				})
			})
		}
		all.Wait()
		lines := s.lines()
		require.Len(t, lines, 5, strings.Join(lines, "\n"))
		for i, at := range []string{"3s", "33s", "1m3s", "1m33s"} {
			require.True(t, strings.HasPrefix(lines[i], at+" "), lines[i])
			for _, part := range []string{
				"level=WARN", "dependency=Kafka", "to=[a:9092]", `what="append to orders.live/`, "failing=500", "since=0s", "away=" + at,
				"attempts=", `error="append: connection refused"`,
			} {
				require.Contains(t, lines[i], part)
			}
		}
		require.Contains(t, lines[4], `level=INFO msg="the outage is over" dependency=Kafka to=[a:9092] since=0s away=1m`)
		require.NoError(t, d.Close())
	})
}

// A broker that takes a connection and never answers fails nothing for many seconds: that is said too.
func TestARequestWithoutAnAnswerIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "[a:9092]")
		asking(t.Context(), d, "fetch orders.live/0", 20*time.Second, func() error { return nil })
		lines := s.lines()
		require.Len(t, lines, 2, strings.Join(lines, "\n"))
		require.True(t, strings.HasPrefix(lines[0], "4s "), lines[0])
		require.Contains(t, lines[0], `what="fetch orders.live/0" failing=1 since=0s away=4s attempts=0 error="no answer for 4s"`)
		require.True(t, strings.HasPrefix(lines[1], "20s "), lines[1])
		require.Contains(t, lines[1], "the outage is over")
	})
}

func TestABlipIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "")
		for range 100 {
			fails := 3
			asking(t.Context(), d, "append", time.Millisecond, func() error {
				if fails--; fails > 0 {
					return refused()
				}
				return nil
			})
			time.Sleep(time.Second)
		}
		require.Empty(t, s.lines())
	})
}

// One partition whose leader is gone is an outage, although all others work.
func TestAPartThatFailsIsSaidWhileTheRestWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { asking(ctx, d, "append to orders.live/3", 0, refused) })
		all.Go(func() {
			for ctx.Err() == nil {
				asking(ctx, d, "append to orders.live/4", 100*time.Millisecond, func() error { return nil })
			}
		})
		all.Wait()
		lines := s.lines()
		require.Len(t, lines, 2, strings.Join(lines, "\n"))
		require.Contains(t, lines[1], `what="append to orders.live/3" failing=1`)
	})
}

// An answer is no outage: throttling, a refusal, a record that is too large.
func TestAnAnswerIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "new table", "")
		for _, err := range []error{
			&Error{Class: Retry, Throttle: TableThrottled, What: "put"}, &Error{Class: Record, What: "put"}, &Error{Class: Fatal, What: "put"}, io.EOF,
		} {
			for range 100 {
				d.Ask(t.Context(), "PutItem")(err)
				time.Sleep(time.Second)
			}
		}
		require.Empty(t, s.lines())
	})
}

// Who gives a request up says nothing about whom it was made of, and what nobody asks for any more is no outage that goes
// on: only the next success says that it works again.
func TestWhatNobodyAsksForIsNotSaidToFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "old table", "")
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		asking(ctx, d, "GetRecords", 0, refused)
		time.Sleep(time.Hour)
		require.LessOrEqual(t, len(s.lines()), 3, strings.Join(s.lines(), "\n"))
		d.Ask(t.Context(), "Scan")(nil)
		lines := s.lines()
		require.Contains(t, lines[len(lines)-1], "the outage is over")
		before := len(lines)

		canceled, stop := context.WithCancel(t.Context())
		stop()
		d.Ask(canceled, "Scan")(&Error{Class: Retry, What: "scan", Err: context.Canceled})
		time.Sleep(time.Hour)
		require.Len(t, s.lines(), before)
	})
}

// A deadline of whoever asks is a failure of whom it was asked: the answer did not come in time.
func TestADeadlineIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "")
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			asking(ctx, d, "append", time.Hour, refused)
			cancel()
		}
		require.Empty(t, s.lines(), "what has no class is nobody's failure")
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			answered := d.Ask(ctx, "append")
			<-ctx.Done()
			answered(&Error{Class: Retry, What: "append", Err: ctx.Err()})
			cancel()
		}
		require.Len(t, s.lines(), 1)
	})
}

func TestMembershipFailsAndWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s said
		d := NewDependency(s.logger(), "Kafka", "")
		d.Worked("join group orders")
		for range 10 {
			d.Failed("join group orders", refused())
			time.Sleep(time.Second)
		}
		d.Worked("join group orders")
		require.Len(t, s.lines(), 2, strings.Join(s.lines(), "\n"))
		d.Failed("join group orders", refused())
		require.NoError(t, d.Close())
		time.Sleep(time.Hour)
		require.Len(t, s.lines(), 2, "closed")
	})
}
