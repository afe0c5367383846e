// Package dynamodb has the adapters to Amazon DynamoDB: the old table as snapshot.Source and capture.Stream, the new
// one as apply.Target and sweep.Markers.
//
// Items pass as bytes (invariant 7). The calls that carry items (PutItem, BatchExecuteStatement, Scan, GetRecords,
// and the sweep's DeleteItem) go through a small wire client: the SDK's configuration, credentials and
// endpoint, with signatures, request bodies and answers that this package writes and cuts itself. All other calls are the
// SDK's.
//
// Nothing is retried here. A guard judges whether an answer is DynamoDB's at all, and whether it refuses the credentials or
// the clock; it remembers for how long. An error is classified once, by classify, and the callers retry.
package dynamodb
