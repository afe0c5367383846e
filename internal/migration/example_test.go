package migration_test

import (
	"fmt"

	"github.com/crossfadedb/crossfade/internal/migration"
)

func ExampleParse() {
	c, err := migration.Parse("orders.yaml", []byte(`
name: orders
source: {dynamodb: {table: orders, region: eu-west-1}}
target: {dynamodb: {table: orders-v2, region: eu-west-1}}
kafka: {brokers: ["127.0.0.1:9092"]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Name, c.Live.From, c.Snapshot.Segments, c.Grace)
	// Output: orders stream 64 10m0s
}

// All problems are found at once, each with its line and column.
func ExampleProblems() {
	_, err := migration.Parse("orders.yaml", []byte(`name: orders
source: {dynamodb: {table: orders}}
kafka: {brokers: ["127.0.0.1:9092"]}
snapshot:
  segment: 64
  at_once: 0
`))
	fmt.Println(err)
	// Output:
	// orders.yaml:1:5: target: is required and missing
	// orders.yaml:5:3: snapshot.segment: unknown name; did you mean "segments"?
	// orders.yaml:6:12: snapshot.at_once: must be at least 1
}
