package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

func cores() string { return strconv.Itoa(runtime.GOMAXPROCS(0)) }

// story is what one play has told.
type story struct {
	seed, schedule uint64
	text           []byte // with every request
	kept           bool   // all promises
}

// request is the line of a request or an answer.
var request = regexp.MustCompile(`(?m)^ *[0-9.]+s  \S+ +[<>] .*\n`)

func (s story) requests() int    { return len(request.FindAllIndex(s.text, -1)) }
func (s story) digest() [32]byte { return sha256.Sum256(s.text) }

// String is one line about it.
func (s story) String() string {
	words := map[bool]string{true: "all promises kept", false: "BROKEN"}[s.kept]
	return fmt.Sprintf("seed %d, schedule %d: %s; %d lines, %d of them requests and answers, digest %.4x",
		s.seed, s.schedule, words, bytes.Count(s.text, []byte("\n")), s.requests(), s.digest())
}

// run plays what the flags say, and returns how many plays broke a promise or did not repeat.
func (c *command) run(ctx context.Context, out io.Writer) (failures int, err error) {
	h, err := newHost(ctx, c.Root)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "program %.4x, built by %s\n", h.digest, runtime.Version())
	began, played, reporting := time.Now(), 0, sync.Mutex{}
	plays, ctx := errgroup.WithContext(ctx)
	plays.SetLimit(c.Parallel)
	for seed := c.Seed; seed < c.Seed+c.Seeds; seed++ {
		for schedule := c.Schedule; schedule < c.Schedule+c.Schedules; schedule++ {
			plays.Go(func() error {
				s, same, err := c.play(ctx, h, seed, schedule)
				if err != nil {
					return fmt.Errorf("seed %d, schedule %d: %w", seed, schedule, err)
				}
				reporting.Lock()
				defer reporting.Unlock()
				if !s.kept || !same {
					failures++
				}
				c.report(out, s, same)
				if played++; played%100 == 0 {
					fmt.Fprintf(out, "%d played in %s, %d failures\n", played, time.Since(began).Round(time.Second), failures)
				}
				return nil
			})
		}
	}
	err = plays.Wait()
	if !c.single() { // whose output is the same each time
		fmt.Fprintf(out, "%d seeds with %d schedules each, %d times each, in %s: %d failures\n",
			c.Seeds, c.Schedules, c.Times, time.Since(began).Round(time.Second), failures)
	}
	return failures, err
}

// single reports whether a story is to be told.
func (c *command) single() bool { return c.Seeds == 1 && c.Schedules == 1 }

// play plays one seed as often as it is to be played, and reports whether it told the same each time.
func (c *command) play(ctx context.Context, h *host, seed, schedule uint64) (first story, same bool, err error) {
	for n := range c.Times {
		if err := ctx.Err(); err != nil {
			return first, false, err
		}
		text := &bytes.Buffer{}
		kept, err := h.play(ctx, seed, schedule, text)
		if err != nil {
			return first, false, err
		}
		if n == 0 {
			first = story{seed, schedule, text.Bytes(), kept}
		} else if !bytes.Equal(text.Bytes(), first.text) {
			return first, false, nil
		}
	}
	return first, true, nil
}

// report shows the story of a single play, and of many those to look at.
func (c *command) report(out io.Writer, s story, same bool) {
	if !same {
		fmt.Fprintf(out, "seed %d, schedule %d tells ANOTHER STORY when it is played again\n", s.seed, s.schedule)
	}
	if c.single() {
		text := s.text
		if !c.Requests {
			text = request.ReplaceAll(text, nil)
		}
		fmt.Fprintf(out, "%s", text)
	}
	if c.single() || !s.kept {
		fmt.Fprintln(out, s)
	}
	if !c.single() && !s.kept {
		fmt.Fprintf(out, "\tmake replay SEED=%d REPLAYFLAGS=--schedule=%d\n", s.seed, s.schedule)
	}
}
