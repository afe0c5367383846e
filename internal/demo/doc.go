// Package demo is the demonstration: the main job on embedded parts, in one go, in front of your eyes. A table is
// filled, a live application keeps changing it, worker processes copy it and are killed on the way, and at the end
// both tables are read whole and held against each other.
//
//	Run           all of it, as `crossfade demo` does
//	Application   a live application; the same seed gives the same changes of each row, in the same order
//	Rows          what it keeps in its table; AllTypes has every attribute type
//	SDKTable      how it writes: through the SDK, as applications do
//	Compare       reads both tables whole and counts what differs
//	Process       a worker process that can be killed, and that dies with this one
//
// The end-to-end tests use everything but Run on real services, with rows of their own.
//
// What is random is drawn from the seed, but for the moments at which things happen: the interleaving of application,
// snapshot and appliers is a different one each time, and the outcome must not be.
package demo
