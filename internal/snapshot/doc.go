// Package snapshot publishes the old table, as read, to <name>.snapshot.
//
// The scan is cut into segments. A worker walks over the segments it is given (package walk), in random order, as fast as
// the source allows; a page is published while the next one is read. When a page and all before it are acknowledged, a
// fact says so with the key to go on from (invariant 2). When every segment is done, the closer writes the end of the
// topic to the control log: the close.
//
//	Source.Scan ─▶ records ─▶ Publish ─▶ frontier of the segment ─▶ fact ─▶ … ─▶ done ─▶ close
//
// In a generation above 1, rows of the generations before may have vanished from the source without any
// record of it. Search walks over the new table, once the close is applied and a grace has passed, looks every row of an
// older generation up at the source, and writes a marker for those that are not there.
//
// A crash leaves some pages published without a fact. They are read and published again: duplicates, which the
// condition makes harmless. A worker that was given up for lost and comes back publishes past the close: those records
// are dropped by the applier. A search that died is done again from its start.
//
// In reading order: source.go, worker.go, close.go; vanished.go, what the search decides, and search.go.
package snapshot
