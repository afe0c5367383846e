// Package dynamodb has the adapters to Amazon DynamoDB: the old table as snapshot.Source and capture.Stream, the new
// one as apply.Target, sweep.Markers and snapshot.NewTable.
//
// Items pass as bytes (invariant 7). The calls that carry items or keys of theirs go through a small wire client, with the SDK's
// configuration, credentials and endpoint: PutItem, BatchExecuteStatement, Scan, GetRecords, and the GetItem and DeleteItem of the
// sweep, the search and the checks. This package writes and signs their requests, and cuts their answers. All other calls are the SDK's.
//
// Nothing that a worker asks for is retried here. A guard judges whether an answer is DynamoDB's at all, and whether it
// refuses the credentials or the clock; it remembers for how long. An error is classified once, by classify, and the callers
// retry. EnableStream waits until the stream answers, for two minutes at the most; Items and FindTouched try each page
// again, and Survey leaves that to its caller. What a worker asks for is seen by the table's fault.Dependency, which says when the table
// does not answer and when it does again.
//
// The files, in the order to read them:
//
//	table.go        a table: its options, how it is opened, its description, its stream turned on, and checks of rights
//	wire.go         a signed request out of bytes, and its answer or error
//	sign.go         its signature
//	guard.go        whether an answer is DynamoDB's, for both clients
//	credentials.go  the credentials, loaded again when they are refused
//	classify.go     the class of an error, once
//
//	scan.go         a page of a consistent scan; the cutter of any answer; Items, a whole table
//	quick.go        the cutter of the usual answers, in one pass, with the keys of their items
//	source.go       the old table: its rows, and whether one is there
//	stream.go       its stream: shards, iterators, records
//	local.go        what is different in DynamoDB Local's streams
//	repair.go       and in the images of its records
//
//	target.go       the new table: an item under the condition of invariant 1, and what a refusal means
//	insert.go       many new items at once, by PartiQL
//	markers.go      its markers, for the sweep
//	rows.go         its rows of older generations, for the search for vanished ones
//	touched.go      a trace of the application in it, for a replay
//	survey.go       what is in it, for create
//	naive.go        a target without any condition, for the demonstration
//
//	permissions.go  what shows a right, and changes nothing
//	ttl.go          whether items expire
//
// How items of the new table look, and which conditions there are on them, newtable knows; how DynamoDB writes an item as JSON,
// dynamojson.
package dynamodb
