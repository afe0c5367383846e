// Package sim plays whole migrations in fake time: the real workers as internal/assembly wires them, the real Kafka and
// DynamoDB clients, a broker on a virtual network and the embedded DynamoDB, all in one process. A seed decides the
// application, the faults and when workers are killed, frozen and started; after every quiet point the new table is
// compared with a naive model, and a witness checks each write to it.
//
//	make sim SEEDS=1000
//	go test ./internal/sim -run 'TestSeed$' -seed=17 -v      one seed again, with its story
//	make mutants                                             the program damaged, and what the simulation says to it
//
// The plan of a seed is always the same. The order in which goroutines run at one moment of the fake time is not, so a
// seed may need to be played several times (-again) before a failure shows again.
package sim
