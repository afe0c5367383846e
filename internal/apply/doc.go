// Package apply writes the records of <name>.snapshot and <name>.live to the new table.
//
// How a record goes through, and the files in that order:
//
//	worker.go     Run starts a goroutine for each partition, the writers, and one that commits
//	fetch.go      the Fetcher reads a partition on; every record of it begins (partition.go)
//	budget.go     how much may be in memory; the fetches wait (invariant 8)
//	decide.go     Rules: write it, drop it, or it can never be applied
//	lane.go       jobs of one key wait in a lane, sorted by version
//	lanes.go      which lanes are next: live before snapshot, one call for each key at a time
//	gate.go       whether a call may begin now (concurrency.go, window.go, causes.go; limits.go from outside)
//	write.go      a writer makes the call to the Target (target.go): Insert ×25 or Put; or writes to the dlq
//	settle.go     what the answer means: done, tried again, on to the dlq, or the end
//	outcome.go    the one word for what became of a record, and how those are counted
//	partition.go  the frontier: the offset below which all is done
//	commit.go     that offset and the counts become durable
//
// Of the records of one key that wait only the highest version is written, and what is below it is superseded then. Order
// beyond that is not needed: the table's condition decides (invariant 1). An offset is committed only when every record
// below it is durable in the new table or in the dlq, or was dropped (invariant 2).
//
// Lanes and gate know nothing of each other's affairs: lanes keep the order of each key, and the gate the flow. It finds how
// many units a second the table takes from the writes that are throttled; how many calls are under way follows from that,
// and fewer are when calls are not answered. Keys in a throttled range wait for a window of their own, and the others do not
// wait for them, as long as there is memory for those that wait.
//
// A crash leaves at most some records written and not committed. They are applied again, and find themselves in the table.
package apply
