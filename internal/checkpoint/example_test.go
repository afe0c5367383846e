package checkpoint_test

import (
	"context"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
)

// Two workers find every segment done, and both want to close the snapshot. The control log lets one of them.
func ExampleControl_Update() {
	ctx, log := context.Background(), &checkpointtest.Log{}
	operator := checkpoint.NewControl(log, "operator")
	_, _, err := operator.Update(ctx, func(checkpoint.State) (*checkpoint.ControlEntry, error) {
		return &checkpoint.ControlEntry{Created: &checkpoint.Created{Generation: 1}}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, worker := range []string{"worker-1", "worker-2"} {
		control := checkpoint.NewControl(log, worker)
		state, wrote, err := control.Update(ctx, func(state checkpoint.State) (*checkpoint.ControlEntry, error) {
			if state.Closed != nil {
				return nil, nil // by whomever
			}
			return &checkpoint.ControlEntry{Closed: &checkpoint.Closed{Generation: state.Generation(), Ends: map[int]int64{0: 42}}}, nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s; wrote the close: %t\n", worker, state.Phase(), wrote)
	}
	// Output:
	// worker-1: streaming; wrote the close: true
	// worker-2: streaming; wrote the close: false
}

// Three records are fetched, and their writes end in another order. What is committed is never past one that is under way.
func ExampleFrontier() {
	var frontier checkpoint.Frontier[int64]
	first, second, third := frontier.Begin(100), frontier.Begin(101), frontier.Begin(102)
	say := func() {
		if offset, ok := frontier.Position(); ok {
			fmt.Printf("everything is done up to offset %d; pending: %d\n", offset, frontier.Pending())
		} else {
			fmt.Printf("nothing can be committed; pending: %d\n", frontier.Pending())
		}
	}
	frontier.Done(third)
	say()
	frontier.Done(first)
	say()
	frontier.Done(second)
	say()
	// Output:
	// nothing can be committed; pending: 3
	// everything is done up to offset 100; pending: 2
	// everything is done up to offset 102; pending: 0
}
