// Package fault has the three classes of error, the one loop that retries, and the lines that say what does not work.
//
// An adapter classifies each error once, at the edge, by wrapping it in an *Error. Everything inside asks Of for the class.
// An error that nobody has classified is Fatal: stopping loses no row.
//
//	Retry   throttling, timeouts, 5xx, broker not available    again, with backoff, while the context lives
//	Record  too large, key does not fit, undecodable           to the dlq, and go on
//	Fatal   access denied, table gone, offsets deleted         stop with one clear message
package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Class says what to do about an error.
type Class uint8

// The classes, the gravest first.
const (
	Fatal  Class = iota // stop
	Retry               // do it again
	Record              // this record can never succeed
)

func (c Class) String() string { return [...]string{"fatal", "retry", "record"}[c] }

// Throttle says how much of the database refused to keep pace.
type Throttle uint8

// The extents of throttling.
const (
	NotThrottled     Throttle = iota
	TableThrottled            // the table or the account: everyone should slow down
	RangeThrottled            // one range of keys: only that range should slow down
	UnnamedThrottled          // the answer does not say which of the two
)

// Error is a classified error: what was tried, where, why it failed, and what a person can do.
type Error struct {
	Class    Class
	Throttle Throttle // only with Retry
	Reason   string   // a bounded label: the service's error code, or a word of ours
	What     string   // what was tried, with the names that matter: table, shard, partition, offset
	Advice   string   // what to do; only with Fatal, and optional there
	Err      error
}

func (e *Error) Error() string {
	s := e.What
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", e.What, e.Err)
	}
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Of is the class of err:
//
//   - that of the outermost *Error in it;
//   - of joined errors the gravest one that is classified: Fatal, then Retry, then Record;
//   - Fatal if none is classified.
func Of(err error) Class {
	class, _ := classOf(err)
	return class
}

// classOf reports false when no *Error is in err.
func classOf(err error) (class Class, ok bool) {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *Error:
		return e.Class, true
	case interface{ Unwrap() error }:
		return classOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, branch := range e.Unwrap() {
			if c, found := classOf(branch); found && (!ok || c < class) {
				class, ok = c, true
			}
		}
	}
	return class, ok
}

// ThrottleOf is how much of the database err says is throttled.
func ThrottleOf(err error) Throttle {
	if e, ok := errors.AsType[*Error](err); ok && e.Class == Retry {
		return e.Throttle
	}
	return NotThrottled
}

// The pace of retries. A throttled table recovers within seconds; a broker takes some tens of seconds to restart.
const (
	firstWait = 50 * time.Millisecond
	longWait  = 10 * time.Second
)

// Backoff returns the waits between retries: they grow from 50 ms to 10 s, with jitter, and never end.
func Backoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstWait),
		backoff.WithMaxInterval(longWait),
		backoff.WithMaxElapsedTime(0),
	)
}

// Notify hears of each failure that is tried again, and how long that waits. A wait of 0 says that it is given up.
type Notify func(err error, wait time.Duration)

// Retrying returns a Notify that writes a line, at the level of details, about what is tried again: that it is tried for
// long says the Dependency that does not answer. That it is given up is a warning.
func Retrying(logger *slog.Logger, what string) Notify {
	return func(err error, wait time.Duration) {
		if wait == 0 {
			logger.Warn("given up", "what", what, "error", err)
			return
		}
		logger.Debug("will be tried again", "what", what, "wait", wait, "error", err)
	}
}

// Do calls op until it succeeds, fails with a class other than Retry, or ctx ends; then it returns the
// last error joined with ctx's cause. notify may be nil.
func Do(ctx context.Context, notify Notify, op func(context.Context) error) error {
	_, err := Get(ctx, notify, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
	return err
}

// Get is Do for an operation that has a result: that of the attempt that succeeded, or the last one's beside the error.
func Get[T any](ctx context.Context, notify Notify, op func(context.Context) (T, error)) (T, error) {
	var last error
	attempt := func() (result T, err error) {
		result, last = op(ctx)
		if last != nil && Of(last) != Retry {
			return result, backoff.Permanent(last)
		}
		return result, last
	}
	result, err := backoff.RetryNotifyWithData(attempt, backoff.WithContext(Backoff(), ctx), backoff.Notify(notify))
	if err != nil && ctx.Err() != nil {
		return result, errors.Join(context.Cause(ctx), last)
	}
	return result, err
}

// IgnoreEnd returns nil if err only says that ctx has ended, which whoever ended it did not mean as a failure; else err.
// ctx must not be that of the errgroup whose Wait returned err: the cause of its end is the failure itself.
func IgnoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}
