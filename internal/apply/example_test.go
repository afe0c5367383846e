package apply_test

import (
	"context"
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/events"
)

// memory is a partition that holds these records.
type memory []events.Record

func (m memory) Fetch(ctx context.Context, _ events.TopicPartition, offset int64, _ int) (apply.Batch, error) {
	end := int64(len(m))
	if offset == end { // nothing more comes
		<-ctx.Done()
		return apply.Batch{}, context.Cause(ctx)
	}
	return apply.Batch{Records: m[offset:], Next: end, End: end}, nil
}

// table is a new table of one row.
type table struct{ row events.Event }

func (t *table) Put(_ context.Context, e events.Event) apply.Result {
	if t.row.Version.Compare(e.Version) >= 0 {
		return apply.Result{Outcome: apply.Stale}
	}
	t.row = e
	return apply.Result{Outcome: apply.Applied}
}

func (t *table) Insert(ctx context.Context, rows []events.Event) []apply.Result {
	return []apply.Result{t.Put(ctx, rows[0])}
}

// Three changes of one key arrive out of order. The highest is written, and counts for those below it.
func ExampleWorker() {
	live := events.TopicPartition{Topic: "orders.live"}
	var topic memory
	for offset, change := range []uint64{2, 3, 1} {
		record := events.Encode(events.Event{
			Key: `{"id":{"S":"a"}}`, Op: events.Write,
			Version: events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(change)},
			Item:    events.Item{Raw: fmt.Appendf(nil, `{"id":{"S":"a"},"total":{"N":"%d"}}`, change)},
		})
		record.TopicPartition, record.Offset = live, int64(offset)
		topic = append(topic, record)
	}

	var orders table
	worker := apply.New(apply.Config{
		Fetcher: topic, Target: &orders,
		Rules:  apply.Rules{From: apply.FromStream, SnapshotTopic: "orders.snapshot", LiveTopic: live.Topic, LivePartitions: 1},
		Schema: events.KeySchema{{Name: "id", Type: "S"}}, Watch: watch{checkpoint.State{Created: &checkpoint.Created{Generation: 1}}},
		CommitEvery: time.Millisecond,
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var committed apply.Progress
	err := worker.Run(ctx, map[events.TopicPartition]apply.Progress{live: {}},
		func(_ context.Context, progress map[events.TopicPartition]apply.Progress) error {
			if committed = progress[live]; committed.Offset == int64(len(topic)) {
				stop()
			}
			return nil
		})
	fmt.Printf("%s %v\n", orders.row.Item.Raw, err)
	fmt.Printf("committed up to %d: applied %d, superseded %d\n", committed.Offset, committed.Counts.Applied, committed.Counts.Superseded)
	// Output:
	// {"id":{"S":"a"},"total":{"N":"3"}} <nil>
	// committed up to 3: applied 1, superseded 2
}
