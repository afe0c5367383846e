// Package capture publishes the changes of the old table to <name>.live.
//
// A stream is a forest of shards: each is read from its first record to its last, and a child only when its parent is
// finished. What is finished is a durable fact, so the rule holds across processes. Workers own shards by the hash of
// their id; a lineage pass looks at the stream and at the facts and starts what may start.
//
//	Shards + facts ─▶ plan ─▶ reader: Iterator ─▶ Records ─▶ Publish ─▶ fact ─▶ … ─▶ done ─▶ the children
//
// Only facts decide where to go on. A place that the stream no longer has is a gap: capture of that shard stops, says what
// was lost, and leaves that as a fact for the status (invariant 4). LATEST is no place: there would be nothing to come
// back to. A gap is final for its generation. A change that is not understood, or that neither the topic nor the dlq takes,
// stops its shard too, and is tried again every minute and by whoever owns the shard next. The children of a shard that
// has stopped wait; other shards, and their workers, go on.
//
// A crash leaves some records published without a fact; they are published again.
package capture
