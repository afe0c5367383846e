// Package model searches every interleaving of a migration of one key, and shows that nothing is lost and nothing comes
// back from the dead; and, for each guard that the design rests on, what goes wrong without it.
//
// It is an explicit-state search. A state holds all that is durable: the source and its stream, both topics, the facts,
// the control log, the committed offsets, the new table. The steps are those of the application, of create, of
// captures, snapshot workers, appliers, the sweep, a replay, and of time. What they decide they ask of the
// parts' own pure code: events.Version, apply.Rules, checkpoint.Frontier, State, capture.Plan,
// sweep.Window, snapshot.Unmet, Suspect and Vanished. So a change of those is checked here before it is tried anywhere else.
//
// # Workers
//
// A worker holds nothing durable, so the state does not follow each of them. It follows what some worker, in time or
// stale, might still do: any number of them may have begun at any place that was durable a grace ago or later, may be
// anywhere beyond it, may have crashed, lost an answer, repeated or overtaken each other. A step is possible as long as
// a worker could be there that takes it. This allows more than can happen, and never less.
//
// The step called grace is the assumption behind guard c of the sweep: that nothing begun before it is under way after
// it. It can come at any moment.
//
// # What it does not look at
//
// Two keys; the names under which facts stand, and their compaction. A stream of two shards, or a replay, in a second
// generation; a restart without a gap; a third generation. Whether a sweep must end when a generation begins, and wait for
// the marking: it does both here, as in the program, and within these scopes nothing goes wrong without either.
//
// # A second generation
//
// The stream forgets what capture has not read; capture stops there, and a restart begins the second generation. Records
// and workers of the first one go on until a grace has passed. Searches for rows that vanished, any number of them, read
// the new table, look at the source, and write their markers, in steps between which all else may happen.
//
// # What is wrong
//
// The stored version fell. An older value came after its marker was swept. All is applied, and the new table is not what the old one is. The first of those that a search meets is printed with a shortest way to it.
package model
