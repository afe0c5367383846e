package fault_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// An adapter classifies an error once, where it knows the service. Everything inside asks for the class.
func ExampleOf() {
	denied := &fault.Error{
		Class: fault.Fatal, Reason: "AccessDeniedException", What: "read the table orders", Advice: "grant dynamodb:Scan",
		Err: errors.New("not authorized"),
	}
	fmt.Println(fault.Of(fmt.Errorf("segment 3 of 64: %w", denied)))
	fmt.Println(denied)
	fmt.Println(fault.Of(errors.New("nobody has classified this one")))
	// Output:
	// fatal
	// read the table orders: not authorized; grant dynamodb:Scan
	// fatal
}

// Do tries again what may pass, and nothing else.
func ExampleDo() {
	attempts := 0
	err := fault.Do(context.Background(), nil, func(context.Context) error {
		if attempts++; attempts == 1 {
			return &fault.Error{Class: fault.Retry, Reason: "LEADER_NOT_AVAILABLE", What: "append to orders.live/3"}
		}
		return &fault.Error{Class: fault.Record, Reason: "MESSAGE_TOO_LARGE", What: "append to orders.live/3"}
	})
	fmt.Println(attempts, fault.Of(err))
	// Output: 2 record
}

// A Tally says the first of a kind at once, and the others together: here when it is closed, else once a minute.
func ExampleTally() {
	dead := fault.NewTally(func(reason string, count int, key string) { fmt.Println(reason, count, "for example", key) })
	for _, key := range []string{"a", "b", "c"} {
		dead.Add("too_large", key)
	}
	_ = dead.Close() // it has no error to return
	// Output:
	// too_large 1 for example a
	// too_large 2 for example b
}
