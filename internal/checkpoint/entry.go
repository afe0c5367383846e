package checkpoint

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/events"
)

// Created is recorded by create, after the topics and the start of capture are durable.
type Created struct {
	// Generation is 1; above that, the new table held items of earlier migrations, and this one lies above all of them.
	Generation     uint32            `json:"generation"`
	Config         map[string]string `json:"config"` // the fields that must not change, by dotted name
	KeySchema      events.KeySchema  `json:"key_schema"`
	Stream         string            `json:"stream,omitempty"` // the ARN of the stream; form stream only
	Partitions     int               `json:"partitions"`       // of .snapshot and of .live
	WorkPartitions int               `json:"work_partitions"`
	Segments       int               `json:"segments"`
	EstimatedItems int64             `json:"estimated_items"` // as the source said when it was asked
	KeepExisting   bool              `json:"keep_existing,omitempty"`
	// Target is the identity of the new table, which no other one of its name ever has; empty if the server gives none.
	Target string `json:"target,omitempty"`
	// Singly says that the new table's server knows no PartiQL, so that every row is written by a call of its own.
	Singly bool `json:"singly,omitempty"`
	// Topics are the ids that Kafka gave the migration's topics, by their names: a topic that is made again has another.
	Topics map[string]string `json:"topics,omitempty"`
}

// Closed is recorded when every segment is done: no snapshot record at or past these offsets is ever applied.
type Closed struct {
	Generation uint32        `json:"generation"`
	Ends       map[int]int64 `json:"ends"` // end offset of each partition of .snapshot
}

// Restarted is recorded by restart, after the new generation's start of capture is durable.
type Restarted struct {
	// Generation is higher than the one before, and not always by one: that of a restart that died before it came here is
	// never used again.
	Generation     uint32 `json:"generation"`
	Stream         string `json:"stream"`          // the ARN of the stream; another one if it was turned off and on
	EstimatedItems int64  `json:"estimated_items"` // as the source said when it was asked
}

// Marked is recorded when the rows that vanished in the gap before a generation have their markers.
type Marked struct {
	Generation uint32 `json:"generation"`
	Marked     int64  `json:"marked"`
	Kept       int64  `json:"kept"` // of an older generation, and still at the source: their snapshot records are in the dlq
}

// Sweeping is recorded before a pass of the sweep removes its first marker.
type Sweeping struct{}

// Swept is recorded after a pass of the sweep that removed something, or could have.
type Swept struct {
	Removed int64 `json:"removed"`
	Left    int64 `json:"left"` // markers that the pass met and had to leave
	// Updated is how many of Left have attributes of the application, which has updated them.
	Updated int64 `json:"updated,omitempty"`
	// FallbackReadsOff is the operator's word that nothing reads the old table any more.
	FallbackReadsOff bool `json:"fallback_reads_off,omitempty"`
}

// Replay is recorded twice: before the committed offsets are set back, and when they have been.
type Replay struct {
	Reset bool `json:"reset"` // they have been
}

// ControlEntry is one entry of the control log. Exactly one of the pointers is set.
type ControlEntry struct {
	After int       `json:"after"` // how many accepted entries its author had seen
	At    time.Time `json:"at"`
	By    string    `json:"by"` // the process that wrote it
	envelope
	Created   *Created   `json:"created,omitempty"`
	Restarted *Restarted `json:"restarted,omitempty"`
	Closed    *Closed    `json:"closed,omitempty"`
	Marked    *Marked    `json:"marked,omitempty"`
	Sweeping  *Sweeping  `json:"sweeping,omitempty"`
	Swept     *Swept     `json:"swept,omitempty"`
	Replay    *Replay    `json:"replay,omitempty"`

	unread string // the kind of an entry that this build cannot read, which has none of the pointers
}

// controlFormats are the kinds of control entry that this build knows, by their names in JSON.
var controlFormats = formats{
	"created": {number: 1}, "restarted": {number: 1}, "closed": {number: 1}, "marked": {number: 1}, "sweeping": {number: 1}, "swept": {number: 1},
	"replay": {number: 1},
}

// entryHead are the members that every entry has, in whatever format: they never change.
type entryHead struct {
	After int       `json:"after"`
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	envelope
}

// headMembers are the names of the members of entryHead.
var headMembers = []string{"after", "at", "by", "format", "optional", "needs"}

// decodeEntry reads a control entry. Of one that this build cannot read it returns the head alone: State.Fold decides what
// that means. An entry that no build has written is an error.
func (f formats) decodeEntry(value []byte) (e ControlEntry, err error) {
	kind, err := kindOf(value)
	if err != nil {
		return e, err
	}
	var head entryHead
	if err := json.Unmarshal(value, &head); err != nil {
		return e, err
	}
	how, err := f.reading(kind, head.envelope)
	if err != nil {
		return e, err
	}
	switch how {
	case exact:
		err = decode(value, &e)
	case lenient:
		err = json.Unmarshal(value, &e)
	default:
		e = ControlEntry{After: head.After, At: head.At, By: head.By, envelope: head.envelope, unread: kind}
	}
	return e, err
}

// encodeEntry writes a control entry, in the format that its kind has in this build.
func (f formats) encodeEntry(e ControlEntry) ([]byte, error) {
	e.envelope = envelope{}
	value, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(value)
	if err != nil {
		return nil, err
	}
	if e.envelope = f.envelope(kind); e.envelope == (envelope{}) {
		return value, nil
	}
	return json.Marshal(e)
}

// kindOf is the name of the one member of an entry that is not of its head.
func kindOf(value []byte) (string, error) {
	var members map[string]json.RawMessage
	if err := decode(value, &members); err != nil {
		return "", err
	}
	var kinds []string
	for name, body := range members {
		if !slices.Contains(headMembers, name) && string(body) != "null" {
			kinds = append(kinds, name)
		}
	}
	if len(kinds) != 1 {
		return "", fmt.Errorf("it says %d things, not one", len(kinds))
	}
	return kinds[0], nil
}
