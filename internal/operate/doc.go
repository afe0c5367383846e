// Package operate is what an operator does to a migration: each command is a function that opens the migration's
// connections by package assembly, does its work and gives them back.
//
//	Create       checks, topics, start of capture, the control record
//	Restart      the same for a new generation
//	Replay       everything is applied again
//	WatchStatus  what an operator wants to see
//	Sweep        removing markers
//	Run          create, and all workers in one process
package operate
