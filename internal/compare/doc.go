// Package compare holds the new table against the old one: a full outer comparison by key, of every attribute's bytes.
//
// Servers return members of objects and elements of sets in any order, so both are put into one. What strings and numbers
// say is compared as text. Attributes of ours are left out on the new side. The outcomes of the keys come one after the
// other (Each), or counted (Tables).
//
// It has a package of its own: a walk reads any table and knows no items, while this knows items and needs two tables that
// somebody reads for it. The demonstration, the end-to-end tests and the measurements use it. The simulation does not: it
// checks the engine by code that shares nothing with it.
//
// Memory: about 150 bytes and the key for each row of the old table. Nobody may write to either table meanwhile.
package compare
