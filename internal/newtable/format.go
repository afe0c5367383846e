package newtable

import (
	"bytes"
	"slices"
	"strconv"
	"sync"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Attributes are the names of our attributes on items of the new table. The zero Attributes are none.
type Attributes struct {
	Version   string // S: events.Version
	Deleted   string // N, seconds since 1970: the item is a marker
	Shard     string // S: on a marker, where its event came from
	Tombstone string // BOOL true: on a marker that must stay until nothing reads the old table
}

// Names are the names, which no item of the application may use.
func (a Attributes) Names() []string { return []string{a.Version, a.Deleted, a.Shard, a.Tombstone} }

// Has reports whether an attribute of this name is ours.
func (a Attributes) Has(name string) bool {
	switch name {
	case "":
		return false // nothing is called so: of the zero Attributes
	case a.Version, a.Deleted, a.Shard, a.Tombstone:
		return true
	}
	return false
}

// Format is the form of the items of one new table.
type Format struct {
	Schema events.KeySchema
	Names  Attributes

	// Each of our attributes as it begins in an item, up to its value or to the text of it.
	version, deleted, shard, tombstone []byte
	// The parts of AbsentOrLower around its version, as a request has them.
	lower, end []byte
	decoders   sync.Pool // of *events.Decoder
}

// NewFormat returns the form of the items of a table with this key schema.
func NewFormat(schema events.KeySchema, names Attributes) *Format {
	f := &Format{
		Schema: schema, Names: names,
		version:   append(dynamojson.Quote(nil, names.Version), `:{"S":"`...),
		deleted:   append(dynamojson.Quote(nil, names.Deleted), `:{"N":"`...),
		shard:     append(dynamojson.Quote(nil, names.Shard), `:{"S":`...),
		tombstone: append(dynamojson.Quote(nil, names.Tombstone), `:{"BOOL":true},`...),
		decoders:  sync.Pool{New: func() any { return events.NewDecoder(schema) }},
	}
	some := events.Version{Generation: 1}
	whole := f.AbsentOrLower(some).Append(nil, ConditionExpression)
	at := bytes.LastIndex(whole, some.Append(nil)) // names come before values
	f.lower, f.end = whole[:at:at], whole[at+len(some.String()):]
	return f
}

// AppendCopy appends the item, or the marker, that an event of the pipeline leaves in the table: with the event's version. The event
// of a marker has a Time.
func (f *Format) AppendCopy(b []byte, e events.Event) []byte {
	b = e.Version.Append(append(append(b, '{'), f.version...))
	return f.appendRest(append(b, `"},`...), e)
}

// AppendOwn appends the item, or the marker, that a write of the application leaves in the table: without a version.
// The event of a marker has a Time.
func (f *Format) AppendOwn(b []byte, e events.Event) []byte { return f.appendRest(append(b, '{'), e) }

// appendRest appends what follows the version: the attributes of a marker if it is one, then the row's own bytes or the key's.
func (f *Format) appendRest(b []byte, e events.Event) []byte {
	if e.Op == events.Write {
		return appendMembers(b, e.Item.Raw)
	}
	b = append(strconv.AppendInt(append(b, f.deleted...), e.Time.Unix(), 10), `"},`...)
	if e.Source != "" {
		b = append(dynamojson.Quote(append(b, f.shard...), e.Source), `},`...)
	}
	if e.Op == events.Tombstone {
		b = append(b, f.tombstone...)
	}
	return appendMembers(b, []byte(e.Key))
}

// appendMembers appends an object without its opening brace.
func appendMembers(b, object []byte) []byte {
	return append(b, object[bytes.IndexByte(object, '{')+1:]...)
}

// AppendVersion appends the value of the version attribute.
func AppendVersion(b []byte, v events.Version) []byte {
	return append(v.Append(append(b, `{"S":"`...)), `"}`...)
}

// foreign reports whether an attribute is neither of the key nor ours.
func (f *Format) foreign(name string) bool {
	return !f.Names.Has(name) && !slices.ContainsFunc(f.Schema, func(k events.KeyAttribute) bool { return k.Name == name })
}
