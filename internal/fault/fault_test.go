package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	retry := &Error{Class: Retry, What: "put"}
	record := &Error{Class: Record, What: "put"}
	fatal := &Error{Class: Fatal, What: "put"}
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"unclassified", io.EOF, Fatal},
		{"retry", retry, Retry},
		{"record", record, Record},
		{"fatal", fatal, Fatal},
		{"wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", retry)), Retry},
		{"the outer one has decided", &Error{Class: Fatal, What: "put", Err: retry}, Fatal},
		{"the outer one has decided, wrapped", fmt.Errorf("a: %w", &Error{Class: Record, What: "put", Err: retry}), Record},
		{"joined with a cause", errors.Join(context.Canceled, retry), Retry},
		{"joined, fatal first", errors.Join(fatal, retry), Fatal},
		{"joined, fatal last", errors.Join(retry, fatal), Fatal},
		{"joined, fatal within", fmt.Errorf("a: %w, %w", retry, fmt.Errorf("b: %w", errors.Join(record, fatal))), Fatal},
		{"joined, to be tried again", errors.Join(record, retry), Retry},
		{"joined, none classified", errors.Join(io.EOF, context.Canceled), Fatal},
	} {
		require.Equal(t, c.want, Of(c.err), c.name)
	}
}

func TestThrottleOf(t *testing.T) {
	table := &Error{Class: Retry, Throttle: TableThrottled, What: "put"}
	require.Equal(t, TableThrottled, ThrottleOf(fmt.Errorf("a: %w", table)))
	require.Equal(t, RangeThrottled, ThrottleOf(&Error{Class: Retry, Throttle: RangeThrottled}))
	require.Equal(t, NotThrottled, ThrottleOf(&Error{Class: Retry}))
	require.Equal(t, NotThrottled, ThrottleOf(&Error{Class: Fatal, Throttle: TableThrottled}), "only what is tried again is throttled")
	require.Equal(t, NotThrottled, ThrottleOf(io.EOF))
	require.Equal(t, NotThrottled, ThrottleOf(nil))
}

func TestErrorText(t *testing.T) {
	e := &Error{Class: Fatal, What: "describe table orders", Advice: "create it first", Err: io.EOF}
	require.Equal(t, "describe table orders: EOF; create it first", e.Error())
	require.Equal(t, "put", (&Error{What: "put"}).Error())
	require.ErrorIs(t, e, io.EOF)
	require.Equal(t, []string{"fatal", "retry", "record"}, []string{Fatal.String(), Retry.String(), Record.String()})
}

func TestDoRetriesWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		var waits []time.Duration
		err := Do(t.Context(), func(err error, wait time.Duration) {
			require.EqualError(t, err, fmt.Sprintf("attempt %d", calls))
			waits = append(waits, wait)
		}, func(context.Context) error {
			if calls++; calls == 30 {
				return nil
			}
			return &Error{Class: Retry, What: fmt.Sprintf("attempt %d", calls)}
		})
		require.NoError(t, err)
		require.Equal(t, 30, calls)
		require.Len(t, waits, 29)
		var sum time.Duration
		for _, w := range waits {
			require.Positive(t, w)
			require.LessOrEqual(t, w, longWait*3/2+time.Millisecond, "the longest wait and its jitter")
			sum += w
		}
		require.LessOrEqual(t, waits[0], firstWait*3/2+time.Millisecond)
		require.GreaterOrEqual(t, waits[28], longWait/2, "waits grow")
		require.Equal(t, sum, time.Since(began), "it waits as long as it says")
	})
}

func TestDoHasNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := Do(t.Context(), nil, func(context.Context) error {
			if time.Since(began) > 48*time.Hour {
				return nil
			}
			return &Error{Class: Retry, What: "put"}
		})
		require.NoError(t, err)
	})
}

func TestDoStopsOnOtherClasses(t *testing.T) {
	for _, failure := range []error{
		&Error{Class: Record, What: "put"}, &Error{Class: Fatal, What: "put"}, io.EOF, fmt.Errorf("a: %w", &Error{Class: Record, What: "put"}),
	} {
		synctest.Test(t, func(t *testing.T) {
			began, calls := time.Now(), 0
			err := Do(t.Context(), func(error, time.Duration) { t.Error("nothing is tried again") }, func(context.Context) error {
				calls++
				return failure
			})
			require.Equal(t, failure, err, "as it was")
			require.Equal(t, 1, calls)
			require.Zero(t, time.Since(began))
		})
	}
}

func TestDoStopsAfterRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := Do(t.Context(), nil, func(context.Context) error {
			if calls++; calls < 5 {
				return &Error{Class: Retry, What: "put"}
			}
			return &Error{Class: Fatal, What: "access denied"}
		})
		require.Equal(t, 5, calls)
		require.EqualError(t, err, "access denied")
	})
}

func TestDoEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the group has taken the partition")
		ctx, cancel := context.WithCancelCause(t.Context())
		failure := &Error{Class: Retry, What: "put"}
		began := time.Now()
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		err := Do(ctx, nil, func(context.Context) error { return failure })
		require.ErrorIs(t, err, cause)
		require.ErrorIs(t, err, failure, "and with what went wrong last")
		require.Equal(t, time.Minute, time.Since(began), "at once, not after the wait")
	})
}

func TestDoEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		err := Do(ctx, nil, func(ctx context.Context) error {
			return &Error{Class: Retry, What: "put", Err: ctx.Err()}
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, time.Since(began))
		require.NoError(t, Do(ctx, nil, func(context.Context) error { return nil }), "what has succeeded has succeeded")
	})
}

func TestGetReturnsTheLastResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		got, err := Get(t.Context(), nil, func(context.Context) (int, error) {
			calls++
			if calls < 3 {
				return calls, &Error{Class: Retry, What: "read"}
			}
			return calls, nil
		})
		require.NoError(t, err)
		require.Equal(t, 3, got)

		broken := &Error{Class: Fatal, What: "read"}
		got, err = Get(t.Context(), nil, func(context.Context) (int, error) { return 7, broken })
		require.ErrorIs(t, err, broken)
		require.Equal(t, 7, got, "what an operation returns beside its error is not lost")
	})
}

func TestIgnoreEnd(t *testing.T) {
	told, broken := errors.New("told to end"), errors.New("broken")
	ended, end := context.WithCancelCause(t.Context())
	end(told)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		err     error
		ignored bool
	}{
		"no error":                           {ended, nil, true},
		"canceled, and it has ended":         {ended, fmt.Errorf("fetch: %w", context.Canceled), true},
		"its cause":                          {ended, fmt.Errorf("fetch: %w", told), true},
		"a failure beside its end":           {ended, broken, false},
		"canceled, and it has not ended":     {t.Context(), context.Canceled, false},
		"a deadline of its own":              {late, context.DeadlineExceeded, true},
		"another's deadline beside its end":  {ended, context.DeadlineExceeded, false},
		"a failure, and it has not ended":    {t.Context(), broken, false},
		"another's deadline, without an end": {t.Context(), context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := IgnoreEnd(test.ctx, test.err)
			if test.ignored {
				require.NoError(t, got)
			} else {
				require.ErrorIs(t, got, test.err)
			}
		})
	}
}
