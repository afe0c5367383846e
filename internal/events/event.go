package events

import "time"

// Op is what an event does to its key.
type Op uint8

// The operations. The zero Op is none.
const (
	Write     Op = iota + 1 // the key's item is this image
	Delete                  // the key is gone at the source
	Tombstone               // the key is dead, although the source may still hold it
)

var opNames = [...]string{Write: "write", Delete: "delete", Tombstone: "tombstone"}

func (o Op) String() string {
	if int(o) < len(opNames) && o != 0 {
		return opNames[o]
	}
	return "none"
}

// Event is one change of one key.
type Event struct {
	Key     Key
	Op      Op
	Version Version   // zero when the record carries none: an application's own event
	Item    Item      // zero unless Op is Write
	Time    time.Time // when the change happened, to the millisecond; zero when unknown; never part of the order
	Source  string    // where it was read: a shard's id, or "segment/total"; empty for an application's event
	// Position is the application's own position, from its header; empty when it sent none.
	Position Position
}
