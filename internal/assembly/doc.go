// Package assembly puts the parts together: it turns a migration's configuration into connections and workers. The
// commands, the demonstration and the end-to-end tests all start here, so that there is one way in which a migration is
// wired.
//
//	Open ──▶ Parts ──▶ Snapshot    a backfill worker
//	               ├─▶ Streamer    capture and apply, or one of them
//	               └─▶ Everything  all of it in one process
//
// The package has no policy of its own. What it decides is who gets which connection, and which share of a rate
// follows from which share of partitions. What an operator does with the same Parts (create, restart, replay, status,
// sweep) is in package operate, which imports this one.
package assembly
