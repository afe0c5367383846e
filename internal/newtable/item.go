package newtable

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events"
)

// Item is an item of the new table, and what our attributes say of it.
type Item struct {
	events.Item
	format *Format
}

// Parse reads the bytes of an item, which the Item shares. Errors are of type *events.Invalid.
func (f *Format) Parse(raw []byte) (Item, error) {
	decoder := f.decoders.Get().(*events.Decoder)
	defer f.decoders.Put(decoder)
	item, err := decoder.Item(raw)
	return Item{Item: item, format: f}, err
}

// Key is the item's key. Errors are of type *events.Invalid.
func (i Item) Key() (events.Key, error) { return i.format.Schema.Key(i.Item) }

// Own reports whether the item has no version: the application wrote it, and no record changes it any more.
func (i Item) Own() bool { return i.Held() == nil }

// Held is the value of the version attribute as it stands, whatever it is; nil when there is none.
func (i Item) Held() []byte { return i.Attribute(i.format.Names.Version) }

// VersionText is the text of the version attribute, as the database compares it; empty when there is none, or when it is not of
// the type S: no condition takes that for a version.
func (i Item) VersionText() string { return text(i.Held(), "S") }

// Version is the item's version; the zero Version where VersionText is empty. An error says that the text is no version.
func (i Item) Version() (events.Version, error) {
	text := i.VersionText()
	if text == "" {
		return events.Version{}, nil
	}
	return events.ParseVersion(text)
}

// Marker reports whether the item is a marker, updated or not.
func (i Item) Marker() bool { return i.Deleted() != "" }

// Deleted is the text of a marker's deleted-at number, seconds since 1970; empty when the item is no marker. An attribute of that name
// that is no number is not ours.
func (i Item) Deleted() string { return text(i.DeletedHeld(), "N") }

// DeletedHeld is the value of the deleted-at attribute as it stands, whatever it is; nil when there is none.
func (i Item) DeletedHeld() []byte { return i.Attribute(i.format.Names.Deleted) }

// Shard is where a marker's event came from; empty when it does not say.
func (i Item) Shard() string { return text(i.Attribute(i.format.Names.Shard), "S") }

// Tombstone reports whether a marker must stay until nothing reads the old table.
func (i Item) Tombstone() bool { return i.Attribute(i.format.Names.Tombstone) != nil }

// Foreign reports whether the item has attributes that are neither its key nor ours: an item with a marker's attributes that the
// application has updated is no marker.
func (i Item) Foreign() bool {
	return slices.ContainsFunc(i.Attributes, func(a events.Attribute) bool { return i.format.foreign(a.Name) })
}

// Is reports whether the item is still the marker that had this version or, without one, this deleted-at number: what the condition
// Format.Is asks of the database. A marker without a version that has another number has been written anew.
func (i Item) Is(version events.Version, deleted string) bool {
	if !i.Marker() {
		return false
	}
	if version != (events.Version{}) {
		return i.VersionText() == version.String()
	}
	return i.Own() && i.Deleted() == deleted
}

// text is the text of a value of this type, which is S or N; empty if it is of another, or nil.
func text(value []byte, kind string) string {
	found, text, err := dynamojson.Typed(value)
	if err != nil || found != kind || len(text) < 2 || text[0] != '"' {
		return ""
	}
	plain, err := jsontext.AppendUnquote(nil, text)
	if err != nil {
		return ""
	}
	return string(plain)
}
