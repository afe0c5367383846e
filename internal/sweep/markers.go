package sweep

import (
	"context"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Marker is an item of the new table that says that its key is dead.
type Marker struct {
	Key       events.Key
	Version   events.Version // zero for a marker that the application wrote itself
	Deleted   string         // the text of its deleted-at number
	Shard     string         // where its event came from; empty except in form stream
	Tombstone bool           // to be kept until nothing reads the old table any more
}

// Page is one answer of a scan for markers.
type Page struct {
	Markers []Marker
	Last    []byte // where the next page starts; nil at the end of the segment
}

// Markers is the new table as the sweep sees it. Errors are classified by package fault; nothing is retried
// inside. Each call has a deadline well under the grace. Safe for concurrent use.
type Markers interface {
	// Scan reads one page of the markers of a segment, strongly consistent.
	Scan(ctx context.Context, segment, total int, after []byte) (Page, error)
	// Remove deletes the marker if the item is still exactly this marker: the same version, or for one
	// without a version the same deleted-at and still no version. False when it is not, which is no error.
	Remove(ctx context.Context, m Marker) (bool, error)
}
