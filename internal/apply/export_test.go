package apply

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Steps is a run of a Worker taken apart: each method is what one of its goroutines does between two requests, by the
// same code. It has no goroutine and no timer, so that a search can go through every order of them. It belongs to one
// goroutine, and what it is asked for must exist.
type Steps struct {
	run     *run
	decoder *events.Decoder
	calls   [][]holding
}

// Row is a record in a lane.
type Row struct {
	Partition events.TopicPartition
	Offset    int64
	Event     events.Event
	Dead      bool // it goes to the dlq
}

// Lane is the work of one key.
type Lane struct {
	Rows []Row // by version, lowest first
	Held bool  // a writer has it
}

// Steps begins a run of the worker.
func (w *Worker) Steps(assigned map[events.TopicPartition]Progress) *Steps {
	return &Steps{run: w.newRun(assigned), decoder: events.NewDecoder(w.Schema)}
}

// Fetched takes in the record that follows in its partition.
func (s *Steps) Fetched(ctx context.Context, r events.Record) error {
	batch := Batch{Records: []events.Record{r}, Next: r.Offset + 1}
	return s.run.dispatch(ctx, s.partition(r.TopicPartition), s.decoder, r.Offset, batch)
}

func (s *Steps) partition(id events.TopicPartition) *partition {
	return s.run.partitions[slices.IndexFunc(s.run.partitions, func(p *partition) bool { return p.id == id })]
}

// Take lets a writer begin the next call, and reports whether there is one.
func (s *Steps) Take() bool {
	ls := s.run.lanes
	ls.mu.Lock()
	held := ls.next(time.Now())
	ls.mu.Unlock()
	if held == nil {
		return false
	}
	s.calls = append(s.calls, held)
	slices.SortFunc(s.calls, func(a, b []holding) int { return strings.Compare(a[0].key, b[0].key) })
	return true
}

// Calls are the rows of each call under way, to the table or to the dlq, sorted by the key of the first.
func (s *Steps) Calls() [][]Row {
	calls := make([][]Row, 0, len(s.calls))
	for _, held := range s.calls {
		rows := make([]Row, 0, len(held))
		for _, h := range held {
			rows = append(rows, rowOf(h.job))
		}
		calls = append(calls, rows)
	}
	return calls
}

func rowOf(j *job) Row {
	return Row{j.record.TopicPartition, j.record.Offset, j.event, j.dead != nil}
}

// Answer ends a call with a result for each of its rows. One that is to be tried again may be at once.
func (s *Steps) Answer(call int, results []Result) error {
	held := s.calls[call]
	s.calls = slices.Delete(s.calls, call, call+1)
	if held[0].job.dead != nil {
		s.run.lanes.posted()
	} else {
		s.run.lanes.returned(held[0], answer{rows: len(held)})
	}
	for i, h := range held {
		if err := results[i].Err; err != nil && fault.Of(err) == fault.Retry {
			s.again(h.lane)
		} else if err := s.run.settle(h, results[i], fault.NotThrottled); err != nil {
			return err
		}
	}
	return nil
}

// again does what a timer does after the wait.
func (s *Steps) again(l *lane) {
	s.run.lanes.mu.Lock()
	defer s.run.lanes.mu.Unlock()
	s.run.lanes.again(l)
}

// Lanes are all that have work: those that wait for a writer in the order of their turns, then the others by key.
func (s *Steps) Lanes() []Lane {
	ls := s.run.lanes
	var all []*lane
	for _, q := range []*queue{&ls.letters, &ls.throttled.live, &ls.ready.live, &ls.throttled.snapshot, &ls.ready.snapshot} {
		for _, l := range q.lanes {
			if l.queue == q {
				all = append(all, l)
			}
		}
	}
	waiting := len(all)
	for _, l := range ls.byKey {
		if l.held {
			all = append(all, l)
		}
	}
	slices.SortFunc(all[waiting:], func(a, b *lane) int { return strings.Compare(a.key, b.key) })
	lanes := make([]Lane, 0, len(all))
	for _, l := range all {
		rows := make([]Row, 0, len(l.waiting))
		for _, j := range l.waiting {
			rows = append(rows, rowOf(j))
		}
		lanes = append(lanes, Lane{rows, l.held})
	}
	return lanes
}

// Committable is the offset that may be committed for a partition.
func (s *Steps) Committable(id events.TopicPartition) int64 {
	at, _ := s.partition(id).uncommitted()
	return at.Offset
}
