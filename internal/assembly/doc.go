// Package assembly puts the parts together: it turns a migration's configuration into connections and workers.
// The three commands, the demonstration and the end-to-end tests all start here, so that there is one way in which
// a migration is wired.
//
//	Open ──▶ Parts ──▶ Create      checks, topics, start of capture, the control record
//	               ├─▶ Snapshot    a backfill worker
//	               ├─▶ Streamer    capture and apply, or one of them
//	               ├─▶ Run         all of it in one process
//	               ├─▶ ReadStatus  what an operator wants to see
//	               └─▶ Sweep       removing markers
//
// The package has no policy of its own. What it decides is who gets which connection, and which share of a rate
// follows from which share of partitions.
package assembly
