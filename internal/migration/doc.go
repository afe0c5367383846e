// Package migration reads the YAML file that describes a migration.
//
// The struct Config is the only list of the fields: the reader, the file that Template prints and
// docs/CONFIGURATION.md are all made from its tags. Every problem of a file is found at once, each with its line and
// column.
package migration

//go:generate go run ./docgen ../../docs/CONFIGURATION.md
