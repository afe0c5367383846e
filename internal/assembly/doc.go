// Package assembly puts the parts together: it turns a migration's configuration into connections and workers. The
// commands, the demonstration and the end-to-end tests all start here, so that there is one way in which a migration is
// wired.
//
//	Open ──▶ Parts ──▶ Snapshot    a backfill worker
//	               ├─▶ Streamer    capture and apply, or one of them
//	               └─▶ Everything  all of it in one process
//
// The package has no policy of its own. What it decides is who gets which connection, which share of a rate follows from
// which share of partitions, and when a worker joins again. What a person does with the same Parts (create, restart, replay,
// status, sweep) is in package operate, which imports this one; never the other way.
//
// # What operate is given
//
//   - Open, OpenOn, Parts.Close: the connections, and their end.
//   - Parts.State, Created, Recorded, SameConfig: what the control log says, from "whatever it is" to "of a created migration
//     whose configuration and topics are those that were recorded".
//   - Parts.Control, ControlOf, Facts: the logs.
//   - Parts.TopicSpec, Confirm, CheckTopics: what the topics are to be, and whether they still are. Whoever makes something
//     durable about what is in a topic confirms the topics after that was fetched or acknowledged; a worker's logs do it by themselves.
//   - Parts.Frontiers: how far everything is applied for certain.
//   - Patiently, Patience: how a command waits for what is away, and how long.
//   - From, Reserved, Attributes, Role, SearchPartition, RestartCommand, Fingerprint: what follows from the configuration.
//   - WorkerOptions.Beside: what runs beside a worker, on its connections.
//
// # The files, in reading order
//
//	parts.go       Open, Parts, what a command asks of them; kafka.go and network.go are how they connect
//	topics.go      a topic is its id: Confirm, and the logs of a worker that confirm by themselves
//	workers.go     join, play the roles, join again; what a streamer is made of
//	backfill.go    what a snapshot worker is made of
//	applied.go     from where to where a partition is applied
//	begins.go      what a worker says first; attendance.go, what it says all the while; rejoins.go, when it may join again
//	memory.go      how much a snapshot worker may take
//
// # What comes next
//
// Another kind of worker (one that redirects an application's requests, say) is a role here: a method of worker, a file
// beside backfill.go, and a function beside Snapshot. What it does is a package of the core.
package assembly
