package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// halted says that this shard cannot be read further. The other shards can.
type halted struct {
	Gap string // what the stream has lost; empty if nothing is lost, and another try may get past it
	Err error
}

func (h *halted) Error() string { return h.Err.Error() }

func (h *halted) Unwrap() error { return h.Err }

// refused halts the shard for a change that neither the live topic nor the dlq takes. Leaving the change out would lose it.
func (r *reader) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &halted{Err: err}
}

// halt returns nil if err is about this shard alone, and has written a fact then that says why the shard has stopped. It returns
// any other err. Invariant 4: nothing is skipped, and the children wait, for the shard is not done.
func (r *reader) halt(ctx context.Context, err error) error {
	h, ok := errors.AsType[*halted](err)
	if !ok && !errors.Is(err, ErrUnreadable) {
		return err
	}
	fact := r.fact
	if ok && h.Gap != "" {
		fact.Gap, fact.Stopped = h.Gap, ""
	} else {
		fact.Stopped = fmt.Sprintf("shard %s cannot be captured further than sequence number %s: %v", r.fact.Shard, orStart(r.fact), err)
	}
	return r.note(ctx, fact)
}

// note writes why a shard has stopped as a fact, for the status. Confirmed stays what it was: nothing was confirmed.
func (w *Worker) note(ctx context.Context, fact checkpoint.ShardFact) error {
	return fault.Do(ctx, fault.Retrying(w.Logger, "write why shard "+fact.Shard+" has stopped"), func(ctx context.Context) error { return w.write(ctx, fact) })
}

// maxNamed is how many stopped shards are named at once. A stream that was turned off stops all of them.
const maxNamed = 5

// halts remembers which of a worker's shards have stopped, and what has been logged of it. The goroutine of lineage owns it.
type halts struct {
	*Worker
	said  map[string]string    // why, by shard, as last said
	at    time.Time            // when all of them were last named
	tried map[string]time.Time // when a stopped shard was last read
}

func newHalts(w *Worker) *halts {
	return &halts{Worker: w, said: map[string]string{}, tried: map[string]time.Time{}}
}

// ended notes that a shard's reader has returned.
func (h *halts) ended(shard string) {
	if fact, _ := h.Facts.Shard(h.Generation, shard); fact.Stopped != "" {
		h.tried[shard] = time.Now()
		return
	}
	delete(h.tried, shard)
}

// waits reports whether a stopped shard is left alone for now: for Again after this assignment has tried it. One that it has not
// tried is tried at once, for this process may be a newer build, or the topic may take the change now.
func (h *halts) waits(fact checkpoint.ShardFact) bool {
	tried, known := h.tried[fact.Shard]
	return fact.Stopped != "" && known && time.Since(tried) < h.Again
}

// say logs at error level which shards have stopped: each one when it stops, and all of them again after Again.
func (h *halts) say(stopped []checkpoint.ShardFact) {
	again := time.Since(h.at) >= h.Again
	said, lines := map[string]string{}, 0
	for _, fact := range stopped {
		why := fact.Gap + fact.Stopped
		said[fact.Shard] = why
		if !again && h.said[fact.Shard] == why {
			continue
		}
		if lines++; lines <= maxNamed {
			h.Logger.Error(h.words(fact), "shard", fact.Shard, "why", why, "advice", h.advice(fact))
		}
	}
	if lines > maxNamed {
		h.Logger.Error("and so have other shards; the status names them all", "shards", lines-maxNamed)
	}
	if again && lines > 0 {
		h.at = time.Now()
	}
	h.said = said
}

func (h *halts) words(fact checkpoint.ShardFact) string {
	if fact.Gap != "" {
		return "the stream has a gap; capture of this shard has stopped and nothing was skipped; other shards go on"
	}
	return "capture of this shard has stopped and nothing was skipped; other shards go on"
}

func (h *halts) advice(fact checkpoint.ShardFact) string {
	if fact.Gap != "" {
		return h.GapAdvice
	}
	return fmt.Sprintf("it is tried again every %s; if it is a record that is not understood, start a newer build before the stream forgets it", h.Again)
}
