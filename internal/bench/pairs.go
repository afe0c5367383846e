package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// side is one of the two ways; a call is one run. It returns how long the run took, without what it needed before and
// without the counting of what arrived; it is an error if that is not every row.
type side func(ctx context.Context) (time.Duration, error)

// pair is two ways to do the same work.
type pair struct {
	name    string
	target  float64 // what ours is to be of bare, at least; 0 for the control
	prepare func(ctx context.Context, p *parts) (ours, bare side, err error)
}

var allPairs = []pair{
	{"control", 0, controlPair},
	{"apply-live", 2, applyLivePair},
	{"apply-snapshot", 1.3, applySnapshotPair},
	{"snapshot", 3, snapshotPair},
	{"capture", 2, capturePair},
}

// controlPair is the same side twice: how far from 1 its ratio goes is what a ratio of the others may be wrong by.
func controlPair(ctx context.Context, p *parts) (ours, bare side, err error) {
	ours, _, err = applyLivePair(ctx, p)
	return ours, ours, err
}

func choose(names []string) ([]pair, error) {
	if len(names) == 0 {
		return allPairs, nil
	}
	var chosen []pair
	for _, name := range names {
		found := false
		for _, p := range allPairs {
			if p.name == name {
				chosen, found = append(chosen, p), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no pair %q", name)
		}
	}
	return chosen, nil
}

// patience bounds a run: one that hangs is a failure.
const patience = 5 * time.Minute

// measure runs a pair on parts of its own: a round that is not counted, then the rounds. Who begins changes with each.
func (p pair) measure(ctx context.Context, rows cities, rounds int, progress io.Writer) (r result, err error) {
	parts, err := openParts(rows) //nolint:contextcheck // to listen on loopback does not wait
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, parts.close()) }()
	ours, bare, err := p.prepare(ctx, parts)
	if err != nil {
		return r, fmt.Errorf("prepare: %w", err)
	}
	speed := func(name string, s side) (float64, error) {
		runtime.GC() // what the run before left is not this one's
		ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done after %s", patience))
		defer cancel()
		took, err := s(ctx)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		return float64(len(rows)) / took.Seconds(), nil
	}
	var counted []round
	for i := range rounds + 1 {
		var at round
		var err1, err2 error
		if i%2 == 0 {
			at.Ours, err1 = speed("ours", ours)
			at.Bare, err2 = speed("bare", bare)
		} else {
			at.Bare, err2 = speed("bare", bare)
			at.Ours, err1 = speed("ours", ours)
		}
		if err := errors.Join(err1, err2); err != nil {
			return r, err
		}
		if i > 0 {
			counted = append(counted, at)
		}
		fmt.Fprintf(progress, "%s %d/%d: ours %.0f, bare %.0f rows/s\n", p.name, i, rounds, at.Ours, at.Bare)
	}
	return summarize(p.name, len(rows), counted), nil
}

// stopwatch times run, which works until its context ends, to the moment when finished reports true.
func stopwatch(ctx context.Context, run func(context.Context) error, finished func() bool) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !finished() {
		select {
		case err := <-ended:
			return 0, fmt.Errorf("ended before all rows had arrived: %w", cmp.Or(err, context.Cause(ctx), errors.New("by itself")))
		case <-tick.C:
		}
	}
	took := time.Since(began)
	cancel()
	return took, <-ended
}
