// Package operate is what an operator does to a migration. Each command is one function that opens the migration's connections
// (package assembly), does its work and gives them back; cmd/crossfade adds flags and output, and decides nothing.
//
//	Create                    checks ─▶ stream ─▶ topics ─▶ start of capture ─▶ control record
//	Restart                   checks ─▶ stream ─▶ start of capture ─▶ control record of a new generation
//	Replay                    refusals ─▶ announced ─▶ offsets set back ─▶ begun
//	Sweep                     the guards and the pass are package sweep's
//	ReadStatus, WatchStatus   reading ─▶ fold ─▶ verdict
//	Run                       Create, and all workers in one process
//
// First everything is looked at that can be, and nothing is changed when a check has a problem. In create and restart the control
// record comes last: a crash before it leaves what the same command goes on from, or what nobody reads. A replay is announced
// first, for a sweep must know of it before the offsets move; one that was cut off is run again.
//
// # The files, in reading order
//
//	create.go          what happens on create, top down
//	preflight.go       which checks there are for create and for restart, in their order
//	checks_*.go        what each check does: tables and permissions, the stream, the topics and leftovers,
//	                   other migrations, the items of the new table
//	restart.go         a new generation
//	replay.go          everything again
//	sweep.go, run.go   what is handed to package sweep; everything in one process, and a status beside a worker
//	status.go          Status, which is what is shown; Onlooker, which looks again and again
//	reading.go         one look: all that is read of a migration, and when; dead.go counts the dlq
//	fold.go            what a reading means. It is pure: no clock, no connection, the time is in the reading
//	verdict.go         whether a person is needed, why, and what to do; pure
//
// # What comes next
//
//   - Lag, metrics and a page over HTTP show a Status: what is new in it is read in reading.go and means something in fold.go. They
//     get theirs from an Onlooker, as Show does, and render it beside the command's text in cmd/crossfade.
//   - Verify and repair are commands of their own: a file beside sweep.go, with the comparison in a package of the core.
//   - A check of another database is a file checks_*.go and a line in preflight.go.
package operate
