// Package newtable knows how the new table stores an item: the names and the form of our attributes, how a row or a marker is
// written with them, how an item is read again, and the conditions on it. Nobody else spells a name or a condition.
//
// An item of the new table is one of four, by two attributes:
//
//	               no version           a version
//	no deleted     own: a row that the  copy: a row that the
//	               application wrote    pipeline brought
//	deleted        own marker           marker of a copied delete
//
// The pipeline never changes what is own: it satisfies no condition with a version (invariant 10). A marker says that the key
// is dead, so that an older record finds a higher version. An item with a marker's attributes and others that are not ours is
// one that the application has updated (Item.Foreign).
//
// Items are bytes: Format.AppendCopy and Format.AppendOwn put our attributes in front of a row's own bytes, and no value of the row
// is decoded (invariant 7). A Format is made once for a table; it is immutable and safe for concurrent use. The package makes no
// request and knows no client.
package newtable
