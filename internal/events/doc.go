// Package events is the language that every part of Crossfade speaks: the change of one key, the version
// that orders it, the canonical form of the key, and the Kafka record that carries it.
//
// A row keeps one shape on its whole way: the bytes of the item as DynamoDB JSON, which dynamojson reads. This package
// decodes no value of them but those of the key (invariant 7).
//
//	Item ── dynamojson ──▶ Attributes ── KeySchema.Key ──▶ Key (canonical JSON; also the Kafka key)
//	Event{Key, Op, Version, Item} ── Encode ──▶ Record ── Decoder.Record ──▶ Event
//
// The package is pure: no clock, no goroutine, no I/O. All types but Decoder are values.
package events
