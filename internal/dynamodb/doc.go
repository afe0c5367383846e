// Package dynamodb has the adapters to Amazon DynamoDB: the old table as snapshot.Source and capture.Stream, the new
// one as apply.Target and sweep.Markers.
//
// Items pass as bytes (invariant 7). The calls that carry items (PutItem, BatchExecuteStatement, Scan, GetRecords,
// and the sweep's DeleteItem) go through a small wire client: the SDK's configuration, credentials and
// endpoint, with signatures, request bodies and answers that this package writes and cuts itself. All other calls are the
// SDK's.
//
// Nothing that a worker asks for is retried here. A guard judges whether an answer is DynamoDB's at all, and whether it
// refuses the credentials or the clock; it remembers for how long. An error is classified once, by classify, and the callers
// retry. EnableStream waits until the stream answers, for two minutes at the most, and Items, which no worker calls, tries
// each page again. Every request is seen by the table's fault.Dependency, which says when the table does not answer and
// when it does again.
package dynamodb
