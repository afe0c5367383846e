package sweep

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/walk"
)

// Marker is an item of the new table that says that its key is dead.
type Marker struct {
	Key       events.Key
	Version   events.Version // zero for a marker that the application wrote itself
	Deleted   string         // the text of its deleted-at number
	Shard     string         // where its event came from; empty except in form stream
	Tombstone bool           // to be kept until nothing reads the old table any more
}

// stays reports whether the marker is to be kept until nothing reads the old table any more. One that the application wrote itself
// is a tombstone too: the row died in the new table, and no shard's fact says what is still to come of it from the old one.
func (m Marker) stays() bool { return m.Tombstone || m.Version == events.Version{} }

// Page is one answer of a scan for markers.
type Page struct {
	Markers []Marker
	Updated []events.Key // items with a marker's attribute and attributes of the application: no markers any more
	Last    []byte       // where the next page starts; nil exactly at the end of the segment
	Units   float64      // read units consumed, also for the items that are left out
}

// Extent implements walk.Page.
func (p Page) Extent() walk.Extent {
	return walk.Extent{Last: p.Last, Units: p.Units, Items: len(p.Markers) + len(p.Updated)}
}

// State is what an item is that was a marker when it was seen.
type State uint8

// The states.
const (
	Same    State = iota // still exactly this marker: the same version, or for one without a version the same deleted-at and still no version
	Changed              // gone, or written again
	Updated              // this marker, and attributes of the application
)

// Markers is the new table as the sweep sees it. Errors are classified by package fault; nothing is retried
// inside. Each call has a deadline well under the grace. Safe for concurrent use.
type Markers interface {
	// Scan reads one page of the markers of a segment, strongly consistent.
	Scan(ctx context.Context, segment, total int, after []byte) (Page, error)
	// Look reads the item of a marker again, strongly consistent.
	Look(ctx context.Context, m Marker) (State, error)
	// Remove deletes the item if it is Same or Updated: the database has no condition that tells these two apart. It returns what it
	// was; when it was Updated, also the item as it was, for PutBack. An item that is Changed stays, which is no error.
	Remove(ctx context.Context, m Marker) (was State, taken []byte, err error)
	// PutBack writes what Remove has taken, if the key is absent still, and reports whether the table holds it now. Done
	// again, it changes nothing.
	PutBack(ctx context.Context, m Marker, taken []byte) (bool, error)
}
