// Package dynamojson knows DynamoDB JSON, the form in which every row of a migration goes its way: an object of typed
// values such as {"pk":{"S":"a"},"n":{"N":"1"}}.
//
// It finds the top-level attributes in the bytes of an item, and decodes no value (invariant 7). Of what stands in a value
// it knows the one text of a number, which a key needs.
//
// The usual text is read in one pass, by Quick, which takes only what jsontext would take too, and finds the same in it.
// Whatever Quick does not take, jsontext judges.
//
// The package is a leaf: it imports nothing of Crossfade. The record codec (events), the adapter to DynamoDB, and the form of
// the new table's items (newtable) are built on it.
package dynamojson
