// Package sweep removes markers from the new table once nothing older can arrive (invariant 5).
//
// A marker keeps a deleted row dead: as long as it stands, an older record of its key finds a higher version.
// Taking it away too early brings the row back. So a marker that was seen goes only after, in this order:
//
//	a  the migration is closed, and every snapshot record below the close is applied
//	b  the shard that the marker's event came from is published beyond it, as a durable fact; grace has passed since,
//	   so that every capture knows of it and publishes nothing older any more; and after that every live record that
//	   existed then is applied
//	c  grace has passed since, so that no write begun before is still under way
//
// and then only if the item is still this very marker. A crash leaves some markers removed and the others standing;
// the next sweep starts over.
//
// An item with a marker's attributes and attributes of the application is no marker: the application has updated it, and it is a row to
// the application. It is left when the scan shows it, and when a look right before its removal does. No condition of the database
// tells the two apart, so what was updated between that look and the removal is put back; the removal's answer says what it was.
//
// The pass is one walk over the table (package walk), segment after segment. Markers are taken in windows, so memory does
// not grow with their number (invariant 8). A full window goes through its guards before the next page is read. The grace
// of one window's guard c is the grace of the next one's guard b; markers too young for that are carried over.
//
// In reading order: markers.go, guards.go, sweep.go, pass.go, removal.go, announce.go.
package sweep
