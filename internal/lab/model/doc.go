// Package model searches every interleaving of a migration, and shows that nothing is lost and nothing comes back from the
// dead; and, for each guard that the design rests on, what goes wrong without it.
//
// It is an explicit-state search. What the steps decide, they ask of the parts' own code, so that a change of it is checked
// here before it is tried anywhere else. There are three kinds of scope, each with a state of its own:
//
//	Scope     one key, and every part of a migration (state.go)
//	Facts     one shard, two captures, and the compacted topic of the facts (facts.go)
//	Segments  one segment, two snapshot workers, its pages, its facts and the close (segments.go)
//
// A fourth one, two keys and what a worker does with their records in memory, is in the tests of package apply. Package
// search looks through all of them.
//
// # One key
//
// A state holds all that is durable: the source and its stream, both topics, the facts, the control log, the committed
// offsets, the new table. The steps are those of the application, of create, of captures, snapshot workers, appliers,
// the sweep, a replay, and of time. They ask events.Version, apply.Rules, checkpoint.Frontier, State, capture.Plan,
// sweep.Window, snapshot.Unmet, Suspect and Vanished.
//
// A worker holds nothing durable, so the state does not follow each of them. It follows what some worker, in time or
// stale, might still do: any number of them may have begun at any place that was durable a grace ago or later, may be
// anywhere beyond it, may have crashed, lost an answer, repeated or overtaken each other. A step is possible as long as
// a worker could be there that takes it. This allows more than can happen, and never less.
//
// The step called grace is the assumption behind guard c of the sweep: that nothing begun before it is under way after
// it. It can come at any moment.
//
// # Generations
//
// The stream forgets what capture has not read, and capture stops there; or an operator forces it: a restart begins the
// second generation, and another one the third. Records and workers of the generations before go on until a grace has
// passed. Searches for rows that vanished, any number of them, read the new table, look at the source, and write their
// markers, in steps between which all else may happen.
//
// # What is applied
//
// Appliers begin where the facts say that all is applied, and the sweep looks there too; a replay begins an epoch of
// facts of its own. The offsets that the broker keeps may be forgotten, or be set to anything, at any moment: nobody asks
// for them. An applier's own commit is one such setting, so it may come before the fact as well as after it.
//
// # Facts
//
// Two captures read one shard, neither knowing of the other. Their appends fail and arrive all the same; they stop, and
// begin again. They ask checkpoint.Furthest and Superseded. The furthest fact never falls: the scopes of one key take
// that as given.
//
// # Segments
//
// Two snapshot workers read one segment, neither knowing of the other: some pages each, which the topic takes in any order,
// at any time or never, and which they hear of in any order. They ask checkpoint.Frontier, Furthest and Superseded; their
// appends fail and arrive all the same; they stop, and begin again. A worker may be silent for longer than a grace, for so
// long may a page take. No fact says more than the topic has, the furthest one never falls, and when the snapshot is closed
// every page is below the ends that the close records.
//
// # Fewer states
//
// What can make no difference any more is left out of a state (world.settle), and steps that only make
// more possible are taken at once: a page is read whenever it may be, and a record that was written counts as done,
// whether or not the answer came. What a crash or a lost answer leaves behind can do less than that.
//
// # What it does not look at
//
// Two keys through a whole migration: each key has an order of its own, and they meet in the partitions only. Facts
// of several segments or shards, by name: a key is about one of them. Pages that two workers cut at different rows. A shard that splits more than once. Whether a sweep must end when a generation begins, and wait for the marking: it does both here, as
// in the program, and within these scopes nothing goes wrong without either.
//
// # What is wrong
//
// The stored version fell. An older value came after its marker was swept. All is applied, and the new table is not what
// the old one is. An offset is committed, and a record before it is nowhere. The furthest fact fell. A fact says more than the topic has, or the
// close does. The first of those that
// a search meets is printed with a shortest way to it.
package model
