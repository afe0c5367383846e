// Package checkpoint is what the workers know to be done, and how they prove it to each other.
//
//	Frontier   in memory: which position is the highest below which everything is done (invariant 2)
//	Facts      in <name>.facts: how far each segment, shard and applied partition is, true for ever (invariant 6)
//	Control    in <name>.control: the history of the migration, changed by compare-and-swap (Update)
//	State      the fold of that history; State.Fold has the table of what may follow what
//	Watch      the control log as a running worker sees it, and how fresh that is
//
// Every worker may die at any instruction. What it leaves behind is facts and control
// entries; the next worker starts from those by the same path as the first one did.
//
// Builds of different versions read the same statements: each has a format, and says what a build must do that does not
// know it (format.go).
//
// The package knows Kafka only as a Log: one partition that can be appended to and read.
package checkpoint
