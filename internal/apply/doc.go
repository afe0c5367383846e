// Package apply writes the records of <name>.snapshot and <name>.live to the new table.
//
// One row's way through it, in the order of the files:
//
//	Log.Fetch ─▶ partition ─▶ Rules.Decide ─▶ lanes ─▶ writer ─▶ Target ─▶ partition.done ─▶ Commit
//	              │ begin        write/drop/dead  │ by key   │ Insert ×25 or Put       │ frontier
//	              ▼                               ▼          ▼                         ▼
//	           budget: bytes            live before snapshot; pace: how fast       offsets and counts
//
// Records of one key are never written at the same time, and of those that wait only the highest version is
// written. Order beyond that is not needed: the condition decides (invariant 1). An offset is committed only
// when every record below it is durable in the new table or in the dlq (invariant 2).
//
// The pace finds how many units a second the table takes, from the writes that are throttled; how many calls are under
// way follows from that, and fewer are when calls are not answered. Keys whose range is throttled wait for a window of
// their own, and the others do not wait for them, as long as there is memory for those that wait.
//
// A crash leaves at most some records written and not committed. They are applied again, and find themselves
// in the table. Memory is bounded by Config.MaxBytes whatever the backlog (invariant 8).
package apply
