// Package walk reads a whole table, segment by segment and page by page. Every scan of a table passes through it: the
// snapshot's, the search's, the sweep's, and those of a command that looks at all rows once.
//
//	Place ─▶ turn (Reads) ─▶ Source ─▶ Visit ─▶ frontier of the segment ─▶ Finished(Place)
//
// Rules:
//   - An empty page is not the end of a segment. Only the missing key is.
//   - A page is read again until it is read, in one place (Walk.page): nothing is left out, and nothing is visited twice.
//   - A place is told when its page and all before it in the segment have been visited (invariant 2). A walk that begins at
//     the places that were told last visits every page that was not finished, and perhaps some that were.
//   - Reads are paced: when the table is throttled, all segments slow down. A throttled range of keys slows its own segment.
//   - The pages in memory are bounded: AtOnce times PagesInFlight (invariant 8).
//
// A walk has no durable state of its own. Its caller makes places durable, or begins again.
package walk
