package newtable_test

import (
	"fmt"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/newtable"
)

// A delete of the old table's leaves a marker, under the condition that nothing newer is there.
func Example() {
	schema := events.KeySchema{{Name: "id", Type: "S"}}
	format := newtable.NewFormat(schema, newtable.Attributes{Version: "v", Deleted: "d", Shard: "s", Tombstone: "t"})
	version := events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(42)}

	marker := format.AppendCopy(nil, events.Event{
		Key: `{"id":{"S":"order 7"}}`, Op: events.Delete, Version: version, Time: time.Unix(1_700_000_000, 0), Source: "shard-1",
	})
	fmt.Printf("%s\n", marker)
	fmt.Println(format.AbsentOrLower(version).Text)

	item, err := format.Parse(marker)
	if err != nil {
		fmt.Println(err)
		return
	}
	read, err := item.Version()
	fmt.Println("marker:", item.Marker(), "own:", item.Own(), "updated:", item.Foreign(), "version:", read.Position.Number(), err)
	// Output:
	// {"v":{"S":"000001.1.0000000000000000000000000000000000000042.0000"},"d":{"N":"1700000000"},"s":{"S":"shard-1"},"id":{"S":"order 7"}}
	// attribute_not_exists(#k) OR #v < :v
	// marker: true own: false updated: false version: 42 <nil>
}
