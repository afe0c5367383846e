// Package sweep removes markers from the new table once nothing older can arrive (invariant 5).
//
// A marker keeps a deleted row dead: as long as it stands, an older record of its key finds a higher version.
// Taking it away too early brings the row back. So a marker that was seen goes only after, in this order:
//
//	a  the migration is closed, and every snapshot record below the close is applied
//	b  every live record that existed when the marker was seen is applied, and the shard that the marker's
//	   event came from is published beyond it, as a durable fact
//	c  grace has passed since
//
// and then only if the item is still this very marker. A crash leaves some markers removed and the others standing;
// the next sweep starts over.
//
// Markers are taken in windows, so memory does not grow with their number (invariant 8). Each window waits for its
// own guards and its own grace.
package sweep
