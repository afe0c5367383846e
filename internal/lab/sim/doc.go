// Package sim plays whole migrations in fake time: the real workers as internal/assembly wires them, the real Kafka and
// DynamoDB clients, a broker on a virtual network and the embedded DynamoDB, all in one process. A seed decides the
// application, the faults and when workers are killed, frozen and started; after every quiet point the new table is
// compared with a naive model, and a witness checks each write to it.
//
//	make sim SEEDS=1000                                      many seeds
//	make replay SEED=17                                      one seed with its story, the same each time
//	make replay SEED=17 REPLAYFLAGS=--schedules=100          one plan in 100 orders of goroutines, each of them repeatable
//	go test ./internal/lab/sim -run 'TestSeed$' -seed=17 -v      one seed natively, with its story
//	make mutants                                             the program damaged, and what the simulation says to it
//
// The plan of a seed is always the same. Natively the order in which goroutines run at one moment of the fake time is not, so
// a seed that fails there may hold the next time. The command replay runs the same test in WebAssembly, where a seed and a
// schedule decide that order too. A seed that failed natively is brought there by its plan: of many schedules some fail in
// the same way, and those do so every time.
package sim
