// Package capture publishes the changes of the old table to <name>.live.
//
// A stream is a forest of shards. A shard is read from its first record to its last, and a child only after its parent. That a
// shard is finished is a durable fact, so the rule holds across processes. A worker owns the shards whose ids hash to its
// partitions. The lineage pass compares the stream with the facts, and starts a reader for each shard that may be read.
//
//	Shards + facts ─▶ plan ─▶ reader: Iterator ─▶ Records ─▶ Publish ─▶ fact ─▶ … ─▶ done ─▶ the children
//
// Facts alone decide where reading goes on. LATEST is never used: after a crash there would be nothing to come back to. A shard
// stops, and nothing of it is skipped (invariant 4), when
//
//	gap      the stream no longer has the place: final for this generation; crossfade restart is the way on
//	stopped  a change is not understood, or neither the topic nor the dlq takes it: tried again every minute, and by
//	         whoever owns the shard next
//
// Either is a fact, for the status. The children of a stopped shard wait. All other shards go on.
//
// A crash leaves some records published without a fact. They are published again, which changes nothing.
package capture
